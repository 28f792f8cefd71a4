"""The same slice gives the same probability through prepare + evaluate and through the server, for every row.

A phantom archive is prepared, every row of the comparison is trained (shortly, in fp32) and judged, and the folder of the
comparison is served as it is. What predictions.csv says of each test slice must come back to 1e-6 from POST /v1/predict with
the DICOM file, alone and among others, and from the Open Inference Protocol with the file and with the shard's pixels. A
network made in Python with torch.jit.script, and a metadata file beside it, is judged and served likewise.
"""

import csv
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(os.environ["PULMO_SOURCE_DIR"]) / "tests/serving"))
from server_process import BIN, SOURCE, Server, multipart, request  # noqa: E402

SIZE = 64
ROWS = ("majority", "svm", "forest", "conventional_cnn", "proposed_cnn", "attention_cnn", "squeezenet", "resnet18",
        "densenet121", "unet_densenet")
SAME = 1e-6


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=500)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")


class SmallNetwork(torch.nn.Module):
    """Made elsewhere: neither its layers nor its names are ours."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Conv2d(1, 16, 5, 2), torch.nn.GELU())
        self.head = torch.nn.Linear(16, 2)

    def forward(self, images):
        return self.head(self.body(images).mean((2, 3)))


class SameProbability(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="pulmo-same-")
        root = pathlib.Path(cls.folder.name)
        cls.archive, cls.data, cls.runs = root / "archive", root / "data", root / "runs"
        run(BIN / "pulmo-prepare", "phantom", "--output", cls.archive, "--patients", 32, "--slices", 24, "--matrix",
            256, "--seed", 5)
        run(BIN / "pulmo-prepare", "lidc", "--input", cls.archive / "images", "--annotations", cls.archive / "annotations",
            "--config", SOURCE / "configs/prepare.yaml", "--set", f"preprocess.size_px={SIZE}", "--set",
            "split.validation_fraction=0.25", "--output", cls.data)
        settings = ["rows=[" + ", ".join(ROWS) + "]", "training.epochs=1", "training.precision=fp32", "svm.c=[1]",
                    "svm.gamma=[0.3]", "forest.trees=20", "forest.depth=[5]", "forest.feature_share=[0.3]"]
        for row in ("squeezenet", "resnet18", "densenet121"):
            run(sys.executable, SOURCE / "tests/golden/backbone_twin.py", "make", row, root / f"{row}.pth")
            settings.append(f"transfer.{row}={root / row}.pth")
        run(BIN / "pulmo-train", "compare", "--config", SOURCE / "configs/compare.yaml", "--data", cls.data, "--output",
            cls.runs, *(word for setting in settings for word in ("--set", setting)))
        cls.make_foreign_model()
        cls.server = Server("models.default=proposed_cnn", "batch.max_size=7", models=cls.runs)
        cls.collect_slices()

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        cls.folder.cleanup()
        if code != 0:
            raise AssertionError(f"the server ended with {code}")

    @classmethod
    def make_foreign_model(cls):
        """A folder of the models beside those of the rows, judged by pulmo-train evaluate."""
        home = cls.runs / "foreign"
        home.mkdir()
        torch.manual_seed(3)
        cls.foreign = SmallNetwork().eval()
        torch.jit.script(cls.foreign).save(str(home / "bundle.pt"))
        (home / "bundle.pt.yaml").write_text(
            "name: small_network\nversion: 2024-05\nclasses: [normal, malignant]\npositive_class: malignant\nthreshold: 0.4\n"
            f"temperature: 2.0\nphantom: true\ntask: slice\npreprocess: {{size_px: {SIZE}}}\n")
        run(BIN / "pulmo-train", "evaluate", "--bundle", home / "bundle.pt", "--data", cls.data, "--output", home)

    @classmethod
    def collect_slices(cls):
        """Of each test slice: its DICOM file and its stored pixels."""
        cls.pixels = {}
        for shard in sorted(cls.data.glob("test-*.h5")):
            with h5py.File(shard) as file:
                cls.pixels.update(zip(file["instances"].asstr()[:], file["images"][:]))
        cls.files = {}
        wanted = {name.encode(): name for name in cls.pixels}
        for path in cls.archive.rglob("*.dcm"):
            content = path.read_bytes()
            cls.files.update({name: content for key, name in wanted.items() if key in content})
        if set(cls.files) != set(cls.pixels) or len(cls.files) < 20:
            raise AssertionError(f"{len(cls.files)} files for {len(cls.pixels)} test slices")

    def predictions(self, row):
        """p(malignant) of each test slice, as the trainer wrote it."""
        with open(self.runs / row / "predictions.csv", newline="") as file:
            found = {line["instance"]: float(line["p_malignant"]) for line in csv.DictReader(file) if line["split"] == "test"}
        self.assertEqual(set(found), set(self.pixels), row)
        return found

    def served(self, row, names):
        """The same by POST /v1/predict: one file alone, several as a form."""
        if len(names) == 1:
            kind, body = "application/dicom", self.files[names[0]]
        else:
            kind, body = multipart([(name, "application/dicom", self.files[name]) for name in names])
        reply = self.server.post(body, kind, f"/v1/predict?model={row}")
        self.assertEqual(reply.status, 200, reply.body)
        results = {result["name"]: result for result in reply.json()["results"]}
        if len(names) == 1:
            results = {names[0]: reply.json()["results"][0]}
        return {name: results[name]["probabilities"]["malignant"] for name in names}

    def inferred(self, row, tensor, raw):
        tensor["parameters"] = {"binary_data_size": len(raw)}
        head = json.dumps({"inputs": [tensor], "outputs": [{"name": "probabilities"}]}).encode()
        reply = self.server.exchange(request("POST", f"/v2/models/{row}/infer", head + raw,
                                             f"Inference-Header-Content-Length: {len(head)}\r\n"))
        self.assertEqual(reply.status, 200, reply.body)
        return np.reshape(reply.json()["outputs"][0]["data"], (-1, 2))[:, 1]

    def check(self, row):
        expected = self.predictions(row)
        names = sorted(expected)
        at = 0
        for size in (1, 2, 5, 7, 16, 3):  # below, at and above the server's batch of 7
            chosen = names[at:at + size]
            at = (at + size) % (len(names) - 16)
            for name, probability in self.served(row, chosen).items():
                self.assertAlmostEqual(probability, expected[name], delta=SAME, msg=f"{row} {size}")
        raw = b"".join(struct.pack("<I", len(self.files[name])) + self.files[name] for name in names[:9])
        answers = self.inferred(row, {"name": "file", "shape": [9], "datatype": "BYTES"}, raw)
        np.testing.assert_allclose(answers, [expected[name] for name in names[:9]], atol=SAME, rtol=0, err_msg=row)
        images = np.stack([self.pixels[name] for name in names])
        for datatype, raw in (("UINT16", images.astype("<u2")), ("FP32", (images / 65535).astype("<f4"))):
            answers = self.inferred(row, {"name": "image", "shape": list(images.shape), "datatype": datatype}, raw.tobytes())
            np.testing.assert_allclose(answers, [expected[name] for name in names], atol=SAME, rtol=0, err_msg=row)

    def test_every_row(self):
        listed = {model["name"]: model for model in self.server.get("/v1/models").json()["models"]}
        self.assertEqual(set(listed), {*ROWS, "foreign"})
        for row in ROWS:
            with self.subTest(row):
                self.assertEqual(listed[row]["row"], row)
                self.assertIn("roc_auc", json.dumps(listed[row]["metrics"]))
                self.check(row)

    def test_a_network_made_in_python(self):
        self.check("foreign")
        expected = self.predictions("foreign")
        names = sorted(expected)
        images = torch.from_numpy(np.stack([self.pixels[name] for name in names]).astype(np.float32) / 65535)
        with torch.no_grad():
            twin = torch.softmax(self.foreign(images).double() / 2.0, 1)[:, 1]
        np.testing.assert_allclose(twin, [expected[name] for name in names], atol=1e-5)
        answer = self.server.post(self.files[names[0]], "application/dicom", "/v1/predict?model=foreign").json()
        self.assertEqual((answer["model"]["name"], answer["model"]["version"]), ("foreign", "2024-05"))
        self.assertEqual(answer["results"][0]["threshold"], 0.4)


if __name__ == "__main__":
    unittest.main(verbosity=2)
