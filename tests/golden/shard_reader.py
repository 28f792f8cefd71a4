"""Reads a shard with h5py, from docs/formats.md alone, and prints what it found as JSON: shard_reader.py FILE."""

import hashlib
import json
import sys

import h5py
import numpy as np


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def describe(data):
    return {"shape": data.shape, "dtype": data.dtype.str, "chunks": data.chunks, "fletcher32": data.fletcher32,
            "compression": data.compression, "shuffle": data.shuffle}


def main():
    found = {"datasets": {}, "attributes": {}, "columns": {}, "digests": {}}
    with h5py.File(sys.argv[1], "r") as file:
        for name, value in file.attrs.items():
            found["attributes"][name] = [text(v) for v in value] if isinstance(value, np.ndarray) else (
                int(value) if isinstance(value, np.integer) else text(value))
        for name, data in file.items():
            if h5py.check_string_dtype(data.dtype):
                found["columns"][name] = [text(value) for value in data[()]]
                continue
            found["datasets"][name] = describe(data)
            if data.ndim == 1:
                found["columns"][name] = data[()].tolist()
            else:
                found["digests"][name] = [hashlib.sha256(sample.astype("<" + data.dtype.str[1:]).tobytes()).hexdigest()
                                          for sample in data]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
