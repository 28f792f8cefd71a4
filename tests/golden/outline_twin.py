"""Repeats `pulmo-train outlines` with NumPy: outline_twin.py BUNDLE DATA FIGURES.json (of the test part)."""
import json
import sys
from collections import defaultdict
from pathlib import Path

import h5py
import numpy as np
import torch


def main():
    module = torch.jit.load(sys.argv[1])
    figures = json.loads(Path(sys.argv[3]).read_text())
    nodules = defaultdict(lambda: ([], []))
    for shard in sorted(Path(sys.argv[2]).glob("test-*.h5")):
        with h5py.File(shard) as file:
            images, votes = file["images"][:], file["nodules"][:]
            names = zip(file["patients"].asstr()[:], file["groups"].asstr()[:])
        for image, mask, name in zip(images, votes, names):
            with torch.no_grad():
                p = module.outlines(torch.from_numpy((image / 65535.0).astype(np.float32))[None])[0, 0].numpy()
            nodules[name][0].append(p)
            nodules[name][1].append(mask)
    dice, readers, patients = [], [], []
    for (patient, _), (maps, masks) in nodules.items():
        votes, mine = np.stack(masks), np.stack(maps) >= 0.5
        if votes.max() == 0:
            continue
        theirs = 2 * votes.astype(int) >= votes.max()
        theirs &= votes > 0
        dice.append(2 * np.sum(mine & theirs) / (np.sum(mine) + np.sum(theirs)))
        readers.append(votes.max())
        patients.append(patient)
    dice, readers, patients = np.array(dice), np.array(readers), np.array(patients)
    assert figures["groups_without_outline"] == len(nodules) - len(dice)
    for line in figures["nodules"]:
        taken = readers >= line["least_readers"]
        assert line["nodules"] == taken.sum() and line["patients"] == len(set(patients[taken])), line
        if not taken.any():
            assert line["dice"] is None and line["median"] is None, line
            continue
        assert abs(line["dice"] - dice[taken].mean()) < 1e-9 and abs(line["median"] - np.median(dice[taken])) < 1e-9, line
        assert line["interval"][0] <= line["dice"] <= line["interval"][1], line
    assert len(dice) > 3 and dice.max() > 0
    print(f"{len(dice)} nodules, mean Dice {dice.mean():.3f}")


if __name__ == "__main__":
    main()
