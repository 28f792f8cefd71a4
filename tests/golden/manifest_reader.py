"""Reads a manifest with PyYAML, from docs/formats.md alone, and prints what tests/core/store/manifest_test.cpp expects."""

import hashlib
import sys

import yaml

SPLITS = ("train", "validation", "test")

with open(sys.argv[1], encoding="utf-8") as file:
    manifest = yaml.safe_load(file)

lines = [f"class {name}" for name in manifest["class_names"]] + [f"spec {manifest['spec_sha256']}"]
lines += [f"{split} {shard['sha256']}" for split in SPLITS for shard in manifest["splits"][split]["shards"]]
digest = hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()
assert digest == manifest["data_digest"], "data_digest is not what docs/formats.md says"

spec = manifest["spec"]
print("digest", digest)
print("classes", manifest["class_names"], "positive", manifest["positive_class"])
print("patients", *(manifest["splits"][split]["patients"] for split in SPLITS))
print("provenance", manifest["provenance"])
print("seed", manifest["seed"], "phantom", manifest["phantom"], "threshold", spec["threshold"], "sigma",
      spec["gaussian_sigma_px"], "crop", spec["crop_px"], "mask", spec["mask"])
