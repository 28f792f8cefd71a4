"""From a phantom archive to a served prediction, through the three programs as a user runs them.

A second implementation checks what comes out: PyTorch runs the bundle, h5py reads the shards, and every served
probability must equal the one in predictions.csv and the one PyTorch gives.
"""

import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

import h5py
import numpy as np
import torch
import yaml

BIN = pathlib.Path(os.environ["PULMO_BIN_DIR"])
CONFIGS = pathlib.Path(os.environ["PULMO_SOURCE_DIR"]) / "configs"
SIZE = 64  # pixels a side: small enough to train in seconds


def run(*command, expect=0):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=500)
    if done.returncode != expect:
        raise AssertionError(f"{command}: exit {done.returncode}, expected {expect}\n{done.stdout}\n{done.stderr}")
    return done


class Server:
    def __init__(self, bundle):
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [BIN / "pulmo-serve", "--bundle", bundle, "--config", CONFIGS / "serve.yaml", "--port", "0"],
            stdout=self.log, stderr=subprocess.STDOUT)
        self.address = None
        deadline = time.monotonic() + 60
        while self.address is None:
            self.log.seek(0)
            found = re.search(r"address=(http://\S+)", self.log.read())
            self.address = found.group(1) if found else None
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                raise AssertionError("the server did not start:\n" + self.log.read())
            time.sleep(0.05)

    def post(self, body, content_type, path="/v1/predict"):
        request = urllib.request.Request(self.address + path, body, {"Content-Type": content_type})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def get(self, path):
        with urllib.request.urlopen(self.address + path, timeout=60) as reply:
            return reply.status, reply.read().decode()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


class FirstLight(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="pulmo-e2e-")
        root = pathlib.Path(cls.folder.name)
        cls.archive, cls.data, cls.run_dir = root / "archive", root / "data", root / "run"
        run(BIN / "pulmo-prepare", "phantom", "--output", cls.archive, "--patients", 18, "--slices",
            30, "--seed", 3)
        cls.prepared = run(BIN / "pulmo-prepare", "lidc", "--input", cls.archive / "images", "--annotations",
                           cls.archive / "annotations", "--config", CONFIGS / "prepare.yaml", "--set",
                           f"preprocess.size_px={SIZE}", "--set", "split.validation_fraction=0.25", "--output", cls.data)
        cls.trained = run("mpirun", "-n", 2, BIN / "pulmo-train", "fit", "--config", CONFIGS / "train/proposed_cnn.yaml",
                          "--set", "training.epochs=2", "--set", "training.precision=fp32", "--data", cls.data,
                          "--output", cls.run_dir)
        cls.server = Server(cls.run_dir / "bundle.pt")

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        cls.folder.cleanup()
        if code != 0:
            raise AssertionError(f"the server ended with {code} after SIGTERM")

    def predictions(self, split):
        with open(self.run_dir / "predictions.csv", newline="") as file:
            return [row for row in csv.DictReader(file) if row["split"] == split]

    def slice_file(self, row):
        for path in sorted((self.archive / "images" / row["patient"]).rglob("*.dcm")):
            if row["instance"].encode() in path.read_bytes():
                return path
        raise AssertionError("no DICOM file holds the instance of a prediction")

    def test_no_patient_is_in_two_parts(self):
        manifest = yaml.safe_load((self.data / "manifest.yaml").read_text())
        patients = [set(manifest["splits"][part]["patients"]) for part in ("train", "validation", "test")]
        self.assertTrue(all(patients))
        self.assertFalse(patients[0] & patients[1] or patients[0] & patients[2] or patients[1] & patients[2])

    def test_verify_finds_no_problem_and_a_flipped_byte_is_found(self):
        run(BIN / "pulmo-prepare", "verify", self.data)
        shard = sorted(self.data.glob("train-*.h5"))[0]
        original = shard.read_bytes()
        with h5py.File(shard) as file:
            offset = file["images"].id.get_chunk_info(0).byte_offset
        broken = bytearray(original)
        broken[offset + 100] ^= 0x40
        try:
            shard.write_bytes(broken)
            failed = run(BIN / "pulmo-prepare", "verify", self.data, expect=1)
            self.assertIn(shard.name, failed.stdout + failed.stderr)
        finally:
            shard.write_bytes(original)

    def test_served_probability_equals_evaluation_and_pytorch(self):
        bundle_extra = {"pulmo.json": ""}
        module = torch.jit.load(str(self.run_dir / "bundle.pt"), _extra_files=bundle_extra)
        metadata = json.loads(bundle_extra["pulmo.json"])
        images = {}
        for shard in sorted(self.data.glob("test-*.h5")):
            with h5py.File(shard) as file:
                for name, image in zip(file["instances"].asstr(), file["images"]):
                    images[name] = image.astype(np.float32) / 65535
        rows = self.predictions("test")[::7][:6]
        self.assertTrue(rows)
        for row in rows:
            status, answer = self.server.post(self.slice_file(row).read_bytes(), "application/dicom")
            self.assertEqual(status, 200, answer)
            with torch.no_grad():
                logits = module(torch.from_numpy(images[row["instance"]])[None]) / metadata["temperature"]
            twin = torch.softmax(logits.double(), 1)[0].tolist()
            for name, expected in zip(metadata["classes"], twin):
                served = answer["results"][0]["probabilities"][name]
                self.assertAlmostEqual(served, expected, delta=1e-5)
                self.assertAlmostEqual(served, float(row[f"p_{name}"]), delta=1e-6)

    def test_answer_says_what_it_is(self):
        row = self.predictions("test")[0]
        _, answer = self.server.post(self.slice_file(row).read_bytes(), "application/dicom")
        self.assertEqual(set(answer), {"request_id", "model", "results", "notice"})
        result = answer["results"][0]
        for key in ("name", "kind", "class", "probabilities", "threshold", "lung_fraction", "warnings", "timings_ms"):
            self.assertIn(key, result)
        self.assertEqual(result["kind"], "hounsfield")
        self.assertIn("never a diagnosis", answer["notice"])
        self.assertNotIn(row["patient"], json.dumps(answer))

    def test_bad_uploads_get_the_right_status(self):
        dicom = self.slice_file(self.predictions("test")[0]).read_bytes()
        for body, kind, expected in ((dicom[: len(dicom) // 2], "application/dicom", 422),
                                     (b"not an image at all", "image/png", 422),
                                     (dicom, "text/plain", 415)):
            status, answer = self.server.post(body, kind)
            self.assertEqual(status, expected, answer)
            self.assertEqual(set(answer["error"]), {"code", "message", "request_id"})

    def test_health_and_metrics(self):
        self.assertEqual(self.server.get("/v2/health/ready")[0], 200)
        self.assertIn("pulmo_", self.server.get("/metrics")[1])

    def test_run_folder_is_complete(self):
        for name in ("config.yaml", "log.jsonl", "checkpoints", "bundle.pt", "metrics.json", "predictions.csv"):
            self.assertTrue((self.run_dir / name).exists(), name)
        metrics = json.loads((self.run_dir / "metrics.json").read_text())
        self.assertIn("roc_auc", json.dumps(metrics))

    def test_nothing_half_written_is_left(self):
        leftovers = [path for path in pathlib.Path(self.folder.name).rglob("*.tmp-*")]
        self.assertEqual(leftovers, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
