"""A real Prometheus beside a real server under load, a real training and a push gateway: every expression of every rule and
every panel returns data, and alerts fire when the fault is made for real. The tests are steps of one story, in order.
"""

import csv
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np
import torch

import expressions

sys.path.insert(0, str(expressions.SOURCE / "tests/serving"))
import sample_images  # noqa: E402
from monitored import BIN, CONFIGS, Gateway, Load, Prometheus, Trainer, free_port, post, wait_for  # noqa: E402
from server_process import Server  # noqa: E402

SIZE_PX = 64
SERVER_ALERTS = {rule["alert"] for path, rule in expressions.alerts() if path.stem == "serve"}


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")


def shares(distribution, values):
    """Of the values in the distribution's bins, at least 1e-4 each."""
    counts = np.bincount(np.searchsorted(distribution["edges"], values), minlength=len(distribution["counts"]))
    return np.maximum(counts / counts.sum(), 1e-4)


def stability_index(distribution, values):
    p = np.maximum(np.array(distribution["counts"]) / np.sum(distribution["counts"]), 1e-4)
    q = shares(distribution, values)
    return np.sum((q - p) * np.log(q / p))


class Live(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="pulmo-monitoring-")
        cls.addClassCleanup(cls.folder.cleanup)
        root = pathlib.Path(cls.folder.name)
        cls.make_model(root)
        cls.prometheus = cls.started(Prometheus(root))
        cls.gateway = cls.started(Gateway(root))
        cls.learn_outlines(root)
        cls.start_server()
        cls.trainer_port = free_port()
        cls.trainer = cls.started(Trainer(cls.data, root / "long", "training.epochs=100000", port=cls.trainer_port,
                                          gateway=cls.gateway.port))
        for kind, port in (("servers", cls.server.port), ("trainers", cls.trainer_port), ("gateways", cls.gateway.port)):
            cls.prometheus.watch(kind, port)

    @classmethod
    def started(cls, program):
        cls.addClassCleanup(program.end)
        return program

    @classmethod
    def make_model(cls, root):
        cls.archive, cls.data = root / "archive", root / "data"
        run(BIN / "pulmo-prepare", "phantom", "--output", cls.archive, "--patients", 18, "--slices", 30, "--seed", 3)
        run(BIN / "pulmo-prepare", "lidc", "--input", cls.archive / "images", "--annotations", cls.archive / "annotations",
            "--config", CONFIGS / "prepare.yaml", "--set", f"preprocess.size_px={SIZE_PX}", "--set",
            "split.validation_fraction=0.25", "--output", cls.data)
        short = Trainer(cls.data, root / "short", "training.epochs=2")
        if short.process.wait(300) != 0:
            raise AssertionError(short.text())
        cls.run_folder = root / "short"
        extra = {"pulmo.json": ""}
        torch.jit.load(str(cls.run_folder / "bundle.pt"), _extra_files=extra)
        cls.reference = json.loads(extra["pulmo.json"])["reference"]
        with open(cls.run_folder / "predictions.csv", newline="") as file:
            cls.validation = [row for row in csv.DictReader(file) if row["split"] == "validation"]
        files = {path: path.read_bytes() for path in sorted((cls.archive / "images").rglob("*.dcm"))}
        cls.slices = [next(data for data in files.values() if row["instance"].encode() in data) for row in cls.validation]

    @classmethod
    def learn_outlines(cls, root):
        """Of a row that learns outlines, whose last figures stay at the gateway: one epoch on few patients."""
        data = root / "few"
        run(BIN / "pulmo-prepare", "phantom", "--output", root / "few-archive", "--patients", 10, "--slices", 30, "--seed", 4)
        run(BIN / "pulmo-prepare", "lidc", "--input", root / "few-archive/images", "--annotations",
            root / "few-archive/annotations", "--config", CONFIGS / "prepare.yaml", "--set", "preprocess.size_px=64", "--set",
            "split.validation_fraction=0.25", "--output", data)
        outlining = Trainer(data, root / "outlines", "training.epochs=1", "model.name=unet_densenet",
                            "transfer.densenet121=none", gateway=cls.gateway.port)
        if outlining.process.wait(300) != 0:
            raise AssertionError(outlining.text())

    @classmethod
    def start_server(cls):
        cls.window = 2 * len(cls.slices)
        cls.server = Server(f"drift.window={cls.window}", f"drift.least={len(cls.slices)}", "batch.queue=8",
                            "limits.files=8", bundle=cls.run_folder / "bundle.pt")
        cls.addClassCleanup(cls.server.stop)

    def wait_for_alert(self, name):
        wait_for(name, lambda: name in self.prometheus.firing())

    def test_1_the_reference_of_the_bundle_is_that_of_numpy(self):
        pictures = {}
        for shard in sorted(self.data.glob("validation-*.h5")):
            with h5py.File(shard) as file:
                pictures.update(zip(file["instances"].asstr()[()], file["images"][()]))
        pictures = [pictures[row["instance"]] for row in self.validation]
        values = {"lung_fraction": [np.mean(picture > 0) for picture in pictures],
                  "mean_intensity": [np.mean(picture[picture > 0]) / 65535 for picture in pictures],
                  "positive_probability": [float(row["p_malignant"]) for row in self.validation]}
        for name, expected in values.items():
            told = self.reference[name]
            edges = np.unique(np.quantile(expected, np.arange(1, 10) / 10, method="inverted_cdf"))
            np.testing.assert_allclose(told["edges"], edges, rtol=1e-12, err_msg=name)
            np.testing.assert_allclose([told["low"], told["high"]], [min(expected), max(expected)], rtol=1e-12)
            counts = np.bincount(np.searchsorted(edges * (1 + 1e-12), expected), minlength=len(edges) + 1)
            np.testing.assert_array_equal(told["counts"], counts, err_msg=name)

    def test_2_every_expression_returns_data_and_nothing_fires(self):
        bad = sample_images.dicom(sample_images.body_without_lungs())
        load = Load(self.server.address, [bad, *self.slices])
        try:
            wait_for("all targets are up",
                     lambda: self.prometheus.healthy_targets() == {"pulmo-serve", "pulmo-train", "pulmo-push"})
            wait_for("a window of slices", lambda: self.prometheus.value("pulmo_drift_samples") == self.window)
            wait_for("an epoch and a checkpoint", lambda: self.prometheus.value(
                f'pulmo_training_checkpoints_total{{instance="127.0.0.1:{self.trainer_port}"}} > 0'))
            asked = [(rule.get("alert") or rule["record"], expressions.always_answering(rule["expr"])
                      if "alert" in rule else rule["expr"]) for _, rule in expressions.rules()]
            asked += [(f"{path.stem}: {panel['title']}", expressions.filled_in(target["expr"]))
                      for path, panel in expressions.panels() for target in panel["targets"]]
            for name, expression in asked:
                with self.subTest(name):
                    samples = wait_for(expression, lambda: self.prometheus.query(expression), 20)
                    self.assertTrue(any(value != "NaN" for _, value in samples), f"{expression}: {samples}")
            self.assertEqual(self.prometheus.firing() & SERVER_ALERTS, set())
        finally:
            replies = load.end()
        self.assertEqual({status for status, _ in replies}, {200, 422})

    def test_3_drifted_inputs_raise_the_drift_that_numpy_computes(self):
        other = sample_images.encode(sample_images.chest(), "png")
        load = Load(self.server.address, [other], kind="image/png")
        try:
            self.wait_for_alert("PulmoInputDrift")
            self.wait_for_alert("PulmoPredictionDrift")
        finally:
            load.end()
        # Half a window of the validation's own slices on top, to compare numbers that are not extreme.
        answers = [answer for _, answer in load.replies]
        answers += [post(self.server.address, body, "application/dicom")[1] for body in self.slices]
        results = [answer["results"][0] for answer in answers[-self.window:]]
        self.assertTrue(results[0]["input"]["unusual"])
        self.assertTrue(any("unusual" in warning for warning in results[0]["warnings"]))
        self.assertFalse(results[-1]["input"]["unusual"])
        text = self.server.get("/metrics").body.decode()
        for series, reference, values in (
                ('pulmo_input_drift_psi{input="lung_fraction"', "lung_fraction", [r["input"]["lung_fraction"] for r in results]),
                ('pulmo_input_drift_psi{input="mean_intensity"', "mean_intensity", [r["input"]["mean_intensity"] for r in results]),
                ("pulmo_prediction_drift_psi{", "positive_probability", [r["probabilities"]["malignant"] for r in results])):
            line = next(line for line in text.splitlines() if line.startswith(series))
            self.assertAlmostEqual(float(line.split()[-1]), stability_index(self.reference[reference], values), places=4)

    def test_4_a_flooded_queue_is_told(self):
        load = Load(self.server.address, self.slices, clients=24)
        try:
            self.wait_for_alert("PulmoServeQueueSaturated")
            self.wait_for_alert("PulmoServeErrorRatio")
        finally:
            replies = load.end()
        self.assertIn(503, {status for status, _ in replies})
        wait_for("the queue empties", lambda: "PulmoServeQueueSaturated" not in self.prometheus.firing())

    def test_5_a_failed_training_is_told_by_the_gateway(self):
        self.trainer.end(signal.SIGTERM)
        failing = self.started(Trainer(self.data, pathlib.Path(self.folder.name) / "failing", "training.epochs=50",
                                       "schedule.learning_rate=1000", "optimizer.weight_decay=1",
                                       gateway=self.gateway.port))
        self.assertEqual(failing.process.wait(120), 1, failing.text())
        self.assertIn("not finite", failing.text())
        self.wait_for_alert("PulmoTrainingFailed")

    def test_6_a_killed_server_is_told(self):
        os.kill(self.server.process.pid, signal.SIGKILL)
        self.wait_for_alert("PulmoServeDown")


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast=True)
