"""Rows of volumes from prepared data to the server: the same stack gives the same probability in both.

Stacks of pictures are prepared (pulmo-prepare images), every row of volumes is trained on them shortly and in fp32 beside a
row of slices, and the folder of the comparison is served. What predictions.csv says of each test nodule must come back to
1e-6 from a zip of its pictures. Volumes that were prepared as such, from a phantom archive, are trained on and served by the
Open Inference Protocol.
"""

import base64
import csv
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

import h5py
import numpy as np
import torch
from PIL import Image
from scipy import ndimage

sys.path.insert(0, str(pathlib.Path(os.environ["PULMO_SOURCE_DIR"]) / "tests/serving"))
import sample_images  # noqa: E402
from server_process import BIN, SOURCE, Server, multipart, request  # noqa: E402

SIZE = 32
ROWS = ("cnn3d", "slice_attention", "resnet3d")
SAME = 1e-6


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=500)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def train(root, data, runs, *settings):
    settings = ["training.epochs=2", "training.precision=fp32", *settings]
    for row, network in (("squeezenet", "squeezenet1_1"), ("resnet3d", "r3d_18")):
        weights = root / f"{row}.pth"
        if not weights.exists():
            run(sys.executable, SOURCE / "tests/golden/volume_twin.py", "make", network, weights)
        settings.append(f"transfer.{row}={weights}")
    return run(BIN / "pulmo-train", "compare", "--config", SOURCE / "configs/compare_nodules.yaml", "--set", "folds=0",
               "--data", data, "--output", runs, *(word for setting in settings for word in ("--set", setting)))


def picture_of(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,")))))


def predictions_of(folder):
    with open(folder / "predictions.csv", newline="") as file:
        return [line for line in csv.DictReader(file) if line["split"] == "test"]


class Stacks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="pulmo-stacks-")
        cls.root = pathlib.Path(cls.folder.name)
        cls.draw_pictures()
        run(BIN / "pulmo-prepare", "images", "--manifest", cls.root / "slices.csv", "--output", cls.root / "data", "--set",
            "task=nodule", "--set", "preprocess.mask=none", "--set", f"preprocess.size_px={SIZE}")
        cls.table = train(cls.root, cls.root / "data", cls.root / "runs",
                          "rows=[cnn3d, slice_attention, resnet3d, proposed_cnn, ensemble]",
                          "row_settings.resnet3d.training.epochs=1").stdout
        cls.server = Server("models.default=cnn3d", "explain.deadline_s=140", models=cls.root / "runs")

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        cls.folder.cleanup()
        if code != 0:
            raise AssertionError(f"the server ended with {code}")

    @classmethod
    def draw_pictures(cls):
        """A nodule of 1 to 9 slices for each of 40 patients; the malignant ones are larger."""
        random = np.random.default_rng(4)
        y, x = np.mgrid[:48, :48] - 23.5
        lines = ["path,label,patient,group"]
        for patient in range(40):
            malignant = patient % 2
            for z in range(1 + patient % 9):
                name = f"p{patient:02d}-{z:02d}.png"
                blob = 140 * np.exp(-(x**2 + y**2) / (2 * (4 + 4 * malignant) ** 2))
                pixels = np.clip(40 + blob + random.normal(0, 12, blob.shape), 1, 255).astype(np.uint8)
                Image.fromarray(pixels).save(cls.root / name)
                lines.append(f"{name},{'malignant' if malignant else 'benign'},patient-{patient:02d},nodule-{patient:02d}")
        (cls.root / "slices.csv").write_text("\n".join(lines) + "\n")

    def zip_of(self, names):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name in reversed(names):  # the order in the archive does not matter, the names do
                archive.write(self.root / name, pathlib.Path(name).name)
        return packed.getvalue()

    def test_a_stack_has_the_same_probability_in_training_and_in_service(self):
        for row in ROWS:
            groups = {}
            for line in predictions_of(self.root / "runs" / row):
                groups.setdefault(line["group"], []).append(line)
            self.assertGreater(len(groups), 5)
            for group, lines in groups.items():
                expected = {float(line["p_malignant"]) for line in lines}
                self.assertEqual(len(expected), 1, f"{row} {group}: its slices have one verdict")
                if len(lines) > 7:
                    continue  # each slice of a longer stack is judged among its neighbours
                names = sorted(line["instance"] for line in lines)
                reply = self.server.post(self.zip_of(names), "application/zip", f"/v1/predict?model={row}")
                self.assertEqual(reply.status, 200, reply.body)
                results = reply.json()["results"]
                self.assertEqual(len(results), len(names))
                for result in results:
                    self.assertAlmostEqual(result["probabilities"]["malignant"], expected.copy().pop(), delta=SAME, msg=row)
                shares = [result.get("attention") for result in results]
                if row == "slice_attention":
                    self.assertAlmostEqual(sum(shares), 1.0, places=5)
                    self.assertGreater(min(shares), 0.0)
                else:
                    self.assertEqual(set(shares), {None})

    def test_rows_of_volumes_stand_beside_those_of_slices(self):
        for title in ("Ensemble of the best networks", "3D CNN", "Attention over slices, SqueezeNet 1.1",
                      "Transfer, ResNet3D-18", "Proposed CNN"):
            self.assertIn(title, self.table)
        same = [(line["group"], line["instance"], line["label"]) for line in predictions_of(self.root / "runs/proposed_cnn")]
        for row in ROWS:
            found = [(line["group"], line["instance"], line["label"]) for line in predictions_of(self.root / "runs" / row)]
            self.assertEqual(found, same, row)

    def test_one_slice_can_be_explained(self):
        body = (self.root / "p09-00.png").read_bytes()
        for row in ROWS:
            sent = request("POST", f"/v1/explain?model={row}", body, "Content-Type: image/png\r\n")
            reply = self.server.exchange(sent, timeout=150)  # made at low priority: long on a busy machine
            self.assertEqual(reply.status, 200, reply.body)
            # cnn3d takes the maxima of its maps too; the last maps of the others have few places at 32 px
            self.assertEqual(reply.json()["results"][0]["explanation"]["method"], "integrated_gradients", row)

    def explained(self, row, names, method):
        reply = self.server.exchange(request("POST", f"/v1/explain?model={row}&method={method}", self.zip_of(names),
                                             "Content-Type: application/zip\r\n"), timeout=150)
        self.assertEqual(reply.status, 200, reply.body)
        results = sorted(reply.json()["results"], key=lambda result: result["name"])
        self.assertEqual([result["explanation"]["method"] for result in results], [method] * len(names))
        return results

    def test_a_stack_is_explained_as_the_volume_that_was_judged(self):
        names = [f"p12-{z:02d}.png" for z in range(4)]
        for row in ROWS:
            predicted = self.server.post(self.zip_of(names), "application/zip", f"/v1/predict?model={row}").json()["results"]
            results = self.explained(row, names, "integrated_gradients")
            for result, other in zip(results, sorted(predicted, key=lambda result: result["name"])):
                self.assertAlmostEqual(result["probabilities"]["malignant"], other["probabilities"]["malignant"], delta=SAME)
                self.assertEqual(result.get("attention") is None, row != "slice_attention")
                self.assertEqual([predicted[i]["name"] for i in other["judged_with"]], names)
            shown = [result["explanation"] for result in results]
            maps, k = self.integrated_gradients(row, [picture_of(one["picture"]) for one in shown], results[0]["class"])
            self.assertEqual([one["class"] for one in shown], [k] * len(shown))
            np.testing.assert_allclose([one["share"] for one in shown], maps.sum((1, 2)) / maps.sum(), atol=0.03)
            alpha = np.stack([picture_of(one["heat"])[..., 3] for one in shown]).astype(float)
            self.assertGreater(np.corrcoef(alpha.ravel(), maps.ravel())[0, 1], 0.95, row)
            np.testing.assert_allclose(alpha.max((1, 2)) / alpha.max(), maps.max((1, 2)) / maps.max(), atol=0.1)

    def integrated_gradients(self, row, pictures, class_name):
        """Of the bundle by PyTorch, of the pictures shown, which have 8 bits of the 16 that the model saw: (n,S,S), smoothed."""
        extra = {"pulmo.json": ""}
        module = torch.jit.load(str(self.root / "runs" / row / "bundle.pt"), _extra_files=extra)
        volume = torch.zeros(1, 1, 7, SIZE, SIZE)
        first = (7 - len(pictures)) // 2
        volume[0, 0, first:first + len(pictures)] = torch.from_numpy(np.stack(pictures) / np.float32(255))
        total = torch.zeros_like(volume)
        for step in range(32):
            place = ((step + 0.5) / 32 * volume).requires_grad_(True)
            module(place)[0, json.loads(extra["pulmo.json"])["classes"].index(class_name)].backward()
            total += place.grad
        maps = torch.relu(volume * total)[0, 0, first:first + len(pictures)].numpy()
        return np.stack([ndimage.gaussian_filter(one, SIZE / 56) for one in maps]), class_name

    def test_what_is_no_one_stack_is_refused(self):
        many = [f"p08-{z:02d}.png" for z in range(9)]
        for row, names, code in (("cnn3d", many, "one_stack"), ("proposed_cnn", many[:2], "one_slice")):
            reply = self.server.post(self.zip_of(names), "application/zip", f"/v1/explain?model={row}")
            self.assertEqual((reply.status, reply.code()), (400, code))
        slices = [(f"{name}.dcm", "application/dicom", sample_images.dicom(sample_images.chest(64), **{"SeriesInstanceUID": uid}))
                  for name, uid in (("a", "1.2.3"), ("b", "1.2.4"))]
        reply = self.server.post(*multipart(slices)[::-1], "/v1/explain?model=cnn3d")
        self.assertEqual((reply.status, reply.code()), (400, "one_stack"), reply.body[:300])

    def test_the_models_tell_their_depth(self):
        for model in self.server.get("/v1/models").json()["models"]:
            if model["row"] == "ensemble":
                continue  # as its members do
            shape = [-1, 1, SIZE, SIZE] if model["row"] == "proposed_cnn" else [-1, 1, 7, SIZE, SIZE]
            described = self.server.get(f"/v2/models/{model['name']}").json()
            self.assertEqual(described["inputs"][0]["shape"], shape)

    def test_files_of_the_inference_protocol_are_refused_with_a_way_out(self):
        body = json.dumps({"inputs": [{"name": "file", "shape": [1], "datatype": "BYTES", "data": ["QQ=="],
                                       "parameters": {"content_type": "base64"}}]}).encode()
        reply = self.server.exchange(request("POST", "/v2/models/cnn3d/infer", body, "Content-Type: application/json\r\n"))
        self.assertEqual(reply.status, 400, reply.body)
        self.assertIn(b"/v1/predict", reply.body)

    def test_evaluate_judges_a_bundle_of_volumes_on_slices(self):
        for row in ROWS:
            run(BIN / "pulmo-train", "evaluate", "--bundle", self.root / "runs" / row / "bundle.pt", "--data",
                self.root / "data", "--split", "test", "--output", self.root / f"judged-{row}", "--set", "bootstrap=0")
            judged = [float(line["p_malignant"]) for line in predictions_of(self.root / f"judged-{row}")]
            trained = [float(line["p_malignant"]) for line in predictions_of(self.root / "runs" / row)]
            np.testing.assert_allclose(judged, trained, atol=SAME)


class Volumes(unittest.TestCase):
    def test_prepared_volumes_are_trained_on_and_served(self):
        with tempfile.TemporaryDirectory(prefix="pulmo-volumes-") as name:
            root = pathlib.Path(name)
            run(BIN / "pulmo-prepare", "phantom", "--output", root / "archive", "--patients", 24, "--slices", 30, "--matrix",
                192, "--seed", 5)
            run(BIN / "pulmo-prepare", "lidc", "--input", root / "archive/images", "--annotations", root / "archive/annotations",
                "--config", SOURCE / "configs/prepare_nodules.yaml", "--set", "nodule.dimensions=3", "--set",
                "nodule.extent_mm=32", "--set", "nodule.voxel_mm=2", "--set", "split.validation_fraction=0.25", "--output",
                root / "data")
            train(root, root / "data", root / "runs", "rows=[majority, cnn3d]", "reference=cnn3d", "evaluation.faithfulness=2")
            measured = json.loads((root / "runs/cnn3d/faithfulness.json").read_text())
            self.assertEqual((measured["depth"], measured["samples"]), (16, 2))
            volumes = []
            for shard in sorted((root / "data").glob("test-*.h5")):
                with h5py.File(shard) as file:
                    volumes.append(file["images"][:])
            volumes = np.concatenate(volumes)
            self.assertEqual(volumes.shape[1:], (1, 16, 16, 16))
            expected = [float(line["p_malignant"]) for line in predictions_of(root / "runs/cnn3d")]
            server = Server("models.default=cnn3d", models=root / "runs")
            try:
                tensor = {"name": "image", "shape": list(volumes.shape), "datatype": "UINT16",
                          "parameters": {"binary_data_size": volumes.nbytes}}
                head = json.dumps({"inputs": [tensor], "outputs": [{"name": "probabilities"}]}).encode()
                reply = server.exchange(request("POST", "/v2/models/cnn3d/infer", head + volumes.astype("<u2").tobytes(),
                                                f"Inference-Header-Content-Length: {len(head)}\r\n"))
                self.assertEqual(reply.status, 200, reply.body)
                found = np.reshape(reply.json()["outputs"][0]["data"], (-1, 2))[:, 1]
                np.testing.assert_allclose(found, expected, atol=SAME)
                for path in ("/v1/predict", "/v1/explain"):
                    reply = server.post(sample_images.dicom(sample_images.chest(64)), "application/dicom", path)
                    self.assertEqual((reply.status, reply.code()), (400, "needs_cubes"))
                    self.assertIn('pulmo_rejected_total{reason="needs_cubes"}', server.get("/metrics").body.decode())
                    self.assertIn(b"cubes of 32.0 mm in voxels of 2.0 mm", reply.body)
            finally:
                self.assertEqual(server.stop(), 0)
            table = run(BIN / "pulmo-train", "faithfulness", "--bundle", root / "runs/cnn3d/bundle.pt", "--data", root / "data",
                        "--samples", 3).stdout
            self.assertIn(f"3 of {len(volumes)} test samples (volumes of 16 slices)", table)
            refused = subprocess.run([str(BIN / "pulmo-train"), "fit", "--data", str(root / "data"), "--output",
                                      str(root / "slices")], capture_output=True, text=True, timeout=100)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("proposed_cnn: takes slices, the data holds volumes of 16 slices", refused.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
