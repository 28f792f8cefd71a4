"""Repeats the rows of volumes in plain PyTorch.

    volume_twin.py FOLDER              compares
    volume_twin.py make NAME FILE      a state_dict of torchvision's network NAME, weights and statistics random
    volume_twin.py inflated FOLDER     FOLDER's bundle.pt is what resnet3d makes of FOLDER's weights.pth, a 2D resnet18

FOLDER holds bundle.pt, stacks.f32 (N,1,D,S,S), logits.f64 (N,2) of our network in float64, and gradients/NAME (float64)
of the mean cross-entropy with labels 0, 1, 1. The twin has the bundle's weights, but builds its layers itself, from
torch.nn and torchvision, and goes through the slices of a stack one by one; of resnet3d it takes all but the classifier
from FOLDER's weights.pth instead, with torchvision's normalisation for Kinetics. Exits with 1 when something differs by more
than 1e-5 of the largest value (1e-4 in the bundle, which computes in float32).
"""
import json
import re
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

    @staticmethod
    def there(stack):
        return [z for z in range(stack.shape[1]) if stack[0, z].max() > 0] or list(range(stack.shape[1]))

    def maps(self, stacks):
        """Of the slices that are there of the only stack."""
        return torch.cat([self.features(self.normalise(stacks[0, :, z].repeat(3, 1, 1))[None]) for z in self.there(stacks[0])])

    def shares_of(self, vectors):
        scores = self.score(torch.tanh(self.content(vectors)) * torch.sigmoid(self.gate(vectors)))[:, 0]
        return torch.exp(scores) / torch.exp(scores).sum()

    def of_maps(self, maps):
        vectors = maps.mean((2, 3))
        return self.classifier(self.shares_of(vectors) @ vectors)[None]

    def one(self, stack):
        maps = self.maps(stack[None])
        weights = torch.zeros(stack.shape[1], dtype=stack.dtype)
        weights[self.there(stack)] = self.shares_of(maps.mean((2, 3))).detach()
        return self.of_maps(maps)[0], weights

    def forward(self, stacks):
        results = [self.one(stack) for stack in stacks]
        return torch.stack([logits for logits, _ in results]), torch.stack([weights for _, weights in results])


class ResNet3d(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.net = torchvision.models.video.r3d_18(num_classes=2).eval()
        self.mean, self.std = (torch.as_tensor(of_colours, dtype=torch.float64).reshape(3, 1, 1, 1)
                               for of_colours in (mean, std))


    def forward(self, stacks):
        return self.net((stacks.repeat(1, 3, 1, 1, 1) - self.mean) / self.std), None


def load(net, backbone, ours):
    """The backbone of one and the classifier of our network; what the file counts besides does not matter."""
    state = {name: tensor for name, tensor in backbone.items() if not name.startswith("fc.")}
    state |= {f"fc.{end}": ours[f"classifier.{end}"] for end in ("weight", "bias")}
    left, unknown = net.load_state_dict(state, strict=False)
    assert not unknown and all(name.endswith("num_batches_tracked") for name in left), (left, unknown)


def twin_of(row, depth, side, weights, folder):
    if row == "resnet3d":
        twin = ResNet3d([0.43216, 0.394666, 0.37645], [0.22803, 0.22145, 0.216989])
        load(twin.net, torch.load(folder / "weights.pth"), weights)
        names = {f"net.{torchvision_name(ours).replace('classifier', 'fc')}": ours for ours in weights}
        return twin.double(), {name: names[name] for name, _ in twin.named_parameters()}
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


def torchvision_name(ours):
    return re.sub(r"_([0-9]+)\.", r".\1.", ours)


def difference(ours, expected):
    return ((ours - expected).abs().max() / max(1e-9, expected.abs().max().item())).item()


def make(name, path):
    torch.manual_seed(5)
    net = getattr(torchvision.models.video if name == "r3d_18" else torchvision.models, name)()
    for key, buffer in net.named_buffers():
        if key.endswith("running_mean"):
            buffer.normal_(0, 0.2)
        elif key.endswith("running_var"):
            buffer.uniform_(0.5, 2.0)
    torch.save(net.state_dict(), path)


class EndlessDepth(nn.Module):
    """A convolution to which a volume goes on beyond its first and last slice instead of being 0 there."""

    def __init__(self, conv):
        super().__init__()
        self.conv, self.depth = conv, conv.padding[0]
        conv.padding = (0, *conv.padding[1:])

    def forward(self, x):
        return self.conv(nn.functional.pad(x, (0, 0, 0, 0, self.depth, self.depth), mode="replicate"))


def inflated(folder):
    """Without zeros at its ends a volume that is constant over depth stays so in every layer: all maps, and so the
    logits, are exactly those of the 2D network (without its max-pool, which r3d_18 lacks) of one slice."""
    ours = {name: p.detach() for name, p in torch.jit.load(str(folder / "bundle.pt")).named_parameters()}
    scale, shift = ours["input.scale"].double(), ours["input.shift"].double()
    volumes = ResNet3d(-shift / scale, 1 / scale)
    load(volumes.net, {torchvision_name(name): p for name, p in ours.items()
                       if not name.startswith(("input.", "classifier."))}, ours)
    for parent in list(volumes.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv3d):
                setattr(parent, name, EndlessDepth(child))

    flat = torchvision.models.resnet18(num_classes=2).eval()
    load(flat, torch.load(folder / "weights.pth"), ours)
    flat.maxpool = nn.Identity()
    images = torch.rand(2, 1, 40, 40, dtype=torch.float64)
    normalise = torchvision.transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    with torch.no_grad():
        wanted = flat.double()(normalise(images.repeat(1, 3, 1, 1)))
        found, _ = volumes.double()(images[:, :, None].repeat(1, 1, 8, 1, 1))
    sys.exit(f"differ by {difference(found, wanted)}" if not difference(found, wanted) <= 1e-5 else 0)


def compare_all(folder):
    extra = {"pulmo.json": ""}
    module = torch.jit.load(str(folder / "bundle.pt"), _extra_files=extra)
    metadata = json.loads(extra["pulmo.json"])
    depth, side = metadata["depth"], metadata["spec"]["size_px"]
    assert metadata["format_version"] == 3
    net, names = twin_of(metadata["row"], depth, side, {n: p.detach() for n, p in module.named_parameters()},
                         folder)
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
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3])
    elif sys.argv[1] == "inflated":
        inflated(Path(sys.argv[2]))
    else:
        compare_all(Path(sys.argv[1]))
