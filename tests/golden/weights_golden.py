"""Writes weight files with Python, and what is in them: weights_golden.py write FOLDER, or weights_golden.py tell FILE.

`tell` prints of a safetensors file, and `write` prints of each file that it writes, one line a tensor:
file name, tensor name, type, shape as 2x3, sum, first and last value.
"""
import argparse
import json
import struct
import sys
from collections import OrderedDict
from pathlib import Path

import torch

NAMES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
         torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}


def raw(tensor):
    plain = tensor.contiguous()
    return (plain.view(torch.int16) if plain.dtype == torch.bfloat16 else plain).numpy().tobytes()


def save_safetensors(path, tensors):
    header, data = {"__metadata__": {"source": "golden"}}, b""
    for name, tensor in tensors.items():
        blob = raw(tensor)
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(blob)]}
        data += blob
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def load_safetensors(path):
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    types = {name: dtype for dtype, name in NAMES.items()}
    out = {}
    for name, entry in json.loads(content[8:8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            out[name] = torch.frombuffer(bytearray(content[begin:end]), dtype=types[entry["dtype"]]).reshape(entry["shape"])
    return out


def tell(file, tensors):
    for name, tensor in sorted(tensors.items()):
        flat = tensor.detach().double().flatten()
        shape = "x".join(map(str, tensor.shape)) or "scalar"
        ends = (flat[0], flat[-1]) if len(flat) else (0, 0)
        print(file, name, NAMES[tensor.dtype], shape, *(f"{float(x):.17g}" for x in (flat.sum(), *ends)), sep="\t")


def write(folder):
    torch.manual_seed(3)
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Linear(4, 5))
    torch.save(network.state_dict(), folder / "state_dict.pth")
    tell("state_dict.pth", network.state_dict())

    base = torch.arange(24.0).reshape(4, 6)
    mixed = {"turned": base.t(), "part": base[1:3, 2:5], "same storage": base[3], "empty": torch.zeros(0, 3),
             "scalar": torch.tensor(2.5), "half": torch.rand(7).half(), "brain": torch.rand(5).bfloat16(),
             "long": torch.tensor([-(2**40), 2**40]), "int": torch.tensor([1, -2], dtype=torch.int32),
             "bytes": torch.tensor([0, 255], dtype=torch.uint8), "flags": torch.tensor([True, False, True])}
    checkpoint = {"epoch": 300, "loss": 0.25, "when": 2**70, "negative": -7, "names": ["a", None, (1, 2, 3, 4)],
                  "options": argparse.Namespace(width=3, table={"x": 1}), "state_dict": OrderedDict(mixed)}
    torch.save(checkpoint, folder / "checkpoint.pth")
    tell("checkpoint.pth", mixed)
    torch.save({"weight": torch.nn.Parameter(base)}, folder / "parameter.pth", pickle_protocol=4)
    tell("parameter.pth", {"weight": base})

    save_safetensors(folder / "mixed.safetensors", mixed)
    tell("mixed.safetensors", mixed)

    torch.save(network.state_dict(), folder / "legacy.bad", _use_new_zipfile_serialization=False)
    torch.save([1, 2, 3], folder / "list.bad")
    torch.save({"epoch": 1}, folder / "empty.bad")


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]))
    else:
        tell("file", load_safetensors(Path(sys.argv[2])))
