"""Explains a bundle in plain PyTorch and NumPy.

explain_twin.py make FOLDER        writes scripted.pt: a network of torch.nn modules through torch.jit.script, with the
                                   metadata of FOLDER/bundle.pt.
explain_twin.py check FOLDER FILE  FOLDER holds image.u16 (n,S,S), lungs.u8 (n,S,S), grad_cam.f32, integrated_gradients.f32 and
                                   occlusion.f32 (n,S,S) of class 1, and the bundle FILE. Exits with 1 when a map differs by more than TOLERANCE
                                   of its highest value. Of a bundle of volumes the n slices are the middle ones, and
                                   the others are 0; otherwise n is 1.
"""
import itertools
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

import model_twin
import volume_twin

TOLERANCE = 1e-4
DEEP_TOLERANCE = 1e-2  # through many ReLUs and pools: float32 rounds some values past their kinks
K = 1
PATCH, STEP = 8, 5
INTEGRATION_STEPS = 32


def scripted_layers(classes):
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True),
                         nn.MaxPool2d(2), nn.Conv2d(8, 12, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(12, classes))


def load(path):
    extra = {"pulmo.json": ""}
    module = torch.jit.load(str(path), _extra_files=extra)
    return module, json.loads(extra["pulmo.json"]), extra["pulmo.json"]


def make(folder):
    _, metadata, text = load(folder / "bundle.pt")
    torch.manual_seed(5)
    layers = scripted_layers(len(metadata["classes"]))
    layers[1].running_mean.uniform_(-0.1, 0.1)
    layers[1].running_var.uniform_(0.01, 0.05)
    torch.jit.save(torch.jit.script(layers.eval()), str(folder / "scripted.pt"), _extra_files={"pulmo.json": text})


def twin_of(module, metadata, name):
    """The layers, built anew: up to the last maps, and from there."""
    if metadata["row"] == "cnn3d":
        twin = volume_twin.Cnn3d(metadata["depth"], metadata["spec"]["size_px"])
        twin.load_state_dict(dict(zip(twin.state_dict(), dict(module.named_parameters()).values())))
        return twin.maps, lambda x: twin.head(torch.cat([x.mean((2, 3, 4)), x.flatten(2).max(2).values], 1))
    if metadata["row"] == "slice_attention":
        twin, _ = volume_twin.twin_of("slice_attention", 0, 0, dict(module.named_parameters()), None)
        return twin.float().maps, twin.of_maps
    if name == "scripted.pt":
        twin = scripted_layers(len(metadata["classes"]))
        cut = next(i for i, layer in enumerate(twin) if isinstance(layer, nn.AdaptiveAvgPool2d))
        twin.load_state_dict(module.state_dict())
    else:
        twin = model_twin.twin_of(module, metadata)
        cut = next(i for i, layer in enumerate(twin) if isinstance(layer, nn.Flatten))
    return twin.eval()[:cut], twin[cut:]


def image_of(pixels, metadata):
    """(1,1,S,S); of volumes (1,1,D,S,S), the slices in the middle."""
    slices = torch.from_numpy((pixels / 65535.0).astype(np.float32))
    depth = metadata.get("depth", 0)
    if not depth:
        return slices[None]
    volume = torch.zeros(1, 1, depth, *pixels.shape[1:])
    first = (depth - len(pixels)) // 2
    volume[0, 0, first:first + len(pixels)] = slices
    return volume


def middle(image, slices):
    """(n,S,S) of (1,1,D,S,S) or (1,1,S,S)."""
    if image.dim() == 4:
        return image[0]
    first = (image.shape[2] - slices) // 2
    return image[0, 0, first:first + slices]


def grad_cam(module, metadata, name, image, slices):
    body, head = twin_of(module, metadata, name)
    maps = body(image).detach().requires_grad_(True)
    head(maps)[0, K].backward()
    weights = maps.grad.mean(tuple(range(2, maps.dim())), keepdim=True)
    heat = torch.relu((weights * maps.detach()).sum(1, keepdim=True))
    if maps.dim() < image.dim():  # of each slice that is there
        return nn.functional.interpolate(heat, image.shape[3:], mode="bilinear", align_corners=False)[:, 0].numpy()
    mode = "bilinear" if maps.dim() == 4 else "trilinear"
    return middle(nn.functional.interpolate(heat, image.shape[2:], mode=mode, align_corners=False), slices).numpy()


def integrated_gradients(module, metadata, name, image, slices):
    body, head = twin_of(module, metadata, name)
    total = torch.zeros_like(image)
    for step in range(INTEGRATION_STEPS):
        place = ((step + 0.5) / INTEGRATION_STEPS * image).requires_grad_(True)
        head(body(place))[0, K].backward()
        total += place.grad
    return torch.relu(middle(image * total / INTEGRATION_STEPS, slices)).numpy()


def occlusion(module, metadata, pixels, lungs):
    def probability(slices):
        with torch.no_grad():
            logits = module(image_of(slices, metadata))
        return torch.softmax(logits.double() / metadata["temperature"], 1)[0, K].item()

    whole, inside = probability(pixels), lungs == 1
    fill = np.uint16(np.rint(pixels[inside].mean()))
    loss, count = np.zeros(pixels.shape), np.zeros(pixels.shape)
    side = pixels.shape[1]
    begins = sorted({*range(0, side - PATCH, STEP), side - PATCH})
    for place, row, column in itertools.product(range(len(pixels)), begins, begins):
        square = np.s_[place, row:row + PATCH, column:column + PATCH]
        covered = pixels.copy()
        covered[square][inside[square]] = fill
        loss[square] += whole - probability(covered)
        count[square] += 1
    return np.maximum(loss / count, 0.0)


def check(folder, path):
    module, metadata, _ = load(path)
    size = metadata["spec"]["size_px"]
    pixels = np.fromfile(folder / "image.u16", np.uint16).reshape(-1, size, size)
    lungs = np.fromfile(folder / "lungs.u8", np.uint8).reshape(pixels.shape)
    image = image_of(pixels, metadata)
    expected = {"grad_cam": grad_cam(module, metadata, path.name, image, len(pixels)),
                "integrated_gradients": integrated_gradients(module, metadata, path.name, image, len(pixels)),
                "occlusion": occlusion(module, metadata, pixels, lungs)}
    failed = False
    for name, twin in expected.items():
        ours = np.fromfile(folder / f"{name}.f32", np.float32).reshape(pixels.shape)
        difference = np.abs(ours - twin).max() / twin.max()
        print(f"{name}: largest difference {difference:.2e} of {twin.max():.2e}")
        deep = metadata["row"] == "slice_attention" and name != "grad_cam"
        failed |= not difference <= (DEEP_TOLERANCE if deep else TOLERANCE) or not twin.max() > 0
    sys.exit(failed)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        check(Path(sys.argv[2]), Path(sys.argv[3]))
