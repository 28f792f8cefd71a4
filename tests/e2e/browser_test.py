"""Chromium drives the web page of a real server: slices, their pictures, and what goes wrong."""

import json
import pathlib
import re
import socket
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

from selenium.webdriver.common.action_chains import ActionChains

from page_driver import PageTest, chest, dicom
from server_process import CheckedThread


class SliceTest(PageTest):
    def test_dropped_slice_is_shown_with_class_probability_and_notice(self):
        self.assertIn("never a diagnosis", self.find("#notice").text)
        self.assertTrue(self.find("#notice").is_displayed())
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_studies(1)
        self.assertIn(self.find(".badge").text, ("normal", "malignant"))
        self.assertRegex(self.find(".percent").text, r"^[<>]? ?\d+\.\d %$")
        meter = self.find(".meter")
        self.assertTrue(0 <= float(meter.get_attribute("aria-valuenow")) <= 100)
        self.assertIn("operating point", self.find(".threshold").text)
        self.assertIn("Lung in the picture", self.find(".findings .facts").text)
        self.assertIn("grey values", self.find(".findings").text)
        self.assertIn("slice.png", self.text("#announce"))
        self.assertIn("never a diagnosis", self.text("#announce"))
        self.assertTrue(self.find("#notice").is_displayed())
        self.canvas()
        self.check_console()

    def test_how_sure_and_why_names_the_distance_and_the_pixels(self):
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_studies(1)
        probability = float(self.find(".meter").get_attribute("aria-valuenow"))
        threshold = float(self.find(".threshold").text.removeprefix("operating point ").removesuffix(" %"))
        remarks = self.find(".remarks").text
        points, side = re.search(r"([\d.]+) points (above|below)", remarks).groups()
        self.assertAlmostEqual(float(points), abs(probability - threshold), delta=0.11)
        self.assertEqual(side, "above" if probability >= threshold else "below")
        self.assertEqual(remarks.count("grey values, not Hounsfield units"), 1)
        self.assertIn("Calibrated", remarks)

    def test_dicom_is_shown_in_hounsfield_units(self):
        self.drop(("slice.dcm", "", self.dicom))
        self.wait_for_studies(1)
        before, _ = self.canvas()
        self.assertIn("W 1400", self.text("#windowed"))
        ActionChains(self.browser).move_to_element(self.find("#viewport").element()).perform()
        self.wait(lambda: "HU" in self.text("#value"))
        self.script("const p = document.getElementById('preset'); p.selectedIndex = 2;"
                    "p.dispatchEvent(new Event('change'))")  # mediastinum: the lungs go black
        self.wait(lambda: "W 400" in self.text("#windowed"))
        self.wait(lambda: self.canvas()[0] != before)
        self.assertIn("Hounsfield units", self.find(".findings").text)
        self.check_console()

    def test_dragging_changes_the_window_and_double_click_brings_it_back(self):
        self.drop(("slice.dcm", "", self.dicom))
        self.wait_for_studies(1)
        self.canvas()
        self.assertIn("W 1400", self.text("#windowed"))
        ActionChains(self.browser).drag_and_drop_by_offset(self.find("#viewport").element(), 60, 40).perform()
        self.wait(lambda: "W 1400" not in self.text("#windowed"))
        ActionChains(self.browser).double_click(self.find("#viewport").element()).perform()
        self.wait(lambda: "W 1400  L -300" in self.text("#windowed"))

    def test_pictures_switch_between_what_was_sent_and_what_the_model_sees(self):
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_studies(1)
        sent, _ = self.canvas()
        self.wait(lambda: self.find('[data-view="model"]').is_displayed())
        self.click('[data-view="model"]')
        self.assertEqual(self.find('[data-view="model"]').get_attribute("aria-pressed"), "true")
        self.wait(lambda: abs(self.canvas()[0] - sent) > 1)

    def test_phantom_model_says_so_in_big_letters(self):
        self.assertTrue(self.find("#phantom").is_displayed())
        self.assertIn("PHANTOM", self.find("#phantom").text)
        size = self.find("#phantom strong").value_of_css_property("font-size")
        self.assertGreaterEqual(float(size.removesuffix("px")), 24)

    def test_several_files_each_get_their_row_and_errors_speak_plainly(self):
        self.drop(("one.png", "image/png", self.png), ("letter.txt", "text/plain", b"Dear doctor"),
                  ("broken.dcm", "", self.dicom[:2000]), ("empty.png", "image/png", b""),
                  ("two.dcm", "", dicom(chest(512))))
        self.wait_for_studies(2, failed=3)
        for name, words in (("letter.txt", "neither DICOM nor PNG nor JPEG"), ("broken.dcm", "cut off or damaged"),
                            ("empty.png", "empty")):
            self.choose_study(name)
            self.assertIn(words, self.find('.failure[role="alert"]').text)
        self.check_console("Failed to load resource")  # the browser's own words for a 4xx reply

    def test_a_name_full_of_markup_stays_text(self):
        name = "<img src=x onerror=alert(1)>.png"
        self.drop((name, "image/png", self.png))
        self.wait_for_studies(1)
        self.assertEqual(self.find(".study .name").text, name)
        self.assertEqual(self.find("#title").text, name)
        self.check_console()

    def test_files_can_be_chosen_by_the_picker_and_cleared(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "picked.png"
            path.write_bytes(self.png)
            self.find("#files").send_keys(str(path))
            self.wait_for_studies(1)
        self.click("#clear")
        self.assertEqual(self.find_all(".study"), [])
        self.assertFalse(self.find("#workspace").is_displayed())
        self.assertEqual(self.browser.switch_to.active_element, self.find("#choose").element())

    def test_what_cannot_be_read_of_a_drop_is_told_until_the_next_upload(self):
        # A drop by script has no entries: one that cannot be read is put in their place.
        self.script("""
          const names = ["slice.png", "broken.png"];
          DataTransferItem.prototype.webkitGetAsEntry = function () {
            const [name, file] = [names.shift(), this.getAsFile()];
            return { isFile: true, name, file: (resolve, reject) => (name === "broken.png" ? reject() : resolve(file)) };
          };""")
        self.drop(("slice.png", "image/png", self.png), ("broken.png", "image/png", self.png))
        self.wait_for_studies(1)
        self.assertEqual(self.find("#missing").text, "1 file or folder could not be read.")
        self.assertEqual(self.find("#missing").get_attribute("role"), "status")
        self.click("#clear")
        self.assertEqual(self.text("#missing"), "")

    def test_clearing_asks_for_no_explanation_of_what_was_cleared(self):
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_studies(1)
        self.script("window.asked = []; const ask = window.fetch; window.fetch = (path, options) => {"
                    " asked.push(path); return ask(path, options); };"
                    "document.getElementById('clear').click();")  # in one step: sooner than the page asks
        self.browser.execute_async_script("setTimeout(arguments[0], 600)")
        self.assertEqual(self.script("return asked.filter((path) => path.startsWith('v1/explain'))"), [])

    def test_answers_can_be_saved_as_json_without_pictures(self):
        self.script("URL.createObjectURL = (blob) => { if (blob.type === 'application/json') window.saved = blob;"
                    " return 'data:,'; }")
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_studies(1)
        self.click("#save")
        saved = self.browser.execute_async_script("saved.text().then(arguments[0])")
        (answer,) = json.loads(saved)
        self.assertEqual(answer["file"], "slice.png")
        self.assertIn("never a diagnosis", answer["answer"]["notice"])
        self.assertIn("probabilities", answer["answer"]["results"][0])
        self.assertNotIn("data:image", saved)

    def test_report_prints_picture_figures_notice_and_model_but_no_name_unless_asked(self):
        self.script("window.print = () => { window.printed = (window.printed ?? 0) + 1; }")
        self.drop(("doe-jane.dcm", "", self.dicom))
        self.wait_for_studies(1)
        self.canvas()
        self.click("#print")
        self.wait(lambda: self.script("return window.printed") == 1)
        report = self.text("#report")
        self.assertIn("never a diagnosis", report)
        self.assertIn("PHANTOM", report)
        self.assertIn(self.find(".percent").text, report)
        self.assertIn("version", report)
        self.assertNotIn("doe-jane", report)
        self.assertGreater(self.script("return document.querySelector('#report img').naturalWidth"), 300)
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        shown = [self.find(selector).is_displayed() for selector in ("#report", "#workspace", ".bar")]
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        self.assertEqual(shown, [True, False, False])
        self.click("#with-name")
        self.click("#print")
        self.wait(lambda: self.script("return window.printed") == 2)
        self.assertIn("doe-jane", self.text("#report"))

    def test_the_edges_of_a_dicom_slice_bear_the_sides_of_the_patient(self):
        usual = dicom(chest(512, nodule=True), ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
        turned = dicom(chest(512, nodule=True), ImageOrientationPatient=[0, 1, 0, -1, 0, 0])
        self.script(RECORD_LETTERS + "window.print = () => { window.printed = true; }")
        words = "stored turned or mirrored against the usual view"
        for name, data, edges in (("usual.dcm", usual, {"left": "R", "right": "L", "top": "A", "bottom": "P"}),
                                  ("turned.dcm", turned, {"left": "A", "right": "P", "top": "L", "bottom": "R"})):
            with self.subTest(name):
                self.script("letters.clear(); printed = false; document.getElementById('clear').click()")
                self.drop((name, "", data))
                self.wait_for_studies(1)
                self.canvas()
                self.wait(lambda: self.script("return letters.get('canvas')") == edges)
                label = self.find("#viewport").get_attribute("aria-label")
                self.assertIn("edges: left {left}, right {right}, top {top}, bottom {bottom}".format(**edges), label)
                self.assertEqual(words in self.text("#slice-findings"), data is turned)
                self.click("#print")
                self.wait(lambda: self.script("return printed"))
                self.assertEqual(self.script("return letters.get('')"), edges)  # of the report's picture
                self.assertEqual(words in self.text("#report"), data is turned)
        self.check_console()

    def test_a_picture_without_orientation_bears_no_sides(self):
        self.script(RECORD_LETTERS)
        for name, data in (("slice.png", self.png), ("slice.dcm", self.dicom)):
            self.drop((name, "", data))
            self.wait(lambda: self.text("#title") == name and self.states()[-1] == "done")
            self.canvas()
            self.wait(lambda: "zoom 100 percent" in self.find("#viewport").get_attribute("aria-label"))
            self.assertNotIn("edges", self.find("#viewport").get_attribute("aria-label"))
            self.assertEqual(self.script("return letters.size"), 0)
            self.assertNotIn("stored turned", self.text("#slice-findings"))

    def test_nothing_is_fetched_from_elsewhere(self):
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_studies(1)
        names = self.script("return performance.getEntriesByType('resource').map((e) => e.name)")
        self.assertGreater(len(names), 10)
        for name in names:
            self.assertTrue(name.startswith((self.server.address + "/", "blob:", "data:")), name)


# The letters written at the edges of each canvas, by its id.
RECORD_LETTERS = """
window.letters = new Map();
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
  const { width, height } = this.canvas;
  const [across, down] = [x * this.getTransform().a / width, y * this.getTransform().d / height];
  const edge = across < 0.1 ? "left" : across > 0.9 ? "right" : down < 0.1 ? "top" : down > 0.9 ? "bottom" : "middle";
  letters.set(this.canvas.id, { ...letters.get(this.canvas.id), [edge]: text });
  write.call(this, text, x, y);
};
"""

# Keeps every word that the page says of its studies.
LISTEN = """
window.said = [];
new MutationObserver(() => said.push(document.getElementById("studies").textContent))
  .observe(document.getElementById("studies"), { subtree: true, childList: true, characterData: true });
"""


class Load:
    """Clients that keep the server's queue full."""

    def __init__(self, address, body, clients=6):
        self.stopping = threading.Event()
        self.refused = 0
        self.threads = [CheckedThread(target=self._run, args=(address, body)) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def _run(self, address, body):
        while not self.stopping.is_set():
            request = urllib.request.Request(address + "/v1/predict", body, {"Content-Type": "application/dicom"})
            try:
                urllib.request.urlopen(request, timeout=30).read()
            except urllib.error.HTTPError as error:
                self.refused += error.code == 503
            except OSError:
                pass

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


class TinyQueueTest(PageTest):
    settings = ("batch.queue=1", "limits.files=1")

    def test_an_overloaded_server_is_asked_again_until_it_answers(self):
        self.script(LISTEN)
        load = Load(self.server.address, self.dicom)
        try:
            self.drop(*[(f"{i}.png", "image/png", self.png) for i in range(4)])
            self.wait(lambda: self.script("return said.some((words) => words.includes('Trying again in 1 second'))"))
        finally:
            load.stop()
        self.assertGreater(load.refused, 0)
        self.wait_for_studies(4)
        self.check_console("Failed to load resource")


class SpentBudgetTest(PageTest):
    settings = ("limits.body_bytes=600000", "limits.upload_bytes=600000", "limits.body_timeout_s=120")

    def occupy(self):
        """An upload that does not go on, and holds what the server has for uploads."""
        holder = socket.create_connection(("127.0.0.1", self.server.port))
        self.addCleanup(holder.close)
        holder.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: test\r\nContent-Type: application/dicom\r\n"
                       b"Content-Length: 599999\r\n\r\n" + b"x" * 590_000)
        return holder

    def test_a_server_that_stays_busy_is_given_up_clearly_and_can_be_tried_again(self):
        self.script(LISTEN)
        holder = self.occupy()
        self.drop(("slice.dcm", "", self.dicom))
        self.wait(lambda: self.script("return said.some((words) => words.includes('try 2 of'))"))
        self.wait_for_studies(0, failed=1)
        failure = self.find('.failure[role="alert"]').text
        self.assertIn("busy", failure)
        self.assertIn("Tried 5 times", failure)
        holder.close()
        self.click(".again")
        self.wait_for_studies(1)
        self.check_console("Failed to load resource")

    def test_waiting_can_be_cancelled(self):
        holder = self.occupy()
        self.drop(("slice.dcm", "", self.dicom))
        self.wait(lambda: "Trying again" in self.text("#findings-body"))
        self.click(".cancel")
        self.wait(lambda: self.states() == ["cancelled"])
        self.assertIn("Cancelled", self.find(".failure").text)
        holder.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
