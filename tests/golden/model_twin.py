"""Repeats a bundle's network in plain PyTorch: model_twin.py FOLDER.

The folder holds bundle.pt, pixels.u16 (N,C,S,S), labels.i64 (N), probabilities.f64 (N,K) of the predictor, and
gradients/NAME.f32 of the mean cross-entropy. The twin takes the bundle's weights by name, but builds the layers
itself, in the order of the paper: convolution, ReLU, max-pool. Exits with 1 when something differs by more than 1e-5.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

TOLERANCE = 1e-5


def block(channels, maps, kernel, padding):
    return [nn.Conv2d(channels, maps, kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2)]


def proposed_cnn(channels, size, classes):
    flat = 128 * (size // 8) ** 2
    return nn.Sequential(*block(channels, 32, 3, 1), *block(32, 64, 3, 1), *block(64, 128, 3, 1), nn.Flatten(),
                         nn.Linear(flat, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, classes))


def conventional_cnn(channels, size, classes):
    side = ((size - 4) // 2 - 4) // 2
    return nn.Sequential(*block(channels, 6, 5, 0), *block(6, 16, 5, 0), nn.Flatten(),
                         nn.Linear(16 * side * side, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
                         nn.Linear(84, classes))


def main():
    folder = Path(sys.argv[1])
    extra = {"pulmo.json": ""}
    module = torch.jit.load(str(folder / "bundle.pt"), _extra_files=extra)
    metadata = json.loads(extra["pulmo.json"])
    channels, size, classes = metadata["channels"], metadata["spec"]["size_px"], len(metadata["classes"])

    twin = {"proposed_cnn": proposed_cnn, "conventional_cnn": conventional_cnn}[metadata["row"]](channels, size, classes)
    weights = dict(module.named_parameters())
    names = list(weights)
    twin.load_state_dict(dict(zip(twin.state_dict(), weights.values())))

    pixels = np.fromfile(folder / "pixels.u16", np.uint16).reshape(-1, channels, size, size)
    images = torch.from_numpy((pixels / 65535.0).astype(np.float32))
    labels = torch.from_numpy(np.fromfile(folder / "labels.i64", np.int64))
    served = torch.from_numpy(np.fromfile(folder / "probabilities.f64", np.float64)).reshape(-1, classes)

    def probabilities(logits):
        return torch.softmax(logits.detach().double() / metadata["temperature"], 1)

    logits = twin(images)
    differences = {"probabilities of the loaded bundle": (probabilities(module(images)) - served).abs().max().item(),
                   "probabilities of the twin": (probabilities(logits) - served).abs().max().item()}
    nn.functional.cross_entropy(logits, labels).backward()
    for name, parameter in zip(names, twin.parameters()):
        ours = torch.from_numpy(np.fromfile(folder / "gradients" / f"{name}.f32", np.float32)).reshape(parameter.shape)
        differences[f"gradient of {name}"] = (ours - parameter.grad).abs().max().item()
        if parameter.grad.abs().max() < 1e-4:
            sys.exit(f"the gradient of {name} is too small to be compared")
    for name, value in differences.items():
        print(f"largest difference in {name}: {value:.2e}")
    sys.exit(any(not value <= TOLERANCE for value in differences.values()))


if __name__ == "__main__":
    main()
