"""scripts/label_limits.py: what labels near the boundary, and readers who differ, leave to be reached."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

SCRIPT = pathlib.Path(os.environ["PULMO_SOURCE_DIR"]) / "scripts/label_limits.py"


class LabelLimits(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = pathlib.Path(self.folder.name) / name
        path.write_text(text, encoding="utf-8")
        return path

    def archive(self, means):
        """One nodule a patient, P0, P1, ..., of these mean ratings."""
        path = pathlib.Path(self.folder.name) / "nodules.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("slices.csv", "path,mask,patient,nodule,readers,malignancy_mean\n" + "".join(
                f"x.png,,P{i},0,4,{mean}\n" for i, mean in enumerate(means)))
        return path

    def predictions(self, means, score):
        lines = [f"test,P{i},P{i}/nodule-0,x,{'malignant' if mean > 3 else 'benign'},{1 - score(mean)},{score(mean)},1\n"
                 for i, mean in enumerate(means)]
        return self.write("predictions.csv", "split,patient,group,instance,label,p_benign,p_malignant,fold\n" + "".join(lines))

    def run_script(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)

    def cells(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in done.stdout.splitlines()]
        return {row[0]: row[1:] for row in rows}

    def test_errors_near_the_boundary_are_told_from_those_far_off(self):
        means = [2.75, 3.25, 2.25, 3.75, 1.0, 5.0] * 10
        # Close to 3 it has every nodule the wrong way round, elsewhere none.
        predictions = self.predictions(means, lambda mean: 1 - mean / 5 if abs(mean - 3) < 0.5 else mean / 5)
        cells = self.cells(self.run_script("--predictions", predictions, "--nodules", self.archive(means)))
        self.assertEqual(cells["0 to 0.5"], ["20", "20", "0.000 [0.000, 0.000]"])
        self.assertEqual(cells["0.5 to 1"], ["20", "20", "1.000 [1.000, 1.000]"])
        self.assertEqual(cells["1 to 1.5"], ["0", "0", ""])
        self.assertEqual(cells["0.5 or more"][0], "40")
        self.assertEqual(cells["any"][0], "60")

    def test_slices_can_be_weighed_like_sections(self):
        # Means of 0.52 and 0.55, log-odds of 0.70 and 0.55.
        lines = [f"test,P{i},P{i}/nodule-0,{z},{label},{1 - p},{p},1\n" for i in range(4)
                 for label, slices in [("malignant", (0.99, 0.05)) if i % 2 else ("benign", (0.6, 0.5))] for z, p in enumerate(slices)]
        predictions = self.write("predictions.csv", "split,patient,group,instance,label,p_benign,p_malignant,fold\n" + "".join(lines))
        given = ("--predictions", predictions, "--nodules", self.archive([2.0, 4.0] * 2))
        self.assertEqual(self.cells(self.run_script(*given))["any"][2].split()[0], "0.000")
        self.assertEqual(self.cells(self.run_script(*given, "--slice-weights", "sphere"))["any"][2].split()[0], "1.000")

    def test_a_reader_is_scored_against_the_others(self):
        # Of nodules rated a;b;b with b far from 3: the one reader is right in half of them, the others mostly.
        table = "series_uid,malignancies\n" + "".join(f"1.{i},{1 if i % 2 else 5};{b};{b}\n" for i, b in enumerate([1, 1, 5, 5] * 10))
        table += "2.1,1;5\n2.2,\n2.3,3;3;3\n"  # too few readers, none, undecided
        cells = self.cells(self.run_script("--readings", self.write("annotations.csv", table)))
        ratings, series, area = cells["one reader, against the mean of the others"]
        # Where the readers differ, the mean of 1 and 5 is 3: only the reader who differs is scored.
        self.assertEqual((ratings, series), ("80", "40"))
        self.assertEqual(area.split()[0], "0.750")

    def test_nodules_without_a_rating_are_refused(self):
        predictions = self.predictions([2.0, 4.0], lambda mean: mean / 5)
        done = self.run_script("--predictions", predictions, "--nodules", self.archive([2.0]))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("rates no P1/nodule-0", done.stderr)

    def test_half_of_what_it_needs_is_refused(self):
        for arguments in ((), ("--predictions", "x.csv"), ("--nodules", "x.zip")):
            self.assertEqual(self.run_script(*arguments).returncode, 2)


if __name__ == "__main__":
    unittest.main()
