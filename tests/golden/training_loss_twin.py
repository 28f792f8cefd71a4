"""Repeats a training in plain PyTorch: training_loss_twin.py FOLDER.

The folder holds network.pt (TorchScript, the initial weights), data/ (a prepared folder) and run.json: the row, the
learning rate, the samples of each step's batch (numbered through the training shards) and our loss of each step. The
twin reads the shards with h5py, builds the layers itself, trains with torch.optim.Adam without dropout, and exits with
1 when a loss differs by more than 1e-4.
"""
import json
import sys
from pathlib import Path

import h5py
import numpy as np
import torch
import yaml
from torch import nn

import model_twin

TOLERANCE = 1e-4


def training_part(folder):
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text())
    images, labels = [], []
    for shard in manifest["splits"]["train"]["shards"]:
        with h5py.File(folder / shard["file"]) as file:
            images.append(file["images"][:])
            labels.append(file["labels"][:])
    pixels = np.concatenate(images)
    return torch.from_numpy((pixels / 65535.0).astype(np.float32)), torch.from_numpy(np.concatenate(labels).astype(int))


def main():
    folder = Path(sys.argv[1])
    run = json.loads((folder / "run.json").read_text())
    images, labels = training_part(folder / "data")
    build = getattr(model_twin, run["row"])
    network = build(images.shape[1], images.shape[2], int(labels.max()) + 1)
    weights = dict(torch.jit.load(str(folder / "network.pt")).named_parameters())
    network.load_state_dict(dict(zip(network.state_dict(), weights.values())))
    adam = torch.optim.Adam(network.parameters(), lr=run["learning_rate"])
    worst, losses = 0.0, []
    for batch, ours in zip(run["batches"], run["losses"]):
        adam.zero_grad()
        loss = nn.functional.cross_entropy(network(images[batch]), labels[batch])
        loss.backward()
        adam.step()
        losses.append(loss.item())
        worst = max(worst, abs(losses[-1] - ours))
    print(f"{len(losses)} steps, loss {losses[0]:.4f} to {losses[-1]:.4f}, largest difference {worst:.2e}")
    return 0 if worst <= TOLERANCE and len(losses) >= 20 and losses[-1] != losses[0] else 1


if __name__ == "__main__":
    sys.exit(main())
