"""A whole DICOM series on the page: as a zip, as a folder, as a job that can be followed and cancelled.

A phantom archive of pulmo-prepare gives the slices; pydicom says what order and places they have."""

import os
import pathlib
import subprocess
import tempfile
import unittest
import zipfile

import pydicom
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

import browser_access_test as access
from page_driver import PageTest

SLICES = 12


def setUpModule():
    global FOLDER, FILES, ZIP
    FOLDER = tempfile.TemporaryDirectory(prefix="pulmo-series-")
    archive = pathlib.Path(FOLDER.name) / "phantom"
    subprocess.run([pathlib.Path(os.environ["PULMO_BIN_DIR"]) / "pulmo-prepare", "phantom", "--output", archive,
                    "--patients", "1", "--slices", str(SLICES), "--matrix", "256", "--seed", "7"], check=True,
                   capture_output=True)
    FILES = sorted((archive / "images").rglob("*.dcm"))
    ZIP = pathlib.Path(FOLDER.name) / "series.zip"
    with zipfile.ZipFile(ZIP, "w", zipfile.ZIP_DEFLATED) as packed:
        for number, file in enumerate(reversed(FILES)):  # not in the order along the body
            packed.write(file, f"scan/{number:03}.dcm")


def tearDownModule():
    FOLDER.cleanup()


class SeriesTest(PageTest):
    def show_series(self):
        self.drop_paths(ZIP)
        self.wait_for_studies(1, seconds=240)
        self.canvas()

    def number(self):
        """That of the slice whose picture is shown."""
        return int(self.text("#where").split("/")[0])

    def shows(self, number):
        """Waits until that slice's picture is there."""
        self.wait(lambda: self.number() == number)

    def test_a_zip_of_a_series_is_answered_with_a_profile_along_the_body(self):
        self.show_series()
        answer = self.answer()
        (series,) = answer["summary"]["series"]
        headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in FILES]
        heights = sorted(float(header.ImagePositionPatient[2]) for header in headers)
        shown = [point["position_mm"] for point in series["profile"]]
        for one, other in zip(shown, heights):
            self.assertAlmostEqual(one, other, places=3)
        findings = self.find("#study-findings").text
        self.assertIn(f"{len(FILES)} slices", findings)
        self.assertIn(f"{series['predicted']} predicted, {series['refused']} refused", findings)
        profile = self.find("#profile")
        self.assertEqual(profile.get_attribute("aria-valuemax"), str(len(FILES)))
        self.assertEqual(len(self.find_all("#profile .point")), series["predicted"])
        self.assertEqual(len(self.find_all("#profile .stretch")), len(series["suspicious"]))
        self.assertEqual(len(self.find_all(".suspicious button")), len(series["suspicious"]))
        self.check_console()

    def test_a_click_on_the_profile_shows_that_slice(self):
        self.show_series()
        for share in (0.1, 0.95):
            box = self.find("#profile").rect
            ActionChains(self.browser).move_to_element_with_offset(
                self.find("#profile").element(), int((share - 0.5) * box["width"]), 0).click().perform()
            self.wait(lambda: self.number() <= 2 if share < 0.5 else self.number() >= SLICES - 2)
        self.wait(lambda: f"Slice {self.number()} " in self.text("#slice-findings"))

    def test_slices_are_turned_by_wheel_keys_and_slider(self):
        self.show_series()
        viewport = self.find("#viewport")

        self.script("arguments[0].focus()", viewport.element())
        viewport.send_keys(Keys.HOME)
        self.shows(1)
        viewport.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
        self.shows(3)
        viewport.send_keys(Keys.PAGE_DOWN)
        self.shows(min(len(FILES), 13))
        viewport.send_keys(Keys.END, Keys.ARROW_UP)
        self.shows(len(FILES) - 1)
        self.script("arguments[0].dispatchEvent(new WheelEvent('wheel', { deltaY: -120, cancelable: true }))",
                    viewport.element())
        self.wait(lambda: self.number() < len(FILES) - 1)
        self.script("const s = document.getElementById('slice'); s.value = 2; s.dispatchEvent(new Event('input'))")
        self.shows(2)
        self.find("#profile").send_keys(Keys.HOME, Keys.ARROW_RIGHT)
        self.shows(2)
        self.assertIn("Slice 2 of", self.find("#profile").get_attribute("aria-valuetext"))

    def test_a_folder_is_taken_for_the_series_that_it_is(self):
        self.drop_paths(FILES[0].parent)
        self.wait_for_studies(1, seconds=240)
        self.assertEqual(len(self.find_all(".study")), 1)
        self.assertIn(f"{len(FILES)} slices", self.find("#study-findings").text)
        self.canvas()

    def test_a_job_shows_its_progress_and_can_be_cancelled(self):
        copies = pathlib.Path(FOLDER.name) / "large.zip"
        with zipfile.ZipFile(copies, "w", zipfile.ZIP_DEFLATED) as packed:
            for number in range(200):
                packed.write(FILES[number % len(FILES)], f"{number:03}.dcm")
        self.drop_paths(copies)
        self.wait(lambda: self.script("return document.querySelector('#findings-body progress')?.max") == 200)
        self.click(".cancel")
        self.wait(lambda: self.states() == ["cancelled"])
        self.assertIn("Cancelled", self.find(".failure").text)

    def test_an_archive_without_a_picture_is_refused_in_words(self):
        letter = pathlib.Path(FOLDER.name) / "letter.zip"
        with zipfile.ZipFile(letter, "w") as packed:
            packed.writestr("letter.txt", "Dear doctor")
        self.drop_paths(letter)
        self.wait_for_studies(0, failed=1)
        self.assertIn("no DICOM, PNG or JPEG", self.find(".failure").text)

    def test_lung_outline_and_heat_map_can_be_faded(self):
        self.show_series()
        self.click(".suspicious button, #viewport")
        self.wait(lambda: self.find("#overlays").is_displayed() and not self.find("#explaining").is_displayed())
        self.wait(lambda: "heat map lies inside the lungs" in self.text("#slice-findings"))
        self.script(SET, "lungs", 100)
        self.wait(lambda: self.canvas()[1] > 0.1)
        with_lungs = self.canvas()[1]
        self.script(SET, "heat", 100)
        self.wait(lambda: self.canvas()[1] > with_lungs)
        self.script(SET, "lungs", 0)
        self.script(SET, "heat", 0)
        self.wait(lambda: self.canvas()[1] < 0.01)

    def test_the_report_of_a_series_has_its_chart_and_positions(self):
        self.script("window.print = () => { window.printed = true; }")
        self.show_series()
        self.click("#print")
        self.wait(lambda: self.script("return window.printed"))
        report = self.text("#report")
        self.assertIn("Suspicious positions", report)
        self.assertNotIn("series.zip", report)
        self.assertTrue(self.find_all("#report .chart path"))

    def test_a_series_is_named_and_readable_in_light_and_dark(self):
        self.addCleanup(self.emulate)
        self.show_series()
        self.script("for (const one of document.querySelectorAll('details')) one.open = true")
        self.assertEqual(self.script(access.COMPLAINTS), [])
        for scheme in ("light", "dark"):
            self.emulate(prefers_color_scheme=scheme)
            self.wait(lambda: self.script("return document.documentElement.dataset.theme") == scheme)
            self.wait(lambda: self.script(access.SETTLED))
            self.assertEqual(self.script(access.PALE), [], scheme)

    def test_a_series_fits_a_phone(self):
        self.phone()
        self.open_page()
        self.show_series()
        self.assertLessEqual(self.script("return document.documentElement.scrollWidth"), 360)


# A range control set by hand.
SET = """
const input = document.getElementById(arguments[0]);
input.value = arguments[1];
input.dispatchEvent(new Event("input"));
"""

if __name__ == "__main__":
    unittest.main(verbosity=2)
