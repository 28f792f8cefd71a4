"""--check of the three programs: what it prints is what a run would use, and it does nothing else."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import yaml

BIN = pathlib.Path(os.environ["PULMO_BIN_DIR"])
SOURCE = pathlib.Path(os.environ["PULMO_SOURCE_DIR"])
CONFIGS = SOURCE / "configs"
BUNDLE = SOURCE / "tests/core/model/data/bundle-v1.pt"


def check(program, *arguments, folder):
    return subprocess.run([str(BIN / program), *map(str, arguments), "--check"], cwd=folder, capture_output=True, text=True,
                          timeout=120)


class Check(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="pulmo-check-")
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)

    # program, command line, configuration: what each must know of.
    def cases(self):
        run = ["--data", "data", "--output", "out"]
        yield "pulmo-prepare", ["lidc", "--input", "in", "--annotations", "xml", "--output", "out"], "prepare.yaml"
        yield "pulmo-prepare", ["lidc", "--input", "in", "--annotations", "xml", "--output", "out"], "prepare_nodules.yaml"
        yield "pulmo-prepare", ["images", "--manifest", "m.csv", "--output", "out"], "prepare_images.yaml"
        yield "pulmo-train", ["fit", *run], "train/proposed_cnn.yaml"
        yield "pulmo-train", ["compare", *run], "compare.yaml"
        yield "pulmo-train", ["evaluate", "--bundle", BUNDLE, "--data", "data"], "evaluate.yaml"
        yield "pulmo-serve", ["--bundle", BUNDLE], "serve.yaml"
        yield "pulmo-serve", [], "serve.yaml"

    def test_the_shipped_configurations_pass_and_are_printed_whole(self):
        for program, arguments, name in self.cases():
            with self.subTest(name):
                done = check(program, *arguments, "--config", CONFIGS / name, folder=self.folder)
                self.assertEqual(done.returncode, 0, done.stderr)
                shipped = yaml.safe_load((CONFIGS / name).read_text())
                self.assertEqual(strings(yaml.safe_load(done.stdout)), strings(shipped))

    def test_a_mistake_is_refused_by_name(self):
        for program, arguments, name in self.cases():
            with self.subTest(name):
                done = check(program, *arguments, "--config", CONFIGS / name, "--set", "no_such_key=1", folder=self.folder)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn("no_such_key: unknown key", done.stderr)
                done = check(program, *arguments, "--no-such-option", folder=self.folder)
                self.assertEqual(done.returncode, 2, done.stdout)

    def test_overrides_are_in_what_is_printed(self):
        done = check("pulmo-serve", "--bundle", BUNDLE, "--port", 9999, "--host", "::1", "--set", "batch.max_size=3",
                     folder=self.folder)
        told = yaml.safe_load(done.stdout)
        self.assertEqual((told["serve"]["port"], told["serve"]["host"], told["batch"]["max_size"]), (9999, "::1", 3))

    def test_a_server_without_its_bundle_is_refused(self):
        done = check("pulmo-serve", "--bundle", "nothing.pt", folder=self.folder)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("nothing.pt", done.stderr)

    def test_an_unknown_row_is_refused(self):
        done = check("pulmo-train", "compare", "--data", "d", "--output", "o", "--set", "rows=[lenet]", folder=self.folder)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("unknown row 'lenet'", done.stderr)

    def tearDown(self):
        self.assertEqual(list(self.folder.iterdir()), [], "--check has written something")


def strings(value):
    """Numbers compared as numbers, whatever their spelling."""
    if isinstance(value, dict):
        return {key: strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [strings(item) for item in value]
    try:
        return float(value) if not isinstance(value, bool) else value
    except (TypeError, ValueError):
        return value


if __name__ == "__main__":
    unittest.main(verbosity=2)
