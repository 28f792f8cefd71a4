"""Writes shards with h5py, from docs/formats.md alone: shard_writer.py FOLDER VARIANT... makes FOLDER/VARIANT.h5.

The content follows the formula of tests/core/store/example_shard.h: slices (1,6,5), 4 samples, both masks. Each variant
changes one thing: another way to store the same, or a fault for which the shard is refused.
"""

import hashlib
import json
import sys

import h5py
import numpy as np

SAMPLES, ROWS, COLUMNS = 4, 6, 5
SPEC = {"made_by": "another program"}
TEXT = h5py.string_dtype("utf-8")


def content():
    index = np.arange(SAMPLES)[:, None]
    element = np.arange(ROWS * COLUMNS)[None, :]
    half = [i // 2 for i in range(SAMPLES)]
    return {
        "images": ((index * 7919 + element * 104729 + 13) % 65536).astype("<u2").reshape(SAMPLES, 1, ROWS, COLUMNS),
        "lungs": ((element + index) % 2).astype("u1").reshape(SAMPLES, ROWS, COLUMNS),
        "nodules": ((element + index) % 5).astype("u1").reshape(SAMPLES, ROWS, COLUMNS),
        "labels": (np.arange(SAMPLES) % 3).astype("u1"),
        "position_mm": -2.5 * np.arange(SAMPLES) + 0.125,
        "patients": np.array([f"Påtient-{h}" for h in half], dtype=object),
        "series": np.array([f"1.2.{h}" for h in half], dtype=object),
        "groups": np.array([f"g/{h}" for h in half], dtype=object),
        "instances": np.array([f"1.2.3.{i}" for i in range(SAMPLES)], dtype=object),
    }


def attributes():
    spec = json.dumps(SPEC)
    return {
        "format_version": 1,
        "class_names": ["normal", "benign", "malignant"],
        "spec": spec,
        "spec_sha256": hashlib.sha256(spec.encode()).hexdigest(),
        "task": "slice",
        "pulmo_version": "0.0.0",
    }


def vary(variant, data, attrs):
    if variant.startswith("missing_attribute_"):
        del attrs[variant.removeprefix("missing_attribute_")]
    elif variant.startswith("missing_"):
        del data[variant.removeprefix("missing_")]
    elif variant in VARIANTS:
        VARIANTS[variant](data, attrs)
    else:
        raise SystemExit(f"unknown variant {variant}")


def set_label(data, _):
    data["labels"][2] = 3


def fix_string_length(data, _):
    for name in ("patients", "series", "groups", "instances"):
        data[name] = np.array([text.encode() for text in data[name]])


VARIANTS = {
    # the same content
    "plain": lambda data, attrs: None,
    "big_endian": lambda data, attrs: data.update(images=data["images"].astype(">u2")),
    "fixed_length_strings": fix_string_length,
    # faults
    "newer_version": lambda data, attrs: attrs.update(format_version=2),
    "version_is_text": lambda data, attrs: attrs.update(format_version="one"),
    "label_out_of_range": set_label,
    "labels_int64": lambda data, attrs: data.update(labels=data["labels"].astype("i8")),
    "images_float": lambda data, attrs: data.update(images=(data["images"] / 65535).astype("f4")),
    "images_3d": lambda data, attrs: data.update(images=data["images"][:, 0]),
    "short_labels": lambda data, attrs: data.update(labels=data["labels"][:-1]),
    "lungs_other_size": lambda data, attrs: data.update(lungs=data["lungs"][:, :-1]),
    "positions_two_columns": lambda data, attrs: data.update(position_mm=np.stack([data["position_mm"]] * 2, axis=1)),
    "patients_numbers": lambda data, attrs: data.update(patients=np.arange(SAMPLES)),
    "spec_digest": lambda data, attrs: attrs.update(spec_sha256="0" * 64),
    "one_class_name_twice": lambda data, attrs: attrs.update(class_names=["normal", "malignant", "malignant"]),
}


def write(path, variant):
    data, attrs = content(), attributes()
    vary(variant, data, attrs)
    with h5py.File(path, "w") as file:
        file.attrs.update(attrs)
        for name, values in data.items():
            chunks = (1,) + values.shape[1:] if values.ndim > 1 else None
            dtype = TEXT if values.dtype == object else values.dtype
            file.create_dataset(name, data=values, dtype=dtype, chunks=chunks, fletcher32=chunks is not None)


if __name__ == "__main__":
    for name in sys.argv[2:]:
        write(f"{sys.argv[1]}/{name}.h5", name)
