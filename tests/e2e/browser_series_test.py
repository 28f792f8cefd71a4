"""A whole DICOM series on the page: as a zip, as a folder, as a job that can be followed and cancelled.

A phantom archive of pulmo-prepare gives the slices; pydicom says what order and places they have."""

import os
import pathlib
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request
import zipfile

import pydicom
import pydicom.uid
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

import browser_access_test as access
from browser_test import LISTEN
from page_driver import CANVAS, PageTest

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
        """That of the slice whose picture is shown, once one is."""
        return int(self.wait(lambda: self.text("#where")).split("/")[0])

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

    def test_the_report_tells_warnings_window_and_overlays(self):
        self.script("window.print = () => { window.printed = true; }")
        gap = packed("gap.zip", {file.name: file.read_bytes() for file in (*FILES[:4], *FILES[6:])})
        self.drop_paths(gap)
        self.wait_for_studies(1, seconds=240)
        self.canvas()
        self.wait(lambda: "lies inside the lungs" in self.text("#slice-findings"))
        self.script(SET, "lungs", 0)
        self.script(SET, "heat", 40)
        self.script("const p = document.getElementById('preset'); p.value = 2; p.dispatchEvent(new Event('change'))")
        self.click("#invert")
        self.click("#print")
        self.wait(lambda: self.script("return window.printed"))
        report = self.text("#report")
        (series,) = self.answer()["summary"]["series"]
        self.assertTrue(any("slices are missing" in warning for warning in series["warnings"]))
        self.assertTrue(any("operating point" in warning for warning in series["warnings"]))
        for warning in series["warnings"]:
            self.assertIn(warning[1:], report)
            self.assertIn(warning[1:], self.text("#study-findings"))
        for words in ("width 400, level 40 HU", "inverted", "as sent", "heat map (40.0 %)"):
            self.assertIn(words, report)
        for words in ("lung outline", "null", "false", "undefined"):
            self.assertNotIn(words, report)

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


class SlowPicturesTest(PageTest):
    """Slices that the server alone can decode: their pictures take a while, or never come."""

    def setUp(self):
        super().setUp()
        self.script(HOLD + "window.print = () => { window.printed = true; }")
        middle = FILES[SLICES // 2 - 1:SLICES // 2 + 2]
        self.drop_paths(packed("packed.zip", {file.name: run_length_coded(file) for file in middle}))
        self.wait_for_studies(1, seconds=240)
        self.canvas()
        self.find("#viewport").send_keys(Keys.HOME)
        self.wait(lambda: self.text("#where").startswith("1 / 3"))
        self.canvas()

    def begin_second(self, way):
        self.script("window.way = arguments[0]", way)
        self.find("#viewport").send_keys(Keys.ARROW_DOWN)
        self.assertIn("Slice 2 ", self.text("#slice-findings"))

    def test_until_its_picture_is_there_a_slice_has_none_and_no_report(self):
        self.begin_second("held")
        self.wait(lambda: self.script(CANVAS)[0] == 0)
        self.assertEqual([self.text(f"#{corner}") for corner in ("where", "windowed", "zoomed", "value")], [""] * 4)
        self.wait(lambda: self.find("#loading").is_displayed())
        viewport = self.find("#viewport")
        self.assertEqual((viewport.get_attribute("aria-busy"), viewport.get_attribute("aria-label")),
                         ("true", "Slice viewer: loading"))
        self.assertIsNone(viewport.get_attribute("data-shown"))
        self.assertFalse(self.find("#print").element().is_enabled())
        self.assertEqual(self.script(access.COMPLAINTS), [])
        self.script("letGo()")
        self.wait(lambda: self.text("#where").startswith("2 / 3"))
        self.canvas()
        self.assertEqual(viewport.get_attribute("data-shown"), FILES[SLICES // 2].name)
        self.assertIsNone(viewport.get_attribute("aria-busy"))
        self.assertFalse(self.find("#loading").is_displayed())
        self.assertTrue(self.find("#print").element().is_enabled())
        self.assertIn("edges: left R, right L, top A, bottom P", viewport.get_attribute("aria-label"))

    def test_a_picture_that_comes_late_is_not_shown_beside_another_slice(self):
        first = self.find("#viewport").get_attribute("data-shown")
        self.begin_second("held")
        self.find("#viewport").send_keys(Keys.ARROW_UP)
        self.canvas()
        self.script("letGo()")
        self.browser.execute_async_script("setTimeout(arguments[0], 500)")
        self.assertTrue(self.text("#where").startswith("1 / 3"))
        self.assertEqual(self.find("#viewport").get_attribute("data-shown"), first)

    def test_a_slice_without_a_picture_is_printed_without_one(self):
        self.begin_second("lost")
        self.wait(lambda: self.find("#unseen").is_displayed())
        self.wait(lambda: self.script(CANVAS)[0] == 0)
        self.assertIn("no picture", self.find("#viewport").get_attribute("aria-label"))
        self.click("#print")
        self.wait(lambda: self.script("return window.printed"))
        self.assertEqual(self.find_all("#report img"), [])
        self.assertIn("No picture of this slice can be shown", self.text("#report"))
        self.assertNotIn("Overlays", self.text("#report"))


class ArchiveTest(PageTest):
    def test_names_of_code_page_437_find_their_pictures_and_what_was_skipped_is_told(self):
        content = {f"LQcke-{file.name}": file.read_bytes() for file in FILES[4:7]}
        archive = packed("old.zip", {**content, "letter.txt": b"Dear doctor", "notes.txt": b"None"})
        archive.write_bytes(archive.read_bytes().replace(b"LQcke-", b"L\x81cke-"))
        self.drop_paths(archive)
        self.wait_for_studies(1, seconds=240)
        answer = self.answer()
        self.assertEqual({result["name"] for result in answer["results"]}, {f"Lücke-{file.name}" for file in FILES[4:7]})
        self.assertEqual(answer["summary"]["skipped"], 2)
        self.canvas()
        self.assertIn("Lücke-", self.find("#viewport").get_attribute("data-shown"))
        words = "2 files were not looked at"
        self.assertIn(words, self.find("#study-findings .caution-line").text)
        self.assertIn(words, self.text("#announce"))
        self.script("window.print = () => { window.printed = true; }")
        self.click("#print")
        self.wait(lambda: self.script("return window.printed"))
        self.assertIn(words, self.text("#report"))


class LostSightTest(PageTest):
    """Looks at a job that come to nothing."""

    def setUp(self):
        super().setUp()
        self.script(LISTEN + LOSE)

    def sent(self):
        return self.script("return sent")

    def give_up(self):
        self.script("window.down = true")
        self.drop_paths(ZIP)
        self.wait_for_studies(0, failed=1)
        self.assertIn("cannot be reached", self.find(".failure").text)
        self.script("window.down = false")

    def test_a_job_outlives_looks_that_come_to_nothing(self):
        self.drop_paths(ZIP)
        self.wait_for_studies(1, seconds=240)
        self.assertGreaterEqual(self.script("return looks"), 4)
        self.assertTrue(self.script("return said.some((words) => words.includes('No word from the server. Trying again'))"))
        self.assertEqual(self.sent(), 1)
        self.canvas()

    def test_trying_again_takes_up_the_job_that_was_lost_sight_of(self):
        self.give_up()
        self.click(".again")
        self.wait_for_studies(1, seconds=240)
        self.assertEqual(self.sent(), 1)

    def test_what_the_server_has_forgotten_is_sent_anew(self):
        self.give_up()
        forget = urllib.request.Request(f"{self.server.address}/{self.script('return job')}", method="DELETE")
        for _ in range(2):  # cancelled, then forgotten; or forgotten at once
            try:
                urllib.request.urlopen(forget).close()
            except urllib.error.HTTPError as error:
                self.assertEqual(error.code, 404)
        self.click(".again")
        self.wait_for_studies(1, seconds=240)
        self.assertEqual(self.sent(), 2)


def packed(name, files):
    path = pathlib.Path(FOLDER.name) / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inner, content in files.items():
            archive.writestr(inner, content)
    return path


def run_length_coded(file):
    dataset = pydicom.dcmread(file)
    dataset.compress(pydicom.uid.RLELossless)
    path = pathlib.Path(FOLDER.name) / "coded.dcm"
    dataset.save_as(path)
    return path.read_bytes()


# Pictures of the server wait until letGo(), or are lost, as `way` says.
HOLD = """
window.way = "";
const ask = window.fetch;
let going = [];
window.letGo = () => { going.forEach((go) => go()); going = []; };
window.fetch = async (path, options) => {
  if (window.way && path.startsWith("v1/predict?preview")) {
    if (window.way === "lost") throw new TypeError("lost");
    await new Promise((go) => going.push(go));
  }
  return ask(path, options);
};
"""

# Counts what is sent; the first looks at a job come to nothing, each in its way, and all while `down`. Time runs fast.
LOSE = """
Object.assign(window, { sent: 0, looks: 0, job: "", down: false });
const [ask, wait] = [window.fetch, window.setTimeout.bind(window)];
window.setTimeout = (done, ms) => wait(done, ms / 200);
const broken = () => new ReadableStream({ start: (stream) => stream.error(new TypeError("lost")) });
const ways = [() => { throw new TypeError("lost"); }, () => new Response("<h1>Bad Gateway</h1>", { status: 502 }),
  () => new Response(broken()), () => new Response("", { status: 504 })];
window.fetch = async (path, options) => {
  if (options.method === "POST" && path.startsWith("v1/predict")) ++window.sent;
  if (options.method === "GET" && path.startsWith("v1/jobs/")) {
    window.job = path;
    const way = window.down ? ways[0] : ways[window.looks];
    ++window.looks;
    if (way) return way();
  }
  return ask(path, options);
};
"""

# A range control set by hand.
SET = """
const input = document.getElementById(arguments[0]);
input.value = arguments[1];
input.dispatchEvent(new Event("input"));
"""

if __name__ == "__main__":
    unittest.main(verbosity=2)
