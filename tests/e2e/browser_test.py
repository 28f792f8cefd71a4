"""Chromium drives the web page: drops slices on it, reads what it shows, and watches the console.

    browser_test.py [--screenshot FILE] [--server BINARY] [--bundle FILE] [--slice FILE]

Without arguments it makes its own bundle and slice (ctest). --screenshot writes the picture of the page after a drop."""

import argparse
import base64
import os
import pathlib
import sys
import tempfile
import unittest

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/serving"))
ARGUMENTS = argparse.Namespace(screenshot=None, bundle=None, slice=None)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screenshot", type=pathlib.Path, help="write the page after a drop as PNG")
    parser.add_argument("--server", type=pathlib.Path, help="the pulmo-serve to test")
    parser.add_argument("--bundle", type=pathlib.Path, help="bundle to serve instead of a random one")
    parser.add_argument("--slice", type=pathlib.Path, help="DICOM, PNG or JPEG slice to drop instead of a drawn one")
    arguments, rest = parser.parse_known_args()
    if arguments.server:
        os.environ["PULMO_BIN_DIR"] = str(arguments.server.resolve().parent)
    os.environ.setdefault("PULMO_SOURCE_DIR", str(ROOT))
    return arguments, rest


def start_browser(profile, width=1280, height=1000):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={profile}",
                 f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


# Builds the files in the page and drops them as a person's mouse would.
DROP = """
const transfer = new DataTransfer();
for (const [name, type, content] of arguments[0]) {
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type }));
}
const target = document.getElementById("drop");
for (const kind of ["dragenter", "dragover", "drop"]) {
  target.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}
"""


class BrowserTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        from sample_images import chest, dicom, encode
        from server_process import Server
        cls.server = Server(bundle=ARGUMENTS.bundle, size_px=64, phantom=True)
        cls.png = encode(chest(512, nodule=True), "png")
        cls.dicom = dicom(chest(512, nodule=True))
        cls.profile = tempfile.TemporaryDirectory(prefix="pulmo-browser-")
        cls.browser = start_browser(cls.profile.name)

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()
        cls.profile.cleanup()
        code = cls.server.stop()
        if code != 0:
            raise AssertionError(f"the server ended with {code}")

    def setUp(self):
        self.browser.get_log("browser")
        self.browser.get(self.server.address + "/")
        self.wait(lambda: self.find("#served").is_displayed())

    def wait(self, condition, seconds=30):
        return WebDriverWait(self.browser, seconds, 0.05).until(lambda _: condition())

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def drop(self, *files):
        self.browser.execute_script(DROP, [(name, kind, base64.b64encode(data).decode()) for name, kind, data in files])

    def wait_for_cards(self, done, failed=0):
        self.wait(lambda: len(self.find_all('[data-state="done"]')) == done and
                  len(self.find_all('[data-state="failed"]')) == failed)

    def check_console(self, *allowed):
        bad = [entry["message"] for entry in self.browser.get_log("browser")
               if entry["level"] in ("SEVERE", "WARNING") and not any(word in entry["message"] for word in allowed)]
        self.assertEqual(bad, [])

    def check_verdict(self, card):
        self.assertIn(card.find_element(By.CSS_SELECTOR, ".badge").text, ("normal", "malignant"))
        self.assertRegex(card.find_element(By.CSS_SELECTOR, ".percent").text, r"^[<>]? ?\d+\.\d %$")
        meter = card.find_element(By.CSS_SELECTOR, ".meter")
        self.assertTrue(0 <= float(meter.get_attribute("aria-valuenow")) <= 100)
        self.assertIn("operating point", card.find_element(By.CSS_SELECTOR, ".threshold").text)
        self.assertIn("Lung in the picture", card.find_element(By.CSS_SELECTOR, ".facts").text)
        image = card.find_element(By.CSS_SELECTOR, "img")
        self.wait(lambda: self.browser.execute_script("return arguments[0].naturalWidth", image) > 0)

    def test_dropped_slice_is_shown_with_class_probability_and_notice(self):
        self.assertIn("never a diagnosis", self.find("#notice").text)
        self.assertTrue(self.find("#notice").is_displayed())
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_cards(1)
        card = self.find(".card")
        self.check_verdict(card)
        self.assertIn("grey values", card.text)
        self.assertIn("slice.png", self.find("#announce").get_attribute("textContent"))
        self.assertIn("never a diagnosis", self.find("#announce").get_attribute("textContent"))
        self.check_console()

    def test_dicom_is_shown_as_people_and_as_the_model_see_it(self):
        self.drop(("slice.dcm", "", self.dicom))
        self.wait_for_cards(1)
        self.check_verdict(self.find(".card"))
        shown = self.find(".card img").get_attribute("src")
        self.find('[data-view="model"]').click()
        seen = self.find(".card img").get_attribute("src")
        self.assertTrue(shown.startswith("data:image/png") and seen.startswith("data:image/png"))
        self.assertNotEqual(shown, seen)
        self.assertIn("Hounsfield units", self.find(".card").text)
        self.check_console()

    def test_phantom_model_says_so_in_big_letters(self):
        banner = self.find("#phantom")
        shown = self.browser.execute_async_script(
            "const done = arguments[0]; fetch('v2').then(r => r.json()).then(s => fetch('v2/models/' + s.models[0]))"
            ".then(r => r.json()).then(m => done(m.parameters.phantom));")
        self.assertEqual(banner.is_displayed(), shown)
        if shown:
            self.assertIn("PHANTOM", banner.text)
            size = self.find("#phantom strong").value_of_css_property("font-size")
            self.assertGreaterEqual(float(size.removesuffix("px")), 24)

    def test_pictures_switch_between_what_was_sent_and_what_the_model_sees(self):
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_cards(1)
        self.assertTrue(self.find(".card img").get_attribute("src").startswith("blob:"))
        self.find('[data-view="model"]').click()
        self.assertTrue(self.find(".card img").get_attribute("src").startswith("data:image/png"))
        self.assertEqual(self.find('[data-view="model"]').get_attribute("aria-pressed"), "true")

    def test_several_files_each_get_their_card_and_errors_speak_plainly(self):
        self.drop(("one.png", "image/png", self.png), ("letter.txt", "text/plain", b"Dear doctor"),
                  ("broken.dcm", "", self.dicom[:2000]), ("empty.png", "image/png", b""), ("two.dcm", "", self.dicom))
        self.wait_for_cards(2, failed=3)
        texts = {card.find_element(By.CSS_SELECTOR, ".name").text: card.text for card in self.find_all(".card")}
        self.assertIn("neither DICOM nor PNG nor JPEG", texts["letter.txt"])
        self.assertIn("cut off or damaged", texts["broken.dcm"])
        self.assertIn("empty", texts["empty.png"])
        self.check_console("Failed to load resource")  # the browser's own words for a 4xx reply

    def test_a_name_full_of_markup_stays_text(self):
        self.drop(("<img src=x onerror=alert(1)>.png", "image/png", self.png))
        self.wait_for_cards(1)
        self.assertEqual(self.find(".card .name").text, "<img src=x onerror=alert(1)>.png")
        self.check_console()

    def test_files_can_be_chosen_by_keyboard_and_picker(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "picked.png"
            path.write_bytes(self.png)
            button = self.find("#choose")
            self.browser.execute_script("arguments[0].focus()", button)
            self.assertEqual(self.browser.switch_to.active_element, button)
            self.find("#files").send_keys(str(path))
            self.wait_for_cards(1)
        self.find("#clear").click()
        self.assertEqual(self.find_all(".card"), [])
        self.assertFalse(self.find("#results-section").is_displayed())

    def test_page_fits_a_phone(self):
        try:
            self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                         {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True})
            self.browser.get(self.server.address + "/")
            self.drop(("slice.png", "image/png", self.png))
            self.wait_for_cards(1)
            self.find(".card summary").click()
            self.assertLessEqual(self.browser.execute_script(
                "const c = document.querySelector('.card'); return c.scrollWidth - c.clientWidth"), 0)
            width = self.browser.execute_script("return document.documentElement.scrollWidth")
            self.assertLessEqual(width, 360)
        finally:
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def test_text_is_readable_in_light_and_dark(self):
        for scheme in ("light", "dark"):
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                         {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
            self.drop(("slice.png", "image/png", self.png))
            self.wait(lambda: len(self.find_all('[data-state="done"]')) > 0)
            for selector in ("body", ".notice", ".phantom", ".muted", ".primary", ".badge", ".warnings li", ".name"):
                with self.subTest(selector=selector, scheme=scheme):  # 4.5: WCAG 2.1, 1.4.3; colours fade over
                    self.wait(lambda: self.browser.execute_script(CONTRAST, selector) >= 4.5, seconds=3)
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})

    def test_nothing_is_fetched_from_elsewhere(self):
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_cards(1)
        names = self.browser.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)")
        self.assertGreater(len(names), 3)
        for name in names:
            self.assertTrue(name.startswith((self.server.address + "/", "blob:", "data:")), name)


# Contrast of a text with the nearest painted background behind it.
CONTRAST = """
const element = document.querySelector(arguments[0]);
const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
const luminance = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
let behind = element;
let ground = [255, 255, 255];
for (; behind; behind = behind.parentElement) {
  const colour = parse(getComputedStyle(behind).backgroundColor);
  if (colour.length === 3 || colour[3] === 1) { ground = colour; break; }
}
const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(ground)];
return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
"""


class Screenshot(BrowserTest):
    """The picture for the documentation: only with --screenshot."""

    def runTest(self):
        if ARGUMENTS.slice:
            kind = {"png": "image/png", "jpg": "image/jpeg"}.get(ARGUMENTS.slice.suffix[1:].lower(), "")
            self.drop((ARGUMENTS.slice.name, kind, ARGUMENTS.slice.read_bytes()))
        else:
            self.drop(("slice.png", "image/png", self.png))
        self.wait_for_cards(1)
        self.check_verdict(self.find(".card"))
        self.check_console()
        height = self.browser.execute_script("return document.documentElement.scrollHeight")
        self.browser.set_window_size(1280, height + 140)
        self.browser.execute_script("scrollTo(0, 0); document.activeElement.blur()")
        self.wait(lambda: self.browser.save_screenshot(str(ARGUMENTS.screenshot)))


def load_tests(loader, _tests, _pattern):
    if ARGUMENTS.screenshot:
        return unittest.TestSuite([Screenshot()])
    return loader.loadTestsFromTestCase(BrowserTest)


if __name__ == "__main__":
    ARGUMENTS, others = parse_arguments()
    unittest.main(verbosity=2, argv=[sys.argv[0], *others])
