"""Real CT slices through the real server."""

import os
import pathlib
import unittest
import zipfile

from server_process import Server

DATA = pathlib.Path(os.environ["PULMO_REAL_DATA"])


class RealSlicesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(size_px=224)

    @classmethod
    def tearDownClass(cls):
        log = cls.server.log()
        code = cls.server.stop()
        if code != 0 or "LIDC" in log or "1.3.6.1.4.1.14519" in log:
            raise AssertionError(f"the server ended with {code}, or its log names a patient:\n{log}")

    def post(self, content):
        return self.server.post(content, "application/dicom")

    def test_a_series_is_answered_slice_by_slice(self):
        archive = zipfile.ZipFile(DATA / "lidc-idri-0001.zip")
        names = sorted(name for name in archive.namelist() if name.endswith(".dcm"))[::12]
        answered = 0
        for name in names:
            reply = self.post(archive.read(name))
            self.assertNotIn(b"LIDC", reply.body)
            if reply.status == 200:
                answered += 1
                self.assertGreater(reply.json()["results"][0]["lung_fraction"], 0.01)
            else:
                self.assertEqual((reply.status, reply.code()), (422, "no_lung"))
        self.assertGreater(answered, len(names) // 2)

    def test_slices_of_other_scanners_are_answered(self):
        archive = zipfile.ZipFile(DATA / "other-scanners.zip")
        statuses = [self.post(archive.read(name)).status for name in archive.namelist() if name.endswith(".dcm")]
        self.assertGreater(len(statuses), 5)
        self.assertLessEqual(set(statuses), {200, 422})
        self.assertGreater(statuses.count(200), len(statuses) // 2)

    def test_broken_files_of_toolkits_are_refused(self):
        archive = zipfile.ZipFile(DATA / "dicom-syntaxes.zip")
        names = [name for name in archive.namelist() if "broken/" in name and not name.endswith("/")]
        self.assertTrue(names)
        for name in names:
            self.assertEqual(self.post(archive.read(name)).status, 422, name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
