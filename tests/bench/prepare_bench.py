"""pulmo-prepare against a pydicom + SciPy + scikit-image pipeline doing the same steps on the same files and cores.

    prepare_bench.py --program build/release/bin/pulmo-prepare [--patients 48] [--repeat 5] [--data ../shared/data]

Draws a phantom archive of full-size slices (kept in --work for the next time), then runs both pipelines on it, and on
LIDC-IDRI-0001 where --data has it, in turns. Checks that both made the same samples and prints a Markdown table.
Python: Debian's own, which has the packages (/usr/bin/python3).
"""
import argparse
import collections
import datetime
import multiprocessing
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
Workload = collections.namedtuple("Workload", "name images annotations every_normal")
Run = collections.namedtuple("Run", "wall_s cpu_s peak_mib")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, required=True)
    parser.add_argument("--patients", type=int, default=48, help="of the phantom archive, about 43 slices each")
    parser.add_argument("--slices", type=int, default=0, help="of each phantom patient; 0: as the scanner spaces them")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--data", type=pathlib.Path, help="folder with lidc-idri-0001.zip and lidc-xml.zip")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "pulmo-prepare-bench")
    parser.add_argument("--only", choices=["pulmo-prepare"], help="run this pipeline alone, to profile it")
    return parser.parse_args()


def workloads(options):
    archive = options.work / f"phantom-{options.patients}-{options.slices}"
    if not (archive / "truth.csv").exists():
        subprocess.run([options.program, "phantom", "--patients", str(options.patients), "--slices", str(options.slices),
                        "--output", archive], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    images, annotations = archive / "images", archive / "annotations"
    yield Workload("phantom, every normal slice", images, annotations, True)
    yield Workload("phantom, matched normal slices", images, annotations, False)
    if options.data:
        yield Workload("LIDC-IDRI-0001, every normal slice", options.data / "lidc-idri-0001.zip", options.data / "lidc-xml.zip", True)


def commands(options, workload, output):
    ours = [options.program, "lidc", "--input", workload.images, "--annotations", workload.annotations, "--output", output,
            "--threads", options.cores, "--set", "split.mode=none"]
    theirs = [sys.executable, HERE / "reference_prepare.py", "--input", workload.images, "--annotations", workload.annotations,
              "--output", output, "--processes", options.cores]
    if workload.every_normal:
        ours += ["--set", "labels.normals_per_malignant=1000"]
        theirs += ["--every-normal"]
    return {"pulmo-prepare": [str(part) for part in ours], "reference": [str(part) for part in theirs]}


def run(command):
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    message = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{command} failed:\n{message}")
    return Run(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def read_samples(folder):
    samples = {}
    for path in sorted(folder.glob("*.h5")):
        with h5py.File(path) as shard:
            for i, instance in enumerate(shard["instances"].asstr()):
                samples[instance] = (int(shard["labels"][i]), shard["images"][i, 0], shard["lungs"][i] > 0)
    return samples


def count_samples(folder):
    return len(read_samples(folder))


def compare(folders, every_normal):
    """The number of our samples, and how alike both pipelines' are: they must have done the same work."""
    ours, theirs = (read_samples(folders[name]) for name in ("pulmo-prepare", "reference"))
    both = sorted(set(ours) & set(theirs))
    if not both:
        raise RuntimeError(f"nothing to compare: {len(ours)} and {len(theirs)} samples, none in both")
    if every_normal and len(both) < 0.99 * max(len(ours), len(theirs)):
        raise RuntimeError(f"not the same samples: {len(ours)} and {len(theirs)}, {len(both)} of them in both")
    if any(ours[key][0] != theirs[key][0] for key in both):
        raise RuntimeError("not the same labels")
    difference = np.mean([np.abs(ours[key][1].astype(float) - theirs[key][1]).mean() / 65535 for key in both])
    dice = np.mean([2 * (ours[key][2] & theirs[key][2]).sum() / (ours[key][2].sum() + theirs[key][2].sum()) for key in both])
    if difference > 1 / 255 or dice < 0.98:
        raise RuntimeError(f"not the same images: mean difference {difference}, mean Dice {dice}")
    return len(ours), f"{len(both)} samples in both, mean difference {difference:.1e}, mean Dice {dice:.4f}"


def measure(options, workload, folder):
    """Name -> runs, the samples of ours, and how alike the two are."""
    runs, folders, names = collections.defaultdict(list), {}, ["pulmo-prepare"] if options.only else ["pulmo-prepare", "reference"]
    for turn in range(options.repeat):
        for name in names if turn % 2 == 0 else names[::-1]:
            folders[name] = folder / name
            shutil.rmtree(folders[name], ignore_errors=True)
            runs[name].append(run(commands(options, workload, folders[name])[name]))
    if options.only:
        with multiprocessing.Pool(1) as pool:
            return runs, pool.apply(count_samples, (folders["pulmo-prepare"],)), "not compared"
    with multiprocessing.Pool(1) as pool:  # what this process holds would count as the next program's peak memory
        return runs, *pool.apply(compare, (folders, workload.every_normal))


def count_slices(path):
    if path.is_dir():
        return sum(1 for _ in path.rglob("*.dcm"))
    listing = subprocess.run(["unzip", "-Z1", path], check=True, capture_output=True, text=True).stdout
    return sum(line.endswith(".dcm") for line in listing.splitlines())


def describe_machine(options):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "")
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    load = os.getloadavg()[0]
    return (f"{datetime.date.today()}, commit {commit}, {model}, {options.cores} cores, {platform.platform()}, "
            f"load average before the run {load:.1f}")


def row(workload, runs, samples, slices):
    median = {name: Run(*(statistics.median(getattr(one, field) for one in several) for field in Run._fields))
              for name, several in runs.items()}
    ours = median["pulmo-prepare"]
    cells = [workload.name, f"{slices}", f"{samples}", f"{samples / ours.wall_s:.0f}"]
    if "reference" in median:
        theirs = median["reference"]
        ratios = sorted(b.wall_s / a.wall_s for a, b in zip(runs["pulmo-prepare"], runs["reference"]))
        cells += [f"{samples / theirs.wall_s:.1f}", f"**{statistics.median(ratios):.1f}** ({ratios[0]:.1f} to {ratios[-1]:.1f})",
                  f"{theirs.cpu_s / ours.cpu_s:.1f}", f"{ours.peak_mib:.0f} / {theirs.peak_mib:.0f}"]
    else:
        cells += ["", "", "", f"{ours.peak_mib:.0f}"]
    return "| " + " | ".join(cells) + " |"


def main():
    options = parse_arguments()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.cores])
    options.work.mkdir(parents=True, exist_ok=True)
    print(describe_machine(options))
    print(f"`{' '.join(['prepare_bench.py', *sys.argv[1:]])}`\n")
    print("| input | slices | samples | pulmo-prepare, samples/s | reference, samples/s | wall time, reference / ours: median (range) "
          "| CPU time, reference / ours | peak MiB of a process, ours / reference |\n|---|---|---|---|---|---|---|---|")
    notes = []
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        for workload in workloads(options):
            runs, samples, alike = measure(options, workload, pathlib.Path(folder))
            print(row(workload, runs, samples, count_slices(workload.images)), flush=True)
            notes.append(f"{workload.name}: {alike}")
    print("\n" + "\n".join(notes))


if __name__ == "__main__":
    main()
