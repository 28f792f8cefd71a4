"""A model that weighs slices on the page: a stack of pictures and a DICOM series, with each slice's share in the verdict."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest
import zipfile

import numpy as np
from PIL import Image

from page_driver import PageTest

DEPTH = 7
FOLDER = tempfile.TemporaryDirectory(prefix="pulmo-attention-")
ROOT = pathlib.Path(FOLDER.name)
BIN = pathlib.Path(os.environ["PULMO_BIN_DIR"])


def setUpModule():
    subprocess.run([BIN / "pulmo-test-bundle", ROOT / "bundle.pt", "64", "lungs", "--network", "slice_attention", "--depth",
                    str(DEPTH)], check=True)
    subprocess.run([BIN / "pulmo-prepare", "phantom", "--output", ROOT / "archive", "--patients", "1", "--slices", "16",
                    "--matrix", "256", "--seed", "7"], check=True, capture_output=True)
    files = sorted((ROOT / "archive/images").rglob("*.dcm"))
    with zipfile.ZipFile(ROOT / "series.zip", "w") as packed:
        for file in files:
            packed.write(file, file.name)
    y, x = np.mgrid[:256, :256]
    lungs = ((x - 80) / 38) ** 2 + ((y - 128) / 58) ** 2 < 1
    lungs |= ((x - 176) / 38) ** 2 + ((y - 128) / 58) ** 2 < 1
    body = ((x - 128) / 110) ** 2 + ((y - 132) / 84) ** 2 < 1
    with zipfile.ZipFile(ROOT / "pictures.zip", "w") as packed:
        for z in range(5):
            pixels = np.where(lungs, 30 + 10 * z, np.where(body, 200, 5)).astype(np.uint8)
            Image.fromarray(pixels).save(ROOT / f"{z}.png")
            packed.write(ROOT / f"{z}.png", f"{z}.png")


def tearDownModule():
    FOLDER.cleanup()


class VolumesTest(PageTest):
    settings = ("explain.deadline_s=120",)
    server_options = {"bundle": ROOT / "bundle.pt"}

    def show(self, name):
        self.drop_paths(ROOT / name)
        self.wait_for_studies(1, seconds=240)
        self.canvas()

    def test_a_stack_of_pictures_has_one_verdict_and_bars_of_its_slices(self):
        self.show("pictures.zip")
        results = self.answer()["results"]
        self.assertEqual(len({result["probabilities"]["malignant"] for result in results}), 1)
        self.assertAlmostEqual(sum(result["attention"] for result in results), 1.0, places=5)
        bars = self.find_all("#profile .share")
        self.assertEqual(len(bars), 5)
        heights = [float(bar.get_attribute("height")) for bar in bars]
        shares = [result["attention"] for result in sorted(results, key=lambda result: result["name"])]
        np.testing.assert_allclose(np.divide(heights, sum(heights)), shares, atol=1e-3)
        self.assertIn("of its stack", self.text("#slice-findings"))
        self.assertIn("Share in the verdict", self.find("#profile-table").get_attribute("textContent"))
        self.check_console()

    def explained(self, slice_number):
        """Goes there; the share of the heat map that is told of the slice, in percent."""
        self.script("const slice = document.getElementById('slice'); slice.value = arguments[0];"
                    "slice.dispatchEvent(new Event('input'))", slice_number)
        found = self.wait(lambda: re.search(r"Share of the heat map\s*([\d.]+)\s*% of its stack", self.text("#slice-findings")),
                          seconds=120)
        return float(found[1])

    def record_requests(self):
        self.script("window.asked = []; const ask = window.fetch; window.fetch = (path, options) =>"
                    " { window.asked.push(path); return ask(path, options); };")

    def asked_for(self):
        return self.script("return window.asked.filter((path) => path.startsWith('v1/explain')).length")

    def test_a_stack_is_explained_together_and_once(self):
        self.record_requests()
        self.show("pictures.zip")
        shares = [self.explained(number) for number in (1, 2, 3, 4, 5)]
        self.assertAlmostEqual(sum(shares), 100, delta=1)
        self.assertGreater(max(shares), 0)
        self.assertEqual(self.asked_for(), 1)
        self.check_console()

    def test_a_map_of_another_verdict_is_not_shown(self):
        self.script("const ask = window.fetch; window.fetch = async (path, options) => {"
                    "  const reply = await ask(path, options);"
                    "  if (!path.startsWith('v1/explain')) return reply;"
                    "  const answer = await reply.json();"
                    "  for (const result of answer.results) {"
                    "    result.probabilities = { normal: 0.25, malignant: 0.75 };"
                    "  }"
                    "  return new Response(JSON.stringify(answer), { headers: { 'Content-Type': 'application/json' } });"
                    "};")
        self.show("pictures.zip")
        self.wait(lambda: "judged otherwise this time" in self.text("#explaining"))
        self.assertNotIn("Share of the heat map", self.text("#slice-findings"))
        self.check_console()

    def test_of_a_long_series_each_slice_is_explained_with_its_neighbours(self):
        self.record_requests()
        self.show("series.zip")
        self.explained(8)
        first = self.asked_for()
        self.explained(9)
        self.assertEqual(self.asked_for(), first + 1)
        self.check_console()

    def test_of_a_long_series_the_most_suspicious_stack_has_bars(self):
        self.show("series.zip")
        answer = self.answer()
        weighed = [result for result in answer["results"] if "attention" in result]
        self.assertGreater(len(answer["results"]), DEPTH)
        self.assertTrue(0 < len(weighed) <= DEPTH)
        self.assertAlmostEqual(sum(result["attention"] for result in weighed), 1.0, places=5)
        self.assertEqual(len(self.find_all("#profile .share")), len(weighed))
        self.assertGreater(len(self.find_all("#profile .point")), len(weighed))
        self.check_console()


if __name__ == "__main__":
    unittest.main(verbosity=2)
