"""Predictions, pages, health and metrics of the real server, and every bad input with its status."""

import base64
import io
import json
import pathlib
import re
import struct
import subprocess
import tempfile
import unittest
import zlib

import numpy as np
import pydicom
import pydicom.encaps
import pydicom.uid
import torch
from PIL import Image

import sample_images
from server_process import SOURCE, Server, multipart, request

KEYS = {"name", "kind", "class", "probabilities", "threshold", "lung_fraction", "input", "warnings",
        "timings_ms"}


class PredictTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("limits.files=8", phantom=True)
        cls.png = sample_images.encode(sample_images.chest(), "png")
        cls.dicom = sample_images.dicom(sample_images.chest())

    @classmethod
    def tearDownClass(cls):
        left = list(cls.server.work.iterdir())
        log = cls.server.log()
        code = cls.server.stop()
        if code != 0 or left:
            raise AssertionError(f"the server ended with {code} and left {left}")
        for secret in ("SECRET", "Jane"):
            if secret in log:
                raise AssertionError(f"the log tells {secret}:\n{log}")

    def predict(self, body, kind, path="/v1/predict"):
        reply = self.server.post(body, kind, path)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json()

    def series_answer(self):
        files = sample_images.series([sample_images.chest()] * 2)
        return self.predict(*reversed(multipart([(f"{i}.dcm", "application/dicom", data) for i, data in enumerate(files)])))

    def refused(self, body, kind, headers=""):
        reply = self.server.post(body, kind, headers=headers)
        error = reply.json()["error"]
        self.assertEqual(set(error), {"code", "message", "request_id"})
        self.assertNotIn("SECRET", error["message"])
        return reply.status, error["code"]

    def test_every_kind_of_picture_is_answered(self):
        jpeg = sample_images.encode(sample_images.chest(), "jpeg")
        for body, kind, pixels in ((self.png, "image/png", "grey"), (jpeg, "image/jpeg", "grey"),
                                   (self.dicom, "application/dicom", "hounsfield"),
                                   (self.dicom, "application/octet-stream", "hounsfield")):
            answer = self.predict(body, kind)
            self.assertEqual(set(answer), {"request_id", "model", "results", "notice"})
            self.assertEqual(set(answer["model"]), {"name", "version", "sha256"})
            self.assertIn("never a diagnosis", answer["notice"])
            (result,) = answer["results"]
            self.assertEqual(set(result), KEYS)
            self.assertEqual(result["kind"], pixels)
            self.assertEqual(result["name"], "file-1")
            self.assertAlmostEqual(sum(result["probabilities"].values()), 1.0, places=9)
            self.assertEqual(set(result["timings_ms"]), {"wait", "decode", "preprocess", "queue", "infer"})

    def test_probabilities_are_those_of_pytorch_on_the_same_picture(self):
        answer = self.predict(self.png, "image/png", "/v1/predict?preview=1")
        self.assertEqual(answer["model"]["sha256"], subprocess.run(
            ["sha256sum", self.server.bundle], capture_output=True, text=True, check=True).stdout.split()[0])
        (result,) = answer["results"]
        shown = base64.b64decode(result["preview"].removeprefix("data:image/png;base64,"))
        seen = np.asarray(Image.open(io.BytesIO(shown)), np.float32) / 255
        self.assertEqual(seen.shape, (64, 64))
        extra = {"pulmo.json": ""}
        module = torch.jit.load(str(self.server.bundle), _extra_files=extra)
        metadata = json.loads(extra["pulmo.json"])
        with torch.no_grad():
            logits = module(torch.from_numpy(seen.copy())[None, None]) / metadata["temperature"]
        twin = torch.softmax(logits.double(), 1)[0].tolist()
        for name, expected in zip(metadata["classes"], twin):
            # the preview has 8 bits of the 16 that the model sees
            self.assertAlmostEqual(result["probabilities"][name], expected, delta=2e-3)

    def test_several_files_give_several_results_in_order(self):
        kind, body = multipart([("Jane Doe.png", "image/png", self.png), ("b.dcm", "application/dicom", self.dicom)])
        answer = self.predict(body, kind)
        self.assertEqual([result["name"] for result in answer["results"]], ["Jane Doe.png", "b.dcm"])
        self.assertEqual([result["kind"] for result in answer["results"]], ["grey", "hounsfield"])

    def test_curl_can_post_files(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "slice.png"
            path.write_bytes(self.png)
            url = self.server.address + "/v1/predict"
            for arguments in (["-F", f"file=@{path}"], ["-H", "Content-Type: image/png", "--data-binary", f"@{path}"]):
                done = subprocess.run(["curl", "-sS", "--fail", "--max-time", "20", *arguments, url], capture_output=True,
                                      check=True)
                self.assertEqual(set(json.loads(done.stdout)["results"][0]), KEYS)

    def test_one_bad_file_among_good_ones_has_its_own_error(self):
        constant = sample_images.encode(np.full((64, 64), 9, np.uint8), "png")
        kind, body = multipart([("a", "image/png", constant), ("b", "image/png", self.png)])
        first, second = self.predict(body, kind)["results"]
        self.assertEqual(first, {"name": "a", "error": {"code": "constant_image", "message": first["error"]["message"]}})
        self.assertEqual(set(second), KEYS)

    def test_only_bad_files_refuse_the_request(self):
        constant = sample_images.encode(np.full((64, 64), 9, np.uint8), "png")
        kind, body = multipart([("a", "image/png", constant), ("b", "text/plain", b"text")])
        self.assertEqual(self.refused(body, kind), (422, "constant_image"))

    def test_unusable_slices_are_422_with_the_reason(self):
        cases = {"no_lung": sample_images.encode(sample_images.body_without_lungs(), "png"),
                 "constant_image": sample_images.encode(np.full((64, 64), 9, np.uint8), "png"),
                 "truncated_image": self.png[:-30],
                 "too_small": sample_images.encode(sample_images.chest(8), "png"),
                 "unknown_format": b"not a picture at all"}
        for code, body in cases.items():
            self.assertEqual(self.refused(body, "image/png"), (422, code))

    def test_unusable_dicom_is_422_with_the_reason(self):
        other = sample_images.dicom(sample_images.chest(), modality="MR")
        self.assertEqual(self.refused(other, "application/dicom"), (422, "wrong_modality"))
        self.assertEqual(self.refused(self.dicom[: len(self.dicom) // 2], "application/dicom")[0], 422)
        self.assertEqual(self.refused(self.dicom[:200], "application/dicom")[0], 422)

    def test_dicom_that_tells_no_usable_pixels_is_422_with_the_reason(self):
        def changed(change):
            dataset = pydicom.dcmread(io.BytesIO(self.dicom))
            change(dataset)
            stream = io.BytesIO()
            dataset.save_as(stream, write_like_original=False)
            return stream.getvalue()

        def claim_video(dataset):
            dataset.PixelData = pydicom.encaps.encapsulate([dataset.PixelData])
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML

        cases = {"no_pixel_data": changed(lambda dataset: dataset.__delitem__("PixelData")),
                 "bad_pixel_format": changed(lambda dataset: setattr(dataset, "RescaleSlope", 0)),
                 "picture_too_large": changed(lambda dataset: setattr(dataset, "Rows", 60000)),
                 "unsupported_transfer_syntax": changed(claim_video),
                 "localizer": changed(lambda dataset: setattr(dataset, "ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"])),
                 "not_axial": changed(lambda dataset: setattr(dataset, "ImageOrientationPatient", [1, 0, 0, 0, 0, -1]))}
        for code, body in cases.items():
            self.assertEqual(self.refused(body, "application/dicom"), (422, code))

    def test_a_bomb_is_refused_by_its_header(self):
        header = struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n"
        for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1_000_000)), (b"IEND", b"")):
            bomb += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        before = self.server.memory_kib()
        self.assertEqual(self.refused(bomb, "image/png"), (422, "picture_too_large"))
        self.assertLess(self.server.memory_kib() - before, 20_000)

    def test_what_is_no_picture_is_415(self):
        self.assertEqual(self.refused(self.png, "text/plain"), (415, "unsupported_type"))
        self.assertEqual(self.refused(b"hello", "application/octet-stream"), (415, "unsupported_type"))
        self.assertEqual(self.refused(*reversed(multipart([("a.txt", "text/plain", b"hello")]))),
                         (415, "unsupported_type"))

    def test_empty_requests_are_400(self):
        self.assertEqual(self.refused(b"", "image/png"), (400, "empty_body"))
        self.assertEqual(self.refused(*reversed(multipart([]))), (400, "no_file"))
        self.assertEqual(self.refused(*reversed(multipart([("", "application/octet-stream", b"")]))), (400, "no_file"))

    def test_too_many_files_are_413(self):
        files = [(f"{i}.png", "image/png", self.png) for i in range(9)]
        self.assertEqual(self.refused(*reversed(multipart(files))), (413, "too_many_parts"))

    def test_bad_parameter_is_400(self):
        reply = self.server.post(self.png, "image/png", "/v1/predict?preview=yes")
        self.assertEqual((reply.status, reply.code()), (400, "bad_parameter"))

    def test_unknown_addresses_and_methods(self):
        for path in ("/nothing", "/v1", "/v1/predict/", "/../etc/passwd", "/%2e%2e/etc/passwd", "/index.html/x"):
            self.assertEqual(self.server.get(path).status, 404, path)
        reply = self.server.get("/v1/predict")
        self.assertEqual((reply.status, reply.headers["allow"]), (405, "OPTIONS, POST"))
        reply = self.server.exchange(request("DELETE", "/metrics"))
        self.assertEqual((reply.status, reply.headers["allow"]), (405, "OPTIONS, GET, HEAD"))
        self.assertEqual(self.server.exchange(request("POST", "/", b"x" * 100)).status, 405)

    def test_health_and_models(self):
        self.assertEqual(self.server.get("/v2/health/live").json(), {"live": True})
        self.assertEqual(self.server.get("/v2/health/ready").json(), {"ready": True})
        name = self.server.get("/v2").json()["models"][0]
        model = self.server.get(f"/v2/models/{name}").json()
        self.assertEqual(model["inputs"][0]["shape"], [-1, 1, 64, 64])
        self.assertTrue(model["parameters"]["phantom"])
        version = model["versions"][0]
        self.assertEqual(self.server.get(f"/v2/models/{name}/versions/{version}").json(), model)
        self.assertEqual(self.server.get(f"/v2/models/{name}/ready").status, 200)
        self.assertEqual(self.server.get(f"/v2/models/{name}/versions/{version}/ready").status, 200)
        for path in ("/v2/models/other", f"/v2/models/{name}/versions/9", "/v2/models/other/ready"):
            self.assertEqual(self.server.get(path).status, 404, path)

    def test_page_is_served_with_a_strict_policy(self):
        html = self.server.get("/")
        self.assertEqual(html.headers["content-type"], "text/html; charset=utf-8")
        self.assertIn("default-src 'none'", html.headers["content-security-policy"])
        self.assertNotIn("unsafe", html.headers["content-security-policy"])
        for path in re.findall(rb'(?:src|href)="([^"#:]+)"', html.body):
            self.assertEqual(self.server.get("/" + path.decode()).status, 200, path)
        again = self.server.get("/", f"If-None-Match: {html.headers['etag']}\r\n")
        self.assertEqual((again.status, again.body), (304, b""))

    def test_a_page_that_the_client_has_is_not_sent_again(self):
        tag = self.server.get("/").headers["etag"]
        for has in (tag, f"W/{tag}", f'"a", W/"b",{tag}', f"\"a\" , W/{tag}", "*", f'"a"\r\nIf-None-Match: {tag}'):
            reply = self.server.get("/", f"If-None-Match: {has}\r\n")
            self.assertEqual((reply.status, reply.body, reply.headers["etag"]), (304, b"", tag), has)
        for has in ("", ",", '"a", "b"', tag.strip('"'), f'w/{tag}', f'W/"x{tag[1:]}'):
            self.assertEqual(self.server.get("/", f"If-None-Match: {has}\r\n").status, 200, has)

    def test_openapi_describes_this_version(self):
        document = self.server.get("/openapi.json").json()
        self.assertRegex(document["info"]["version"], r"^\d+\.\d+\.\d+$")
        self.assertIn("/v1/predict", document["paths"])

    def test_replies_match_the_openapi_document(self):
        schemas = self.server.get("/openapi.json").json()["components"]["schemas"]
        answer = self.predict(self.dicom, "application/dicom", "/v1/predict?preview=1")
        self.assertEqual(set(schemas["Prediction"]["required"]), set(answer))
        result = schemas["Result"]
        self.assertEqual(set(result["required"]), KEYS)
        self.assertEqual(set(result["properties"]) - {"series", "position_mm", "explanation", "attention", "judged_with"}, set(answer["results"][0]))
        for name, document in (("Summary", self.series_answer()["summary"]), ("Series", self.series_answer()["summary"]["series"][0]),
                               ("Explanation", self.predict(self.dicom, "application/dicom", "/v1/explain")["results"][0]["explanation"])):
            self.assertEqual(set(schemas[name]["properties"]) - {"nodule", "share"}, set(document), name)  # of models that outline, and of volumes
        model = self.server.get("/v2/models/" + answer["model"]["name"]).json()
        self.assertEqual(set(schemas["Model"]["properties"]), set(model))
        self.assertEqual(set(schemas["Model"]["properties"]["parameters"]["properties"]), set(model["parameters"]))

    def test_metrics_are_exactly_the_documented_ones(self):
        self.predict(self.png, "image/png")
        reply = self.server.get("/metrics")
        self.assertEqual(reply.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        served = dict(re.findall(r"^# TYPE (\S+) (\S+)$", reply.body.decode(), re.M))
        documented = {}
        labels = {}
        of_server = (SOURCE / "docs/metrics.md").read_text().split("## While training")[0]
        for line in of_server.splitlines():
            row = re.match(r"\| `(\w+)(?:\{([\w, ]+)\})?` \| (\w+) \|", line)
            if row:
                documented[row.group(1)] = row.group(3)
                labels[row.group(1)] = set((row.group(2) or "").replace(" ", "").split(",")) - {""}
        self.assertEqual(documented, served)
        for name, kind in served.items():
            suffix = "_count" if kind == "histogram" else ""
            sample = re.search(rf"^{name}{suffix}(?:\{{(.*)\}})? ", reply.body.decode(), re.M)
            self.assertIsNotNone(sample, name)
            self.assertEqual(set(re.findall(r"(\w+)=", sample.group(1) or "")), labels[name], name)

    def test_metrics_count_requests_by_route_never_by_path(self):
        self.server.get("/v2/models/some-name-of-a-client")
        self.server.get("/some/path/of/a/client")
        text = self.server.get("/metrics").body.decode()
        self.assertIn('route="/v2/models/{model}"', text)
        self.assertIn('pulmo_requests_total{method="GET",route="none",status="404"}', text)
        self.assertNotIn("of-a-client", text)
        self.assertNotIn("/some/path", text)

    def test_access_log_has_one_line_per_request(self):
        reply = self.server.get("/v2")
        line = next(line for line in self.server.log().splitlines() if reply.headers["x-request-id"] in line)
        self.assertRegex(line, r"info request method=GET route=/v2 status=200 code=ok bytes=\d+ ms=\d+ request_id=")


if __name__ == "__main__":
    unittest.main(verbosity=2)
