"""Repeats a bundle's network in plain PyTorch: model_twin.py FOLDER.

The folder holds bundle.pt, pixels.u16 (N,C,S,S), labels.i64 (N), probabilities.f64 (N,K) of the predictor, and
gradients/NAME.f32 of the mean cross-entropy. The twin takes the bundle's weights by name, but builds the layers
itself, in the order of the paper: convolution, ReLU, max-pool. Exits with 1 when something differs by more than 1e-5; a
gradient whose largest value is below 0.01, by more than a thousandth of that.
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


class Attention(nn.Module):
    """CBAM (Woo, Park, Lee, Kweon 2018), written from its equations 1 to 3; but twice each sigmoid."""

    def __init__(self, maps):
        super().__init__()
        self.perceptron = nn.Sequential(nn.Linear(maps, maps // 8, bias=False), nn.ReLU(),
                                        nn.Linear(maps // 8, maps, bias=False))
        self.window = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, maps):
        pixels = maps.flatten(2)
        channels = 2 * torch.sigmoid(self.perceptron(pixels.mean(2)) + self.perceptron(pixels.max(2).values))
        maps = torch.einsum("nchw,nc->nchw", maps, channels)
        places = 2 * torch.sigmoid(self.window(torch.stack([maps.mean(1), maps.max(1).values], 1)))
        return torch.einsum("nchw,nhw->nchw", maps, places[:, 0])


def attention_cnn(channels, size, classes):
    layers = list(proposed_cnn(channels, size, classes))
    for after, maps in ((9, 128), (6, 64), (3, 32)):  # the last first: those before it keep their places
        layers.insert(after, Attention(maps))
    return nn.Sequential(*layers)


def conventional_cnn(channels, size, classes):
    side = ((size - 4) // 2 - 4) // 2
    return nn.Sequential(*block(channels, 6, 5, 0), *block(6, 16, 5, 0), nn.Flatten(),
                         nn.Linear(16 * side * side, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
                         nn.Linear(84, classes))


NETWORKS = {"proposed_cnn": proposed_cnn, "attention_cnn": attention_cnn, "conventional_cnn": conventional_cnn}


def twin_of(module, metadata):
    """The layers built anew, with the weights of the bundle's module in their order."""
    twin = NETWORKS[metadata["row"]](metadata["channels"], metadata["spec"]["size_px"], len(metadata["classes"]))
    weights = [weight.detach() for weight in dict(module.named_parameters()).values()]
    twin.load_state_dict({name: weight.reshape(own.shape)
                          for (name, own), weight in zip(twin.state_dict().items(), weights, strict=True)})
    return twin


def main():
    folder = Path(sys.argv[1])
    extra = {"pulmo.json": ""}
    module = torch.jit.load(str(folder / "bundle.pt"), _extra_files=extra)
    metadata = json.loads(extra["pulmo.json"])
    channels, size, classes = metadata["channels"], metadata["spec"]["size_px"], len(metadata["classes"])

    twin = twin_of(module, metadata)
    names = [name for name, _ in module.named_parameters()]

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
        largest = parameter.grad.abs().max().item()
        differences[f"gradient of {name}"] = (ours - parameter.grad).abs().max().item() / min(1, 100 * max(largest, 1e-12))
        if largest < 1e-7:
            sys.exit(f"the gradient of {name} is too small to be compared: {largest:.1e}")
    for name, value in differences.items():
        print(f"largest difference in {name}: {value:.2e}")
    sys.exit(any(not value <= TOLERANCE for value in differences.values()))


if __name__ == "__main__":
    main()
