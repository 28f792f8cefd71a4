"""A model that outlines nodules on the page: its outline can be faded, beside a model that outlines nothing."""

import pathlib
import subprocess
import tempfile
import unittest

from selenium.webdriver.common.keys import Keys

from page_driver import PageTest
from outlining_bundle import write_outlining_bundle
from server_process import BIN

# Pixels of the viewer's canvas in the hue of the nodule's outline.
HUE = """
const canvas = document.getElementById("canvas");
const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
let count = 0;
for (let i = 0; i < data.length; i += 4) {
  count += Math.min(data[i], data[i + 2]) > data[i + 1] + 60 ? 1 : 0;
}
return count;
"""
FADE = """
const slider = document.getElementById(arguments[0]);
slider.value = arguments[1];
slider.dispatchEvent(new Event("input"));
"""


class OutlinesTest(PageTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="pulmo-outlines-")
        cls.addClassCleanup(cls.folder.cleanup)
        models = pathlib.Path(cls.folder.name)
        for name in ("outlining", "plain"):
            (models / name).mkdir()
        write_outlining_bundle(models / "outlining/bundle.pt", 64)
        subprocess.run([BIN / "pulmo-test-bundle", models / "plain/bundle.pt", "64", "lungs", "--network", "proposed_cnn"],
                       check=True)
        cls.server_options = {"models": models}
        super().setUpClass()

    def show(self):
        self.drop(("slice.dcm", "", self.dicom))
        self.wait_for_studies(1)
        self.wait_for_the_explanation()

    def wait_for_the_explanation(self):
        self.wait(lambda: "the heat map lies inside" in self.text("#slice-findings")
                  or "No place stands out" in self.text("#slice-findings"))

    def test_the_outline_of_the_nodule_has_its_own_slider_and_words(self):
        self.choose("outlining")
        self.show()
        self.wait(lambda: self.find("#nodule").is_displayed())
        self.assertIn("Nodule, as the model outlines it", self.text("label[for=nodule]"))
        self.assertEqual(self.script("return document.getElementById('nodule').labels.length"), 1)
        self.assertRegex(self.text("#slice-findings"), r"Outlines a nodule.*Its outline holds \d+\.\d % of what the model sees")
        for layer in ("heat", "lungs"):
            self.script(FADE, layer, 0)
        self.script(FADE, "nodule", 100)
        self.wait(lambda: self.script(HUE) > 20)
        self.find("#nodule").send_keys(Keys.HOME)
        self.assertEqual(self.find("#nodule").get_attribute("value"), "0")
        self.wait(lambda: self.script(HUE) == 0)
        self.check_console()

    def test_a_model_that_outlines_nothing_has_no_such_slider(self):
        self.choose("plain")
        self.show()
        self.assertTrue(self.find("#heat").is_displayed())
        self.assertFalse(self.find("#nodule").is_displayed())
        self.assertNotIn("Outlines", self.text("#slice-findings"))
        self.choose("outlining")
        self.click(".another")
        self.wait(lambda: self.find("#nodule").is_displayed())
        self.choose("plain")
        self.click(".another")
        self.wait_for_the_explanation()
        self.wait(lambda: not self.find("#nodule").is_displayed())
        self.check_console()

    def test_the_report_tells_of_the_outline(self):
        self.script("window.print = () => { window.printed = true; }")
        self.choose("outlining")
        self.show()
        self.click("#print")
        self.wait(lambda: self.script("return window.printed"))
        self.assertIn("Outlines a nodule", self.text("#report"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
