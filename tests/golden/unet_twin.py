"""Repeats the row unet_densenet in plain PyTorch: unet_twin.py FOLDER.

FOLDER holds bundle.pt, images.f32 (N,1,S,S), shares.f32 (N,1,S,S), logits.f64 (N,2) and outline_logits.f64 (N,1,S,S) of
our network in float64, and gradients/NAME (float64) of the mean cross-entropy with labels 0, 1, 1 plus the mean loss of
the outlines. The twin has the bundle's weights and torchvision's DenseNet-121, but builds the U-Net itself from
torch.nn, and writes the loss of the outlines from its definition. Exits with 1 when something differs by more than 1e-5
of the largest value (1e-4 in the bundle, which computes in float32).
"""
import sys
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def stage(channels, maps):
    return nn.Sequential(nn.Conv2d(channels, maps, 3, padding=1, bias=False), nn.BatchNorm2d(maps), nn.ReLU(),
                         nn.Conv2d(maps, maps, 3, padding=1, bias=False), nn.BatchNorm2d(maps), nn.ReLU())


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([stage(1, 16), stage(16, 32), stage(32, 64), stage(64, 128)])
        self.up = nn.ModuleList([stage(32 + 16, 16), stage(64 + 32, 32), stage(128 + 64, 64)])
        self.last = nn.Conv2d(16, 1, 1)

    def forward(self, x, level=0):
        kept = self.down[level](x)
        if level == 3:
            return kept
        deeper = self.forward(F.max_pool2d(kept, 2), level + 1)
        deeper = F.interpolate(deeper, size=kept.shape[2:], mode="bilinear", align_corners=False)
        result = self.up[level](torch.cat([kept, deeper], 1))
        return self.last(result) if level == 0 else result


class Twin(nn.Module):
    def __init__(self):
        super().__init__()
        self.unet = UNet()
        self.dense = torchvision.models.densenet121(num_classes=2)

    def forward(self, images):
        outline = self.unet(images)
        p = 1 / (1 + torch.exp(-outline.detach()))
        seen = torch.cat([images, p, images * p], 1)
        return self.dense(torchvision.transforms.Normalize(MEAN, STD)(seen)), outline


def twin_name(name):
    """unet.down2.conv1.weight is unet.down.1.0.weight, ...; the DenseNet's names are torchvision's."""
    parts = name.split(".")
    if parts[0] != "unet":
        return "dense." + name
    if parts[1] == "last":
        return name
    way, number = parts[1][:-1], int(parts[1][-1]) - 1
    place = {"conv1": 0, "norm1": 1, "conv2": 3, "norm2": 4}[parts[2]]
    return f"unet.{way}.{number}.{place}.{parts[3]}"


def outline_loss(logits, shares):
    """Of one slice."""
    p, s = torch.sigmoid(logits), shares
    entropy = -(s * torch.log(p) + (1 - s) * torch.log(1 - p)).sum() / s.numel()
    return entropy + 1 - (2 * (p * s).sum() + 1) / ((p**2).sum() + (s**2).sum() + 1)


def main():
    folder = Path(sys.argv[1])
    module = torch.jit.load(str(folder / "bundle.pt"))
    ours = {name: weight for name, weight in module.named_parameters() if not name.startswith("input.")}
    twin = Twin().eval()
    left, unknown = twin.load_state_dict({twin_name(name): weight for name, weight in ours.items()}, strict=False)
    assert not unknown and all(name.endswith("num_batches_tracked") for name in left), (left, unknown)
    twin.double()

    def read(name, kind, *shape):
        return torch.from_numpy(np.fromfile(folder / name, kind).reshape(shape)).double()

    shares = read("shares.f32", np.float32, 3, 1, -1)
    side = round(shares.shape[2]**0.5)
    images, shares = read("images.f32", np.float32, 3, 1, side, side), shares.reshape(3, 1, side, side)
    logits, outline = twin(images)
    loss = F.cross_entropy(logits, torch.tensor([0, 1, 1]))
    (loss + sum(outline_loss(outline[i], shares[i]) for i in range(3)) / 3).backward()

    def difference(mine, theirs):
        return ((mine - theirs).abs().max() / theirs.abs().max()).item()

    single = images.float()
    checks = {"logits": (difference(read("logits.f64", np.float64, 3, 2), logits), 1e-5),
              "outlines": (difference(read("outline_logits.f64", np.float64, 3, 1, side, side), outline), 1e-5),
              "logits of the bundle": (difference(module(single).double(), logits), 1e-4),
              "outlines of the bundle": (difference(module.outlines(single).double(), torch.sigmoid(outline)), 1e-4)}
    gradients = dict(twin.named_parameters())
    for name in (path.name for path in (folder / "gradients").iterdir()):
        theirs = gradients[twin_name(name)].grad
        checks[f"gradient of {name}"] = (difference(read(f"gradients/{name}", np.float64, *theirs.shape), theirs), 1e-5)
    failed = {name: value for name, (value, limit) in checks.items() if not value <= limit}
    print(f"{len(checks)} compared, largest difference {max(value for value, _ in checks.values()):.1e}")
    for name, value in list(failed.items())[:5]:
        print(f"{name}: {value:.1e}")
    sys.exit(bool(failed) or len(checks) < 400)


if __name__ == "__main__":
    main()
