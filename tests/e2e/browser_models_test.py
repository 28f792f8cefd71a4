"""The page of a server with several models."""

import hashlib
import pathlib
import signal
import subprocess
import tempfile
import unittest

from page_driver import PageTest
from server_process import BIN, put, write_bundle

# The list of models as another server would give it, from before the page is opened.
LIST = """
const ask = window.fetch;
window.fetch = async (path, options) => {
  const reply = await ask(path, options);
  if (path !== "v1/models") return reply;
  const list = await reply.json();
  CHANGE
  return new Response(JSON.stringify(list), { headers: { "Content-Type": "application/json" } });
};
"""


class ModelsTest(PageTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="pulmo-models-")
        cls.addClassCleanup(cls.folder.cleanup)
        for seed, name in enumerate(("first", "second")):
            (pathlib.Path(cls.folder.name) / name).mkdir()
            extra = ["phantom"] if name == "second" else []
            subprocess.run([BIN / "pulmo-test-bundle", pathlib.Path(cls.folder.name) / name / "bundle.pt", "64", "lungs",
                            *extra, "--seed", str(seed)], check=True)
        cls.server_options = {"models": cls.folder.name}
        super().setUpClass()

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

    def open_page_with_list(self, change):
        """Opens the page with its list of models (`list`) changed by some JavaScript."""
        script = self.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument",
                                              {"source": LIST.replace("CHANGE", change)})
        self.addCleanup(self.browser.execute_cdp_cmd, "Page.removeScriptToEvaluateOnNewDocument", script)
        self.open_page()

    def digest(self, name):
        return hashlib.sha256((pathlib.Path(self.folder.name) / name / "bundle.pt").read_bytes()).hexdigest()

    def printed_facts(self):
        self.script("window.print = () => { window.printed = (window.printed ?? 0) + 1; }")
        self.click("#print")
        self.wait(lambda: self.script("return window.printed"))
        return self.text("#report")

    def reload_second(self):
        """Another bundle, no phantom's, under the name `second`; its digest."""
        write_bundle(pathlib.Path(self.folder.name) / "second/bundle.pt", 48, seed=7)
        before = self.server.log()
        self.server.process.send_signal(signal.SIGHUP)
        self.wait(lambda: self.digest("second") in self.server.log()[len(before):])
        return self.digest("second")

    def keep_second(self):
        """The bundle as it is now comes back after the test."""
        path = pathlib.Path(self.folder.name) / "second/bundle.pt"
        content = path.read_bytes()

        def restore():
            put(path, content)
            before = self.server.log()
            self.server.process.send_signal(signal.SIGHUP)
            self.wait(lambda: self.digest("second") in self.server.log()[len(before):])
        self.addCleanup(restore)

    def test_after_a_reload_on_the_server_page_and_report_name_the_model_that_answered(self):
        self.keep_second()
        self.choose("second")
        self.drop(("before.png", "image/png", self.png))
        self.wait_for_studies(1)
        old = self.digest("second")
        self.assertIn(old, self.text("#model-facts"))
        new = self.reload_second()
        self.drop(("after.png", "image/png", self.png))
        self.wait_for_studies(2)
        self.wait(lambda: new in (facts := self.text("#model-facts")) and "Operating point" in facts)
        self.assertEqual(self.script("return document.getElementById('model').value"), "second")
        self.assertFalse(self.find("#phantom").is_displayed())
        self.choose_study("after.png")
        self.canvas()
        report = self.printed_facts()
        self.assertIn(new, report)
        self.assertNotIn("PHANTOM", report)
        self.choose_study("before.png")
        self.canvas()
        report = self.printed_facts()
        self.assertIn(old, report)
        self.assertIn("PHANTOM", report)
        self.check_console()

    def test_where_a_model_looked_is_never_told_by_its_successor(self):
        self.keep_second()
        self.choose("second")
        self.script("const ask = window.fetch; window.blocked = true; window.fetch = (path, options) =>"
                    " (window.blocked && path.startsWith('v1/explain') ? Promise.reject(new TypeError()) : ask(path, options));")
        self.drop(("before.png", "image/png", self.png))
        self.wait_for_studies(1)
        self.canvas()
        self.reload_second()
        self.script("window.blocked = false;")
        self.drop(("after.png", "image/png", self.png))
        self.wait_for_studies(2)
        self.choose_study("after.png")
        self.wait(lambda: self.find("#overlays").is_displayed() and not self.find("#explaining").is_displayed())
        self.choose_study("before.png")
        self.wait(lambda: "no longer on the server" in self.text("#explaining"))
        self.assertNotIn("heat map", self.text("#slice-findings"))

    def test_without_a_new_list_the_page_tells_no_figures_of_another_version(self):
        self.keep_second()
        self.choose("second")
        self.script("const ask = window.fetch; window.fetch = (path, options) =>"
                    " (path === 'v1/models' ? Promise.reject(new Error('gone')) : ask(path, options));")
        new = self.reload_second()
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_studies(1)
        self.wait(lambda: new in self.text("#model-facts"))
        self.assertNotIn("Operating point", self.text("#model-facts"))
        self.assertNotIn("Calibrated", self.text("#slice-findings"))
        self.assertTrue(self.find("#phantom").is_displayed())  # a warning too many rather than one missing
        self.canvas()
        report = self.printed_facts()
        self.assertIn(new, report)
        self.assertIn("Quality", report)
        self.assertNotIn("ROC-AUC", report)

    def test_a_default_that_is_not_listed_leaves_the_first_model(self):
        self.open_page_with_list("list.default = 'gone';")
        self.assertEqual(self.script("return document.getElementById('model').value"), "first")
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_studies(1)
        self.assertIn("first, version", self.text("#slice-findings"))
        self.check_console()

    def test_an_empty_list_leaves_the_choice_to_the_server(self):
        self.open_page_with_list("list.models = []; list.default = '';")
        self.assertEqual(self.text("#model-name"), "no model")
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_studies(1)
        self.assertIn("first, version", self.text("#slice-findings"))
        self.check_console()

    def test_what_the_model_sees_is_told_of_the_one_chosen(self):
        self.open_page_with_list("list.models[1].preprocess = { mask: 'none' };")
        self.choose("second")
        self.assertIn("looks for no lungs", self.text("#lung-note"))
        self.choose("first")
        self.assertIn("sees nothing else", self.text("#lung-note"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
