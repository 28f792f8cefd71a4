"""Chromium on the web page of a real server: what every test of the page shares."""

import base64
import json
import os
import pathlib
import sys
import tempfile
import unittest

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("PULMO_SOURCE_DIR", str(ROOT))
os.environ.setdefault("PULMO_BIN_DIR", str(ROOT / "build/release/bin"))
sys.path.insert(0, str(ROOT / "tests/serving"))
from sample_images import chest, dicom, encode  # noqa: E402
from server_process import Server  # noqa: E402


def start_browser(profile, width=1280, height=1000):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={profile}",
                 f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    browser.set_script_timeout(60)
    return browser


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

# Mean shade of the viewer's canvas, and of the red part alone: what a person sees of picture and overlay.
CANVAS = """
const canvas = document.getElementById("canvas");
const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
let sum = 0, colour = 0;
for (let i = 0; i < data.length; i += 4) {
  sum += data[i + 1];
  colour += Math.abs(data[i] - data[i + 2]);
}
return [sum / (data.length / 4), colour / (data.length / 4)];
"""


class Found:
    """The element that a selector finds now: found afresh for each use, and again where the page replaced it meanwhile."""

    def __init__(self, browser, selector):
        self._browser, self._selector = browser, selector

    def element(self):
        return self._browser.find_element(By.CSS_SELECTOR, self._selector)

    def use(self, action, tries=10):
        for _ in range(tries - 1):
            try:
                return action(self.element())
            except StaleElementReferenceException:
                continue
        return action(self.element())

    @property
    def text(self):
        return self.use(lambda element: element.text)

    @property
    def rect(self):
        return self.use(lambda element: element.rect)

    def get_attribute(self, name):
        return self.use(lambda element: element.get_attribute(name))

    def value_of_css_property(self, name):
        return self.use(lambda element: element.value_of_css_property(name))

    def is_displayed(self):
        return self.use(lambda element: element.is_displayed())

    def click(self):
        self.use(lambda element: element.click())

    def send_keys(self, *keys):
        self.use(lambda element: element.send_keys(*keys))


class PageTest(unittest.TestCase):
    """One server and one browser a class; a fresh page a test."""

    settings = ()
    server_options = {"size_px": 64, "phantom": True}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(*cls.settings, **cls.server_options)
        cls.addClassCleanup(cls.end_server)
        cls.png = encode(chest(512, nodule=True), "png")
        cls.dicom = dicom(chest(512, nodule=True))
        cls.profile = tempfile.TemporaryDirectory(prefix="pulmo-browser-", ignore_cleanup_errors=True)
        cls.addClassCleanup(cls.profile.cleanup)
        cls.browser = start_browser(cls.profile.name)
        cls.addClassCleanup(cls.browser.quit)

    @classmethod
    def end_server(cls):
        code = cls.server.stop()
        if code != 0:
            raise AssertionError(f"the server ended with {code}")

    def setUp(self):
        self.browser.get_log("browser")
        self.open_page()

    def open_page(self):
        self.browser.get(self.server.address + "/")
        self.wait(lambda: self.find("#served").is_displayed())

    def wait(self, condition, seconds=60):
        return WebDriverWait(self.browser, seconds, 0.05).until(lambda _: condition())

    def find(self, selector):
        return Found(self.browser, selector)

    def find_all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        """The text of an element, hidden or not, in one step: it may be replaced at any time."""
        return self.browser.execute_script(
            "return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def click(self, selector):
        self.find(selector).click()

    def script(self, code, *arguments):
        return self.browser.execute_script(code, *arguments)

    def choose(self, name):
        """The model that answers."""
        self.script("const select = document.getElementById('model'); select.value = arguments[0];"
                    "select.dispatchEvent(new Event('change'))", name)

    def drop(self, *files):
        """(name, type, bytes) of each."""
        self.script(DROP, [(name, kind, base64.b64encode(data).decode()) for name, kind, data in files])

    def drop_paths(self, *paths):
        """Drops files and folders of this machine, which come with the entries of a real drop."""
        box = self.script("const b = document.getElementById('drop').getBoundingClientRect(); return [b.left, b.top]")
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.browser.execute_cdp_cmd("Input.dispatchDragEvent",
                                         {"type": kind, "x": box[0] + 20, "y": box[1] + 20, "data": data})

    def states(self):
        return self.script("return [...document.querySelectorAll('#studies li')].map((row) => row.dataset.state)")

    def wait_for_studies(self, done, failed=0, seconds=120):
        self.wait(lambda: sorted(self.states()) == ["done"] * done + ["failed"] * failed, seconds)

    def choose_study(self, name):
        """Clicks the study of that name, and waits until it is shown."""
        found = self.script("const study = [...document.querySelectorAll('.study')]"
                            ".find((s) => s.querySelector('.name').textContent === arguments[0]);"
                            "study?.click(); return Boolean(study)", name)
        if found:
            self.wait(lambda: self.text("#title") == name)
            return
        raise AssertionError(f"no study {name}")

    def answer(self):
        """The server's answer on the first study, as the page saves it."""
        self.script("URL.createObjectURL = (blob) => { if (blob.type === 'application/json') window.saved = blob;"
                    " return 'data:,'; }")
        self.click("#save")
        return json.loads(self.browser.execute_async_script("saved.text().then(arguments[0])"))[0]["answer"]

    def canvas(self):
        """(mean shade, mean distance of red and blue) of what the viewer shows, once it shows something."""
        self.wait(lambda: self.script(CANVAS)[0] > 1)
        return self.script(CANVAS)

    def check_console(self, *allowed):
        """Nothing but what is allowed was complained about; 404s of what this server has not are the page's way to ask."""
        allowed = (*allowed, "/v1/explain", "/v1/models", "Canvas2D")  # the last: canvas() above reads it back
        bad = [entry["message"] for entry in self.browser.get_log("browser")
               if entry["level"] in ("SEVERE", "WARNING") and not any(word in entry["message"] for word in allowed)]
        self.assertEqual(bad, [])

    def emulate(self, **features):
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()]})

    def phone(self):
        """A phone's screen until the end of the test."""
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                     {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True})
        self.addCleanup(self.browser.execute_cdp_cmd, "Emulation.clearDeviceMetricsOverride", {})
