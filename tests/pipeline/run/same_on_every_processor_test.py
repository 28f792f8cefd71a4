"""Prepared slices and volumes are the same bits on every processor: OpenCV's own loops, which round as the instructions at hand do, must
not be among what makes them. The processor is one of its own with AVX and one without, as far as OpenCV can tell."""

import csv
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["PULMO_BIN_DIR"])
CONFIGS = pathlib.Path(os.environ["PULMO_SOURCE_DIR"]) / "configs"
WITHOUT = {"OPENCV_CPU_DISABLE": "AVX512_SKX,AVX2,FP16,AVX"}


def prepare(*arguments, **environment):
    done = subprocess.run([BIN / "pulmo-prepare", *map(str, arguments)], env={**os.environ, **environment},
                          capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout


def digest(*arguments, **environment):
    return re.search(r"data digest (\w{64})", prepare(*arguments, **environment)).group(1)


class SameOnEveryProcessor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="pulmo-processor-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.folder = pathlib.Path(cls.temporary.name)
        prepare("phantom", "--output", cls.folder / "archive", "--patients", 3, "--matrix", 128, "--slices", 24)

    def same(self, name, *arguments):
        digests = {digest(*arguments, "--output", self.folder / f"{name}-{i}", **environment)
                   for i, environment in enumerate(({}, WITHOUT))}
        self.assertEqual(len(digests), 1)

    def test_slices_of_an_archive_made_smaller_and_larger(self):
        archive = self.folder / "archive"
        for size in (96, 224):
            self.same(f"lidc-{size}", "lidc", "--input", archive / "images", "--annotations", archive / "annotations",
                      "--set", f"preprocess.size_px={size}", "--set", "split.mode=none")

    def test_volumes_of_nodules(self):
        archive = self.folder / "archive"
        self.same("volumes", "lidc", "--config", CONFIGS / "prepare_nodules.yaml", "--input", archive / "images",
                  "--annotations", archive / "annotations", "--set", "nodule.dimensions=3", "--set", "split.mode=none")

    def test_pictures_of_nodules_made_larger(self):
        slices = sorted((self.folder / "archive/images").rglob("*.dcm"))[::4]
        manifest = self.folder / "slices.csv"
        with open(manifest, "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["path", "label", "patient"])
            rows.writerows([path, ("benign", "malignant")[i % 2], f"p{i}"] for i, path in enumerate(slices))
        self.same("images", "images", "--manifest", manifest, "--set", "task=nodule", "--set", "preprocess.mask=none",
                  "--set", "preprocess.crop_px=40", "--set", "preprocess.size_px=96", "--set", "split.mode=none")


if __name__ == "__main__":
    unittest.main(verbosity=2)
