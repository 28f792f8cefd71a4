"""Repeats the rows of volumes in plain PyTorch: volume_twin.py FOLDER.

FOLDER holds bundle.pt, stacks.f32 (N,1,D,S,S), logits.f64 (N,2) of our network in float64, and gradients/NAME (float64)
of the mean cross-entropy with labels 0, 1, 1. The twin has the bundle's weights, but builds its layers itself, from
torch.nn and torchvision, and goes through the slices of a stack one by one. Exits with 1 when something differs by more
than 1e-5 of the largest value (1e-4 in the bundle, which computes in float32).
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn


class Cnn3d(nn.Module):
    def __init__(self, depth, side):
        super().__init__()
        layers, channels = [], 1
        for maps in (16, 32, 64):
            deep = depth > 1 and 2 * depth >= side
            layers += [nn.Conv3d(channels, maps, 3, padding=1), nn.ReLU(), nn.MaxPool3d((2 if deep else 1, 2, 2))]
            depth, side, channels = depth // 2 if deep else depth, side // 2, maps
        self.maps = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 2))

    def forward(self, stacks):
        maps = self.maps(stacks)
        return self.head(torch.cat([maps.mean((2, 3, 4)), maps.flatten(2).max(2).values], 1)), None


class SliceAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = torchvision.models.squeezenet1_1().features
        self.content, self.gate, self.score = nn.Linear(512, 64), nn.Linear(512, 64), nn.Linear(64, 1)
        self.classifier = nn.Linear(512, 2)
        self.normalise = torchvision.transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])

    def one(self, stack):
        there = [z for z in range(stack.shape[1]) if stack[0, z].max() > 0] or list(range(stack.shape[1]))
        vectors = torch.stack([self.features(self.normalise(stack[:, z].repeat(3, 1, 1))[None]).mean((2, 3))[0]
                               for z in there])
        scores = self.score(torch.tanh(self.content(vectors)) * torch.sigmoid(self.gate(vectors)))[:, 0]
        shares = torch.exp(scores) / torch.exp(scores).sum()
        weights = torch.zeros(stack.shape[1], dtype=stack.dtype)
        weights[there] = shares.detach()
        return self.classifier(shares @ vectors), weights

    def forward(self, stacks):
        results = [self.one(stack) for stack in stacks]
        return torch.stack([logits for logits, _ in results]), torch.stack([weights for _, weights in results])


def twin_of(row, depth, side, weights):
    if row == "cnn3d":
        net = Cnn3d(depth, side)
        names = dict(zip((name for name, _ in net.named_parameters()), weights))
    else:
        net = SliceAttention()
        learnt = [name for name in weights if not name.startswith("input.")]
        names = {name.replace("features.", "features_").replace("content.", "attention.content.")
                     .replace("gate.", "attention.gate.").replace("score.", "attention.score."): name
                 for name, _ in net.named_parameters()}
        assert sorted(names) == sorted(learnt), (sorted(names), sorted(learnt))
        names = {name: ours for ours, name in names.items()}
    net.load_state_dict({name: weights[ours] for name, ours in names.items()}, strict=True)
    return net.double(), names


def difference(ours, expected):
    return ((ours - expected).abs().max() / max(1e-9, expected.abs().max().item())).item()


def main():
    folder = Path(sys.argv[1])
    extra = {"pulmo.json": ""}
    module = torch.jit.load(str(folder / "bundle.pt"), _extra_files=extra)
    metadata = json.loads(extra["pulmo.json"])
    depth, side = metadata["depth"], metadata["spec"]["size_px"]
    assert metadata["format_version"] == 3
    net, names = twin_of(metadata["row"], depth, side, {n: p.detach() for n, p in module.named_parameters()})
    stacks = torch.from_numpy(np.fromfile(folder / "stacks.f32", np.float32)).reshape(-1, 1, depth, side, side)
    logits, weights = net(stacks.double())
    nn.functional.cross_entropy(logits, torch.tensor([0, 1, 1])).backward()

    served = torch.from_numpy(np.fromfile(folder / "logits.f64", np.float64)).reshape(logits.shape)
    wrong = {}

    def compare(what, value, tolerance):
        if not value <= tolerance:
            wrong[what] = value

    compare("logits", difference(served, logits.detach()), 1e-5)
    compare("logits of the bundle", difference(module(stacks).detach(), logits.detach()), 1e-4)
    if weights is not None:
        compare("slice weights", difference(module.slice_weights(stacks).detach(), weights), 1e-4)
    found = {f.name for f in (folder / "gradients").iterdir()}
    assert found == set(names.values()), found ^ set(names.values())
    for name, parameter in net.named_parameters():
        ours = torch.from_numpy(np.fromfile(folder / "gradients" / names[name], np.float64)).reshape(parameter.shape)
        compare(f"gradient of {name}", difference(ours, parameter.grad), 1e-5)
    sys.exit(f"differ: {wrong}" if wrong else 0)


if __name__ == "__main__":
    main()
