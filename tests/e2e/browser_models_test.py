"""The page of a server with several models."""

import pathlib
import subprocess
import tempfile
import unittest

from page_driver import PageTest
from server_process import BIN


class ModelsTest(PageTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="pulmo-models-")
        for seed, name in enumerate(("first", "second")):
            (pathlib.Path(cls.folder.name) / name).mkdir()
            extra = ["phantom"] if name == "second" else []
            subprocess.run([BIN / "pulmo-test-bundle", pathlib.Path(cls.folder.name) / name / "bundle.pt", "64", "lungs",
                            *extra, "--seed", str(seed)], check=True)
        cls.server_options = {"models": cls.folder.name}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()

    def test_the_model_that_answers_can_be_chosen_and_another_one_asked_then(self):
        names = self.script("return [...document.getElementById('model').options].map((one) => one.value)")
        self.assertEqual(sorted(names), ["first", "second"])
        self.choose("first")
        self.assertFalse(self.find("#phantom").is_displayed())
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_studies(1)
        self.assertIn("first, version", self.text("#slice-findings"))
        self.assertEqual(self.find_all(".another"), [])
        self.choose("second")
        self.assertTrue(self.find("#phantom").is_displayed())
        self.assertIn("second", self.text("#model-facts"))
        self.assertIn("first, version", self.text("#slice-findings"))  # the answer that is shown is still the first's
        self.click(".another")
        self.wait(lambda: "second, version" in self.text("#slice-findings"))
        self.assertEqual(self.find_all(".another"), [])
        self.check_console()


if __name__ == "__main__":
    unittest.main(verbosity=2)
