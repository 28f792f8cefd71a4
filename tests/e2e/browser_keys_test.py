"""The page of a server that wants an API key."""

import pathlib
import re
import subprocess
import tempfile
import unittest

from selenium.webdriver.common.keys import Keys

from page_driver import PageTest
from server_process import BIN


class KeysTest(PageTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="pulmo-keys-")
        cls.addClassCleanup(cls.folder.cleanup)
        made = subprocess.run([BIN / "pulmo-serve", "keygen", "--name", "page"], capture_output=True, text=True, check=True)
        file = pathlib.Path(cls.folder.name) / "keys"
        file.write_text(made.stdout)
        cls.key = re.search(r"pulmo_[A-Za-z0-9_-]+", made.stderr).group(0)
        cls.settings = (f"security.keys_file={file}",)
        super().setUpClass()

    def open_page(self):
        self.browser.get(self.server.address + "/")
        self.wait(lambda: self.find("#access").is_displayed())

    def give(self, key):
        self.find("#key").send_keys(key, Keys.ENTER)

    def test_a_key_is_asked_for_until_it_is_right_and_kept_in_memory_alone(self):
        self.assertEqual(self.browser.switch_to.active_element, self.find("#key").element())
        self.assertFalse(self.find("#access-wrong").is_displayed())
        self.give("no such key")
        self.wait(lambda: self.find("#access-wrong").is_displayed())
        self.give(self.key)
        self.wait(lambda: self.find("#served").is_displayed() and not self.find("#access").is_displayed())
        self.drop(("slice.png", "image/png", self.png))
        self.wait_for_studies(1)
        kept = self.script("return document.documentElement.outerHTML + JSON.stringify([localStorage, sessionStorage,"
                           " document.cookie, document.getElementById('key').value])")
        self.assertNotIn(self.key, kept)
        self.open_page()  # asks again

    def test_without_a_key_the_page_says_what_is_missing(self):
        self.click("#access-cancel")
        self.wait(lambda: self.find("#served").is_displayed())
        self.drop(("slice.png", "image/png", self.png))
        self.wait(lambda: self.find("#access").is_displayed())
        self.find("#key").send_keys(Keys.ESCAPE)
        self.wait_for_studies(0, failed=1)
        self.assertIn("API key", self.find(".failure").text)
        self.click(".again")
        self.wait(lambda: self.find("#access").is_displayed())
        self.give(self.key)
        self.wait_for_studies(1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
