"""The slice task of `pulmo-prepare lidc` with pydicom, SciPy, scikit-image and h5py on a pool of processes.

    reference_prepare.py --input PATH --annotations PATH --output DIR --processes N [--every-normal]

What a competent engineer would write without pulmo, to measure pulmo-prepare against: the same steps, the same samples.
"""
import argparse
import collections
import hashlib
import json
import multiprocessing
import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # one process a core
    os.environ[variable] = "1"

import h5py
import numpy as np

import reference_lidc as lidc
from reference_preprocess import NoLung, preprocess, preprocess_votes

MARGIN_MM = 5.0
SHARD_SAMPLES = 512
BINS = 20

Job = collections.namedtuple("Job", "label slice nodules")


def read_catalogue(pool, path):
    """Series UID -> slices, from the feet upwards."""
    series = collections.defaultdict(list)
    for item in pool.imap_unordered(lidc.read_header, lidc.list_files(path, ".dcm"), chunksize=64):
        if item is not None:
            series[item.series].append(item)
    return {uid: sorted(slices, key=lambda item: item.position) for uid, slices in series.items()}


def read_readings(pool, path):
    readings = pool.imap_unordered(lidc.read_reading, lidc.list_files(path, ".xml"), chunksize=8)
    return {reading[0]: reading[1:] for reading in readings if reading is not None}


def jobs_of_series(arguments):
    """(malignant jobs, possible normals) of one series, each with its height in the chest."""
    slices, marks, marked = arguments
    nodules = lidc.cluster(marks, slices[0].thickness, slices[0].spacing)
    low, high = slices[0].position, slices[-1].position
    marked = np.array(sorted(marked)) if marked else np.array([np.inf])
    malignant, normal = [], []
    for item in slices:
        height = (item.position - low) / (high - low)
        here = [nodule for nodule in nodules if any(abs(z - item.position) < 0.01 for mark in nodule for z, _, _ in mark.contours)]
        if any(is_malignant(nodule, item) for nodule in here):
            malignant.append((height, Job(1, item, here)))
        elif not here and np.abs(marked - item.position).min() > MARGIN_MM:
            normal.append((height, Job(0, item, [])))
    return malignant, normal


def is_malignant(nodule, item):
    if np.median([mark.malignancy for mark in nodule]) <= 3:
        return False
    readers = len({mark.reader for mark in nodule})
    return (2 * lidc.votes_on(nodule, contour_height(nodule, item), item.shape) >= readers).any()


def contour_height(nodule, item):
    return min((z for mark in nodule for z, _, _ in mark.contours), key=lambda z: abs(z - item.position))


def plan(pool, series, readings, every_normal):
    """The jobs in the order of patients and heights, normals matched to the malignant slices' heights."""
    work = [(slices, *readings[uid]) for uid, slices in series.items() if uid in readings]
    malignant, normal = [], []
    for found, possible in pool.imap(jobs_of_series, work, chunksize=4):
        malignant += found
        normal += possible
    if not every_normal:
        normal = match(malignant, normal)
    jobs = [job for _, job in malignant + normal]
    return sorted(jobs, key=lambda job: (job.slice.patient, job.slice.series, job.slice.position))


def match(malignant, normal):
    """As many normals as malignant slices from each bin of height."""
    random = np.random.default_rng(1)
    wanted = np.bincount([min(int(height * BINS), BINS - 1) for height, _ in malignant], minlength=BINS)
    chosen = []
    for index in range(BINS):
        here = [pick for pick in normal if min(int(pick[0] * BINS), BINS - 1) == index]
        random.shuffle(here)
        chosen += here[:wanted[index]]
    return chosen


def make_sample(job):
    try:
        image, lungs = preprocess(lidc.read_pixels(job.slice.name))
    except NoLung:
        return None
    votes = np.zeros(job.slice.shape, np.uint8)
    for nodule in job.nodules:
        votes = np.maximum(votes, lidc.votes_on(nodule, contour_height(nodule, job.slice), job.slice.shape))
    return job.label, job.slice, image, lungs, preprocess_votes(votes)


def write_shard(path, samples):
    labels, slices, images, lungs, nodules = zip(*samples)
    with h5py.File(path, "w") as file:
        for name, values in (("images", np.stack(images)[:, None]), ("lungs", np.stack(lungs)), ("nodules", np.stack(nodules))):
            file.create_dataset(name, data=values, chunks=(1, *values.shape[1:]), fletcher32=True)
        file["labels"] = np.array(labels, np.uint8)
        file["position_mm"] = [item.position for item in slices]
        for name, key in (("patients", "patient"), ("series", "series"), ("groups", "series"), ("instances", "uid")):
            file[name] = [getattr(item, key) for item in slices]
    with open(path, "rb") as file:
        return {"file": os.path.basename(path), "samples": len(samples), "sha256": hashlib.sha256(file.read()).hexdigest()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--input", required=True)
    parser.add_argument("--annotations", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--every-normal", action="store_true")
    options = parser.parse_args()
    os.makedirs(options.output)
    with multiprocessing.Pool(options.processes) as pool:
        jobs = plan(pool, read_catalogue(pool, options.input), read_readings(pool, options.annotations), options.every_normal)
        shards, waiting = [], []
        for sample in pool.imap(make_sample, jobs, chunksize=4):
            waiting += [sample] if sample is not None else []
            if len(waiting) == SHARD_SAMPLES:
                shards.append(write_shard(f"{options.output}/test-{len(shards):05d}.h5", waiting))
                waiting = []
        if waiting:
            shards.append(write_shard(f"{options.output}/test-{len(shards):05d}.h5", waiting))
    with open(os.path.join(options.output, "manifest.json"), "w", encoding="utf-8") as file:
        json.dump({"shards": shards, "jobs": len(jobs)}, file)


if __name__ == "__main__":
    main()
