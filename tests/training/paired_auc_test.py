"""scripts/paired_auc.py: two runs of one row, compared."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(os.environ["PULMO_SOURCE_DIR"]) / "scripts/paired_auc.py"
HEAD = "split,patient,group,instance,label,p_benign,p_malignant,fold\n"


class PairedAuc(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def predictions(self, name, score):
        """20 patients with one benign and one malignant nodule of two slices; score(patient, is malignant, slice)."""
        path = pathlib.Path(self.folder.name) / name
        lines = ["validation,P0,none,x,benign,0.1,0.9,1\n"]  # another part counts for nothing
        for patient in range(20):
            for label in ("benign", "malignant"):
                for i in range(2):
                    p = score(patient, label == "malignant", i)
                    lines.append(f"test,P{patient},P{patient}-{label},{i},{label},{1 - p},{p},1\n")
        path.write_text(HEAD + "".join(lines), encoding="utf-8")
        return path

    def run_script(self, *words):
        return subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, text=True, check=False)

    def test_a_better_run_is_ahead_by_more_than_chance(self):
        # Slices differ, their mean tells; in the first run five of twenty patients have it the wrong way round.
        first = self.predictions("first.csv", lambda p, malignant, i: 0.5 + (0.1 if malignant != (p < 5) else -0.1) + 0.3 * (i - 0.5))
        second = self.predictions("second.csv", lambda p, malignant, i: (0.8 if malignant else 0.2) + 0.3 * (i - 0.5))
        done = self.run_script(first, second)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = re.search(r"(\d+) groups of (\d+) patients: ROC-AUC (\S+) and (\S+), difference (\S+) \[(\S+), (\S+)\]", done.stdout)
        self.assertEqual(found.groups()[:4], ("40", "20", "0.750", "1.000"))
        difference, low, high = map(float, found.groups()[4:])
        self.assertEqual(difference, 0.25)
        self.assertTrue(0 < low < 0.25 < high < 0.6, done.stdout)

    def test_a_run_does_not_differ_from_itself(self):
        run = self.predictions("run.csv", lambda p, malignant, i: (p * 7 + 3 * malignant + i) % 10 / 10)
        self.assertIn("difference 0.000 [0.000, 0.000]", self.run_script(run, run).stdout)

    def test_slices_of_one_run_can_be_weighed_in_two_ways(self):
        # The mean of 0.99 and 0.05 is 0.52, that of their log-odds 0.70; of 0.6 and 0.5 it is 0.55 either way.
        values = {True: (0.99, 0.05), False: (0.6, 0.5)}
        run = self.predictions("run.csv", lambda p, malignant, i: values[malignant][i])
        done = self.run_script(run, run, "--slice-weights", "equal", "sphere")
        self.assertIn("ROC-AUC 0.000 and 1.000", done.stdout, done.stderr)

    def test_other_samples_are_refused(self):
        whole = self.predictions("whole.csv", lambda p, malignant, i: 0.5)
        lines = whole.read_text(encoding="utf-8").splitlines(keepends=True)
        part = pathlib.Path(self.folder.name) / "part.csv"
        part.write_text("".join(lines[:-2]), encoding="utf-8")
        done = self.run_script(whole, part)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("not of the same test samples", done.stderr)


if __name__ == "__main__":
    unittest.main()
