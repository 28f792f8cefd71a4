#!/usr/bin/env python3
"""Writes the manifest CSV of `pulmo-prepare images` for an exported set of LIDC nodule slices.

    scripts/nodule_slices_manifest.py lidc-nodule-slices.zip slices.csv
    pulmo-prepare images --manifest slices.csv --output data/nodules --set task=nodule --set preprocess.mask=none

The zip holds a table: slices.csv (path,mask,patient,nodule,readers,malignancy_mean, several slices a nodule) or
nodules.csv (path,patient,nodule_id,readers,malignancy_mean, one slice a nodule). A mean rating below 3 is benign, above
3 malignant; 3 is left out. The group, by which results are counted, is PATIENT/nodule-K. Paths are written relative to
the manifest's folder. Python's standard library is all it needs.
"""
import argparse
import csv
import io
import os
import sys
import zipfile

COLUMNS = ["path", "label", "patient", "group", "mask"]


def read_table(archive):
    """The rows of the table in the zip, and the name of its nodule column."""
    names = set(archive.namelist())
    for table, nodule in (("slices.csv", "nodule"), ("nodules.csv", "nodule_id")):
        if table in names:
            text = io.TextIOWrapper(archive.open(table), encoding="utf-8", newline="")
            return list(csv.DictReader(text)), nodule
    raise SystemExit(f"{archive.filename}: holds neither slices.csv nor nodules.csv")


def label_of(mean):
    return "benign" if mean < 3 else "malignant" if mean > 3 else None


def manifest_rows(archive, prefix, min_readers):
    """Rows of the manifest, and how many were left out and why."""
    rows, nodule = read_table(archive)
    kept, left_out = [], {"undecided": 0, "too few readers": 0}
    for row in rows:
        label = label_of(float(row["malignancy_mean"]))
        if int(row["readers"]) < min_readers:
            left_out["too few readers"] += 1
        elif label is None:
            left_out["undecided"] += 1
        else:
            mask = prefix + row["mask"] if row.get("mask") else ""
            group = f"{row['patient']}/nodule-{row[nodule]}"
            kept.append([prefix + row["path"], label, row["patient"], group, mask])
    return kept, left_out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zip", help="archive of nodule slices")
    parser.add_argument("manifest", help="CSV to write")
    parser.add_argument("--min-readers", type=int, default=1, metavar="N",
                        help="leave out nodules outlined by fewer readers (default %(default)s)")
    arguments = parser.parse_args()
    folder = os.path.dirname(os.path.abspath(arguments.manifest))
    prefix = os.path.relpath(arguments.zip, folder) + "!"
    with zipfile.ZipFile(arguments.zip) as archive:
        rows, left_out = manifest_rows(archive, prefix, arguments.min_readers)
    part = arguments.manifest + ".part"
    with open(part, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    os.replace(part, arguments.manifest)
    counts = {name: sum(row[1] == name for row in rows) for name in ("benign", "malignant")}
    print(f"{counts['benign']} benign and {counts['malignant']} malignant slices of "
          f"{len({row[3] for row in rows})} nodules of {len({row[2] for row in rows})} patients; left out: "
          + ", ".join(f"{count} {reason}" for reason, count in left_out.items()))


if __name__ == "__main__":
    sys.exit(main())
