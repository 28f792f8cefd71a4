#!/usr/bin/env python3
"""clang-tidy over the sources of a build: scripts/tidy.py [--build build/release] [--since REV] [FILE ...]

Without files all sources of the build, with --since those that differ from REV. Two at a time; some ten seconds a file.
GCC's precompiled headers mean nothing to clang: each is replaced by its text. Exit code 1 where there are findings.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOR_GCC_ALONE = ("-Winvalid-pch", "-Wvector-operation-performance")
NOT_OURS = ("clang-diagnostic-unknown-warning-option", "invalid cpu feature string")  # a newer processor's


def for_clang(entry, headers):
    words = [word for word in entry["command"].split() if word not in FOR_GCC_ALONE]
    words = words[next(i for i, word in enumerate(words) if word.endswith(("c++", "g++", "cc", "gcc"))):]
    for i, word in enumerate(words):
        if word.endswith("cmake_pch.hxx"):
            copy = headers / (word.replace("/", "_"))
            if not copy.exists():
                shutil.copy(word, copy)
            words[i] = str(copy)
    return {**entry, "command": " ".join(words)}


def changed_since(revision):
    names = subprocess.run(["git", "diff", "--name-only", revision], cwd=ROOT, text=True, capture_output=True, check=True)
    return {ROOT / name for name in names.stdout.split()}


def findings(database, source):
    done = subprocess.run(["clang-tidy", "-p", database, "--quiet", source], text=True, capture_output=True)
    lines = [line for line in done.stdout.splitlines() if "error:" in line or "warning:" in line]
    ours = [line for line in lines if line.startswith(str(ROOT)) and not any(text in line for text in NOT_OURS)]
    return ours, any(not line.startswith(str(ROOT)) and "clang-diagnostic-error" in line for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--since", metavar="REV")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    options = parser.parse_args()
    entries = json.loads((options.build / "compile_commands.json").read_text())
    wanted = {file.resolve() for file in options.files} or (changed_since(options.since) if options.since else None)
    sources = {pathlib.Path(entry["file"]) for entry in entries}
    if wanted is not None:
        sources &= wanted
    found, stumbled = set(), 0
    with tempfile.TemporaryDirectory() as folder:
        headers = pathlib.Path(folder)
        (headers / "compile_commands.json").write_text(json.dumps([for_clang(entry, headers) for entry in entries]))
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            for ours, broken in pool.map(lambda source: findings(folder, source), sorted(sources)):
                for line in ours:
                    if line not in found:
                        print(line, flush=True)
                found.update(ours)
                stumbled += broken
    print(f"{len(sources)} sources, {len(found)} findings; in {stumbled} clang stumbled over others' headers, LibTorch's "
          "for the most part, and may have missed some", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
