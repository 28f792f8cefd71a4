"""Prints the probabilities that a bundle gives for one image of a fixed pattern, one a line: model_version1.py BUNDLE.

Pixel i of the image is ((i * 2654435761) mod 2^32) >> 16. The committed golden file was printed by this script.
"""
import json
import sys

import numpy as np
import torch

extra = {"pulmo.json": ""}
module = torch.jit.load(sys.argv[1], _extra_files=extra).eval()
metadata = json.loads(extra["pulmo.json"])
side, channels = metadata["spec"]["size_px"], metadata["channels"]
count = channels * side * side
pixels = ((np.arange(count, dtype=np.uint64) * 2654435761) % 2**32) >> 16
image = torch.from_numpy((pixels / 65535.0).astype(np.float32)).reshape(1, channels, side, side)
for p in torch.softmax(module(image).detach().double() / metadata["temperature"], 1)[0]:
    print(f"{p.item():.9f}")
