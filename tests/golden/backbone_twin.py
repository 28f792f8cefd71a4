"""Repeats the pretrained rows with torchvision.

    backbone_twin.py make ROW FILE.pth     a torchvision state_dict of random weights and statistics
    backbone_twin.py make-older ROW FILE.pth   the same under the names of the DenseNet files that torchvision publishes
    backbone_twin.py check ROW FILE.pth FOLDER

FOLDER holds bundle.pt, images.f32 (N,1,S,S), labels.i64 (N), logits.f64 (N,K) of our network in float64 and
gradients/NAME.f64 of the mean cross-entropy. The twin is torchvision's network in evaluation mode with the weights of FILE.pth, torchvision's
ImageNet normalisation, means over the last maps, and the bundle's classifier. Exits with 1 when something differs by more
than 1e-5 of the largest value (1e-4 in the bundle, which computes in float32).
"""
import re
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision

TOLERANCE = 1e-5  # relative to the largest value of a tensor
SINGLE_TOLERANCE = 1e-4


def network(row):
    return {"squeezenet": torchvision.models.squeezenet1_1, "resnet18": torchvision.models.resnet18,
            "densenet121": torchvision.models.densenet121}[row]()


def older_name(name):
    """The way back of the renaming in torchvision's own loader (models/densenet.py)."""
    return re.sub(r"^(.*denselayer\d+\.(?:norm|conv))([12]\.)", r"\1.\2", name)


def make(row, path, rename=str):
    torch.manual_seed(5)
    net = network(row)
    for name, buffer in net.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.2)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2.0)
    torch.save({rename(name): tensor for name, tensor in net.state_dict().items()}, path)


def maps_of(row, net, x):
    if row == "squeezenet":
        return net.features(x)
    if row == "densenet121":
        return torch.relu(net.features(x))
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    return net.layer4(net.layer3(net.layer2(net.layer1(x))))


def difference(ours, expected):
    return ((ours - expected).abs().max() / expected.abs().max()).item()


def check(row, path, folder):
    net = network(row)
    net.load_state_dict(torch.load(path))
    net.double().eval()
    module = torch.jit.load(str(folder / "bundle.pt"))
    ours = dict(module.named_parameters())
    weight, bias = (ours[f"classifier.{n}"].detach().double().requires_grad_() for n in ("weight", "bias"))
    labels = torch.from_numpy(np.fromfile(folder / "labels.i64", np.int64))
    images = torch.from_numpy(np.fromfile(folder / "images.f32", np.float32))
    side = int(round((images.numel() / len(labels)) ** 0.5))
    images = images.reshape(len(labels), 1, side, side)
    normalise = torchvision.transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    logits = maps_of(row, net, normalise(images.double().repeat(1, 3, 1, 1))).mean((2, 3)) @ weight.T + bias
    torch.nn.functional.cross_entropy(logits, labels).backward()

    served = torch.from_numpy(np.fromfile(folder / "logits.f64", np.float64)).reshape(logits.shape)
    differences = {"logits": difference(served, logits.detach())}
    in_single = difference(module(images).detach(), logits.detach())
    expected = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    expected |= {"classifier.weight": weight.grad, "classifier.bias": bias.grad}
    found = {f.name[:-4]: f for f in (folder / "gradients").iterdir()}
    names = {name: re.sub(r"_([0-9]+)\.", r".\1.", name) for name in found}
    if set(names.values()) != set(expected):
        sys.exit(f"gradients of other parameters: {set(names.values()) ^ set(expected)}")
    for name, original in names.items():
        gradient = torch.from_numpy(np.fromfile(found[name], np.float64)).reshape(expected[original].shape)
        differences[f"gradient of {name}"] = difference(gradient, expected[original])
    bad = {name: value for name, value in differences.items() if not value <= TOLERANCE}
    if not in_single <= SINGLE_TOLERANCE:
        bad["logits of the bundle"] = in_single
    print(f"{len(differences)} compared, largest {max(differences.values()):.1e}; bundle {in_single:.1e}")
    sys.exit(f"differ: {bad}" if bad else 0)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3])
    elif sys.argv[1] == "make-older":
        make(sys.argv[2], sys.argv[3], older_name)
    else:
        check(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
