"""Checks a prepared folder of the 71 x 71 nodule pictures (16-bit PNG of HU + 1024 inside a zip) against NumPy and SciPy.

    nodules71_task.py PREPARED NODULES.zip

The folder was made with images.intercept_hu=-1024, preprocess.mask=none and preprocess.size_px=64 from the manifest that
scripts/nodule_slices_manifest.py writes. Exits with 1 at the first difference.
"""
import collections
import csv
import io
import pathlib
import sys
import zipfile

import h5py
import numpy as np
import yaml
from PIL import Image

import preprocess_golden
from collection_page_check import binned, check, counts_of


def main():
    folder, archive = pathlib.Path(sys.argv[1]), zipfile.ZipFile(sys.argv[2])
    rows = {row["path"]: row for row in csv.DictReader(io.TextIOWrapper(archive.open("nodules.csv"), "utf-8"))}
    parts, labels, worst = collections.defaultdict(set), collections.Counter(), 0.0
    hu_counts = {"benign": collections.Counter(), "malignant": collections.Counter()}
    for path in sorted(folder.glob("*.h5")):
        with h5py.File(path) as shard:
            images, names = shard["images"][()], [n.decode() for n in shard.attrs["class_names"]]
            for i, instance in enumerate(shard["instances"].asstr()):
                row = rows[instance.split("!")[1]]
                label = names[shard["labels"][i]]
                check((float(row["malignancy_mean"]) > 3) == (label == "malignant"), f"{instance}: {label}")
                check(shard["patients"].asstr()[i] == row["patient"], f"{instance}: its patient")
                check(shard["groups"].asstr()[i] == f"{row['patient']}/nodule-{row['nodule_id']}", f"{instance}: its group")
                hu = np.asarray(Image.open(io.BytesIO(archive.read(row["path"])))).astype(np.float64) - 1024
                if i % 5 == 0:
                    expected, _ = preprocess_golden.preprocess(hu, False, {"mask": "none", "size_px": 64})
                    worst = max(worst, np.abs(images[i, 0].astype(float) - expected).max() / 65535)
                    check(worst < 1e-3, f"{instance}: a pixel differs by {worst}")
                hu_counts[label].update(binned(np.minimum(hu[::4, ::4].ravel(), 1500), 25))
                parts[row["patient"]].add(path.name.split("-")[0])
                labels[label] += 1
    check(all(len(splits) == 1 for splits in parts.values()), "a patient is in two parts")
    statistics = yaml.safe_load((folder / "report.yaml").read_text())["statistics"]
    for label, counts in hu_counts.items():
        check(counts_of(statistics["pixels_hu"][label]) == dict(counts), f"HU of {label}: {statistics['pixels_hu'][label]}")
    print(f"{labels['benign']} benign and {labels['malignant']} malignant pictures agree, every fifth to the pixel: {worst:.1e} at most")


if __name__ == "__main__":
    main()
