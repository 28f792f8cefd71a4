"""Explanations of the real server: what the heat map says agrees with the pictures, and every refusal has its reason."""

import base64
import io
import json
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

import sample_images
from outlining_bundle import write_outlining_bundle
from server_process import BIN, CheckedThread, Server, multipart, request

PATIENCE_S = 200  # with a large network, at low priority, on a machine that has other work


class SumOfFeatures(torch.nn.Module):
    """A row without gradients, as far as pictures go: it works on handcrafted features."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        total = torch.tanh(features).mean(1)
        return torch.stack([-total, total], 1)


def write_feature_bundle(source, target):
    extra = {"pulmo.json": ""}
    torch.jit.load(str(source), _extra_files=extra)
    metadata = json.loads(extra["pulmo.json"])
    metadata["row"], metadata["input"] = "svm", "features"
    torch.jit.save(torch.jit.script(SumOfFeatures().eval()), str(target), _extra_files={"pulmo.json": json.dumps(metadata)})


def picture_of(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,")))))


def outlines_of(bundle, grey, levels=0.5):
    """p(nodule) by the bundle's own module, and how far half a grey level of the picture moves it at most: (S,S) each."""
    module = torch.jit.load(str(bundle))
    random = np.random.default_rng(1)
    shown = [grey + random.uniform(-levels, levels, grey.shape) * (grey > 0) for _ in range(8)]
    with torch.no_grad():
        p, *moved = module.outlines(torch.from_numpy(np.stack([grey, *shown]).astype(np.float32) / 255)[:, None])[:, 0].numpy()
    return p, np.abs(moved - p).max()


class ExplainTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("limits.files=8", size_px=96)
        cls.png = sample_images.encode(sample_images.chest(256, nodule=True), "png")
        cls.dicom = sample_images.dicom(sample_images.chest(256, nodule=True))

    @classmethod
    def tearDownClass(cls):
        left, log, code = list(cls.server.work.iterdir()), cls.server.log(), cls.server.stop()
        if code != 0 or left or "SECRET" in log:
            raise AssertionError(f"the server ended with {code} and left {left}:\n{log[-3000:]}")

    def explain(self, body, kind="image/png", path="/v1/explain", server=None, patience_s=20):
        reply = (server or self.server).exchange(request("POST", path, body, f"Content-Type: {kind}\r\n"), patience_s)
        self.assertEqual(reply.status, 200, reply.body[:500])
        (result,) = reply.json()["results"]
        return result

    def check(self, result, size=96, further=()):
        explanation = result["explanation"]
        self.assertEqual(set(explanation), {"method", "class", "rows", "columns", "picture", "lungs", "heat", "peak", "inside_lungs", *further})
        self.assertEqual(explanation["class"], result["class"])
        self.assertEqual((explanation["rows"], explanation["columns"]), (size, size))
        grey, lungs, heat = (picture_of(explanation[key]) for key in ("picture", "lungs", "heat"))
        self.assertEqual((grey.shape, lungs.shape, heat.shape), ((size, size), (size, size, 4), (size, size, 4)))
        inside = grey > 0  # what is outside of the lungs is black in the model's view
        outline = lungs[..., 3] > 0
        self.assertTrue(outline.any())
        self.assertLess((outline & ~inside).sum(), 0.1 * outline.sum())
        if explanation["peak"] is None:
            self.assertFalse(heat[..., 3].any())
            return None
        alpha = heat[..., 3].astype(float)
        self.assertEqual(alpha[explanation["peak"]["row"], explanation["peak"]["column"]], alpha.max())
        share = alpha[inside].sum() / alpha.sum()  # 8 bits of the map
        self.assertAlmostEqual(explanation["inside_lungs"], share, delta=0.1)
        return explanation

    def test_a_network_that_flattens_its_maps_is_explained_by_integrated_gradients(self):
        for body, kind in ((self.png, "image/png"), (self.dicom, "application/dicom")):
            result = self.explain(body, kind)
            self.check(result)
            self.assertEqual(result["explanation"]["method"], "integrated_gradients")
            self.assertIn("explain", result["timings_ms"])

    def test_a_network_that_averages_maps_of_many_places_is_explained_by_grad_cam(self):
        with tempfile.TemporaryDirectory() as folder:
            bundle = pathlib.Path(folder) / "squeezenet.pt"
            subprocess.run([BIN / "pulmo-test-bundle", bundle, "96", "lungs", "--network", "squeezenet"], check=True)
            server = Server(bundle=bundle)
            try:
                result = self.explain(self.png, server=server)
                self.assertEqual(result["explanation"]["method"], "grad_cam")
                self.check(result)
            finally:
                server.stop()

    def test_grad_cam_can_be_asked_for(self):
        result = self.explain(self.png, path="/v1/explain?method=grad_cam")
        self.assertEqual(result["explanation"]["method"], "grad_cam")
        self.check(result)

    def test_the_prediction_is_that_of_predict(self):
        explained = self.explain(self.dicom, "application/dicom")
        predicted = self.server.post(self.dicom, "application/dicom").json()["results"][0]
        for name, probability in predicted["probabilities"].items():
            self.assertAlmostEqual(explained["probabilities"][name], probability, delta=1e-6)
        for key in ("class", "lung_fraction", "kind", "threshold", "warnings"):
            self.assertEqual(explained[key], predicted[key])

    def test_occlusion_can_be_asked_for(self):
        result = self.explain(self.png, path="/v1/explain?method=occlusion")
        self.assertEqual(result["explanation"]["method"], "occlusion")
        self.check(result)

    def test_integrated_gradients_are_those_of_the_module(self):
        result = self.explain(self.png, path="/v1/explain?method=integrated_gradients")
        explanation = self.check(result)
        self.assertEqual(explanation["method"], "integrated_gradients")
        extra = {"pulmo.json": ""}
        module = torch.jit.load(str(self.server.bundle), _extra_files=extra)
        k = json.loads(extra["pulmo.json"])["classes"].index(result["class"])
        grey = torch.from_numpy(picture_of(explanation["picture"]) / np.float32(255.0))[None, None]  # 8 bits of 16
        places = (((torch.arange(32) + 0.5) / 32)[:, None, None, None] * grey).requires_grad_(True)
        module(places)[:, k].sum().backward()
        map_ = torch.relu(grey * places.grad.mean(0, keepdim=True))[0, 0].numpy()
        map_ = ndimage.gaussian_filter(map_, len(map_) / 56)
        shown = picture_of(explanation["heat"])[..., 3].astype(float)
        self.assertGreater(np.corrcoef(map_.ravel(), shown.ravel())[0, 1], 0.95)

    def test_rows_without_gradients_are_explained_by_occlusion(self):
        with tempfile.TemporaryDirectory() as folder:
            bundle = pathlib.Path(folder) / "svm.pt"
            write_feature_bundle(self.server.bundle, bundle)
            server = Server("limits.files=8", bundle=bundle)
            try:
                result = self.explain(self.png, server=server)
                self.assertEqual(result["explanation"]["method"], "occlusion")
                explanation = self.check(result)
                self.assertIsNotNone(explanation)
                self.assertGreater(explanation["inside_lungs"], 0.5)
                for method in ("grad_cam", "integrated_gradients"):
                    reply = server.post(self.png, "image/png", f"/v1/explain?method={method}")
                    self.assertEqual((reply.status, reply.code()), (422, "no_gradients"))
            finally:
                server.stop()

    def check_outline(self, bundle, explanation):
        """Against p(nodule) by PyTorch of the picture shown, which has 8 bits of the 16 that the model saw."""
        nodule = explanation["nodule"]
        self.assertEqual(set(nodule), {"outline", "area_px", "largest_probability"})
        p, moved = outlines_of(bundle, picture_of(explanation["picture"]).astype(float))
        doubtful = np.abs(p - 0.5) < 4 * moved
        self.assertLess(doubtful.mean(), 0.05)
        inside = p >= 0.5
        self.assertTrue(0 < inside.sum() < 0.5 * inside.size)
        self.assertAlmostEqual(nodule["largest_probability"], p.max(), delta=4 * moved)
        self.assertLessEqual(abs(nodule["area_px"] - inside.sum()), doubtful.sum())
        outline = picture_of(nodule["outline"])
        self.assertEqual(outline.shape, (*p.shape, 4))
        self.assertEqual(set(map(tuple, outline[outline[..., 3] > 0])), {(255, 90, 240, 255)})
        cross = ndimage.generate_binary_structure(2, 1)
        sure = ~ndimage.binary_dilation(doubtful, cross)
        edge = inside & ~ndimage.binary_erosion(inside, cross)
        self.assertTrue((edge & sure).any())
        np.testing.assert_array_equal((outline[..., 3] > 0)[sure], edge[sure])

    def test_the_nodule_is_outlined_as_the_module_does_whatever_the_method(self):
        with tempfile.TemporaryDirectory() as folder:
            bundle = pathlib.Path(folder) / "unet_densenet.pt"
            write_outlining_bundle(bundle, 64)
            server = Server("limits.files=8", f"explain.deadline_s={PATIENCE_S}", bundle=bundle)
            try:
                for method, body, kind in (("grad_cam", self.dicom, "application/dicom"),
                                           ("integrated_gradients", self.png, "image/png"),
                                           ("occlusion", self.png, "image/png")):
                    result = self.explain(body, kind, f"/v1/explain?method={method}", server, PATIENCE_S)
                    self.assertEqual(result["explanation"]["method"], method)
                    self.check(result, 64, further=("nodule",))
                    self.check_outline(bundle, result["explanation"])
            finally:
                self.assertEqual(server.stop(), 0)

    def test_what_cannot_be_explained_is_refused_with_the_reason(self):
        constant = sample_images.encode(np.full((64, 64), 9, np.uint8), "png")
        two = multipart([("a", "image/png", self.png), ("b", "image/png", self.png)])
        for (body, kind), path, expected in (
                ((constant, "image/png"), "/v1/explain", (422, "constant_image")),
                ((b"", "image/png"), "/v1/explain", (400, "empty_body")),
                ((b"text", "application/octet-stream"), "/v1/explain", (415, "unsupported_type")),
                ((self.png, "text/plain"), "/v1/explain", (415, "unsupported_type")),
                ((self.png, "image/png"), "/v1/explain?method=guess", (400, "bad_parameter")),
                ((self.png, "image/png"), "/v1/explain?model=none", (404, "unknown_model")),
                (two[::-1], "/v1/explain", (400, "one_slice"))):
            reply = self.server.post(body, kind, path)
            self.assertEqual((reply.status, reply.code()), expected, path)
        self.assertEqual(self.server.get("/v1/explain").status, 405)

    def test_explanations_are_bounded_and_leave_predictions_alone(self):
        server = Server("explain.queue=1", "limits.files=8", f"explain.deadline_s={PATIENCE_S}", size_px=224)
        post = request("POST", "/v1/explain?method=occlusion", self.png, "Content-Type: image/png\r\n")
        statuses = []

        def ask():
            statuses.append(server.exchange(post, PATIENCE_S).status)

        try:
            threads = [CheckedThread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for _ in range(5):
                self.assertEqual(server.post(self.png, "image/png").status, 200)
            for thread in threads:
                thread.join()
            self.assertEqual(set(statuses), {200, 503})
            self.assertIn('pulmo_stage_duration_seconds_count{stage="explain"}', server.get("/metrics").body.decode())
        finally:
            self.assertEqual(server.stop(), 0)

    def test_an_explanation_that_takes_too_long_is_given_up(self):
        server = Server("explain.deadline_s=0.05", "limits.files=8", size_px=224)
        try:
            reply = server.post(self.png, "image/png", "/v1/explain?method=occlusion")
            self.assertEqual((reply.status, reply.code()), (503, "deadline"))
        finally:
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
