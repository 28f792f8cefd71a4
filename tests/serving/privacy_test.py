"""No byte of an upload reaches the disk, and no patient is named in the log, the metrics or an error."""

import ctypes
import os
import pathlib
import re
import struct
import threading
import time
import unittest

import sample_images
from server_process import CheckedThread, Server, multipart

NAMES = {"PatientName": "Zebra^Quagga", "PatientID": "PID-7781-XQ", "OtherPatientIDs": "OTHER-5512", "AccessionNumber": "ACC-90210",
         "PatientBirthDate": "19510417", "InstitutionName": "Hospital of Nowhere", "StudyDescription": "Thorax of Zebra"}
UIDS = {"StudyInstanceUID": "1.2.3.77.1", "SeriesInstanceUID": "1.2.3.77.2"}
FILE_NAME, INNER_NAME = "Zebra_Quagga_scan.dcm", "Zebra/Quagga.dcm"
SECRETS = ["Zebra", "Quagga", "PID-7781", "OTHER-5512", "ACC-90210", "19510417", "Nowhere", "1.2.3.77", "Zebra_Quagga_scan"]


class FolderWatch:
    """Everything that is made, opened for writing or changed in some folders (inotify)."""

    EVENTS = 0x2 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200  # modify, close after write, moved from and to, create, delete

    def __init__(self, folders):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = self.libc.inotify_init1(os.O_NONBLOCK)
        for folder in folders:
            if self.libc.inotify_add_watch(self.descriptor, str(folder).encode(), self.EVENTS) < 0:
                raise OSError(ctypes.get_errno(), f"cannot watch {folder}")

    def events(self):
        try:
            data = os.read(self.descriptor, 65536)
        except BlockingIOError:
            return []
        found = []
        while data:
            _, mask, _, length = struct.unpack("iIII", data[:16])
            found.append((hex(mask), data[16:16 + length].rstrip(b"\0").decode()))
            data = data[16 + length:]
        return found

    def close(self):
        os.close(self.descriptor)


def written_files(pid):
    """Files on a file system that a process has open for writing."""
    found = set()
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(entry)
            flags = int(re.search(r"flags:\s+(\d+)", pathlib.Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text()).group(1), 8)
        except (OSError, AttributeError):
            continue  # closed meanwhile
        if target.startswith("/") and not target.startswith(("/dev/", "/memfd:")) and flags & (os.O_WRONLY | os.O_RDWR):
            found.add(target)
    return found


class PrivacyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("limits.files=8", "serve.workers=2")
        cls.dicom = sample_images.dicom(sample_images.chest(), **NAMES, **UIDS)

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def requests(self):
        """(status, body) of everything that may carry that slice, good and damaged."""
        archive = sample_images.zipped([(FILE_NAME, self.dicom), (INNER_NAME, self.dicom[:3000])])
        large = os.urandom(8_000_000)
        other = sample_images.dicom(sample_images.chest(), modality="MR", **NAMES, **UIDS)
        raw = f'Content-Disposition: attachment; filename="{FILE_NAME}"\r\n'
        for body, kind, path, headers in (
                (self.dicom, "application/dicom", "/v1/predict", raw), (other, "application/dicom", "/v1/predict", raw),
                (self.dicom[:5000], "application/dicom", "/v1/predict", raw), (archive, "application/zip", "/v1/predict", ""),
                (archive, "application/zip", "/v1/predict?async=1", ""), (self.dicom, "application/dicom", "/v1/explain", raw),
                (self.dicom + large, "application/dicom", "/v1/predict?preview=1", raw),
                (archive[:-30], "application/zip", "/v1/predict", raw),
                (*reversed(multipart([(FILE_NAME, "application/dicom", self.dicom), (FILE_NAME, "image/png", large)])), "/v1/predict", "")):
            reply = self.server.post(body, kind, path, headers)
            yield reply.status, reply.body

    def test_nobody_is_named_in_the_log_the_metrics_or_an_error(self):
        statuses = []
        for status, body in self.requests():
            statuses.append(status)
            for own_name in (FILE_NAME, INNER_NAME):  # the client's own names go back to it, and nowhere else
                body = body.replace(own_name.encode(), b"")
            for secret in SECRETS:
                self.assertNotIn(secret.encode(), body)
        self.assertEqual(set(statuses), {200, 202, 422})
        time.sleep(0.3)
        for where, text in (("log", self.server.log()), ("metrics", self.server.get("/metrics").body.decode())):
            for secret in SECRETS:
                self.assertNotIn(secret, text, where)
        self.server.check_healthy(self)

    def test_no_byte_of_an_upload_reaches_the_disk(self):
        pid, seen, stop = self.server.process.pid, set(), threading.Event()

        def look():
            while not stop.is_set():
                seen.update(written_files(pid))
                stop.wait(0.002)

        def written_bytes():
            return int(re.search(r"^write_bytes: (\d+)", pathlib.Path(f"/proc/{pid}/io").read_text(), re.M).group(1))

        watch = FolderWatch([self.server.work, self.server.work.parent])
        before, log_before = written_bytes(), len(self.server.log())
        looker = CheckedThread(target=look)
        looker.start()
        try:
            sent = sum(1 for _ in range(3) for _ in self.requests())
        finally:
            stop.set()
            looker.join()
        self.assertGreater(sent, 20)
        self.assertEqual({name for _, name in watch.events()} - {"log"}, set())
        watch.close()
        self.assertEqual(seen, {str(self.server.log_path)})
        # the kernel counts whole pages of the log
        self.assertLess(written_bytes() - before, 4096 * (8 + (len(self.server.log()) - log_before) // 50))


if __name__ == "__main__":
    unittest.main(verbosity=2)
