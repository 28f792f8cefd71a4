"""Counts a prepared folder with h5py and PyYAML, from docs/formats.md alone: shard_counts.py DIR prints JSON."""

import json
import os
import sys

import h5py
import yaml

directory = sys.argv[1]
with open(os.path.join(directory, "manifest.yaml"), encoding="utf-8") as file:
    manifest = yaml.safe_load(file)
names = manifest["class_names"]


def read_rows(shards):
    rows, size = [], 0
    for shard in shards:
        path = os.path.join(directory, shard["file"])
        size += os.path.getsize(path)
        with h5py.File(path, "r") as data:
            columns = [data[name].asstr()[()] for name in ("patients", "series", "groups")]
            rows += list(zip(data["labels"][()], *columns))
    return rows, size


def tally(rows):
    return {"samples": len(rows), "patients": len({row[1] for row in rows}), "series": len({row[2] for row in rows}),
            "groups": len({row[3] for row in rows})}


def summary(rows, size):
    classes = {name: tally([row for row in rows if row[0] == k]) for k, name in enumerate(names)}
    return tally(rows) | {"bytes": size, "classes": classes}


found = {key: manifest[key] for key in ("task", "source", "phantom", "class_names", "positive_class", "shape", "seed",
                                        "data_digest", "spec", "spec_sha256", "provenance")}
found["splits"], everything, total_size = {}, [], 0
for split in ("train", "validation", "test"):
    listed = manifest["splits"][split]["shards"]
    split_rows, split_size = read_rows(listed)
    everything += split_rows
    total_size += split_size
    found["splits"][split] = summary(split_rows, split_size) | {"shards": listed}
found["total"] = summary(everything, total_size)
print(json.dumps(found))
