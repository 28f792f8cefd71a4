"""The Open Inference Protocol v2 of the real server, written from its specification: the KServe REST document and Triton's
extensions for binary tensor data and the model repository. The client is http.client and struct alone."""

import base64
import http.client
import json
import pathlib
import shutil
import struct
import tempfile
import unittest

import numpy as np
import torch

import sample_images
from server_process import SANITIZED, Server, put, request, write_bundle

SIZE = 48
PNG = sample_images.encode(sample_images.chest(), "png")
DICOM = sample_images.dicom(sample_images.chest(nodule=True))


def bytes_tensor(elements):
    return b"".join(struct.pack("<I", len(element)) + element for element in elements)


class Protocol(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="pulmo-oip-")
        cls.models = pathlib.Path(cls.folder.name)
        write_bundle(cls.models / "lungs/1/bundle.pt", SIZE, seed=1)
        write_bundle(cls.models / "lungs/2/bundle.pt", SIZE, seed=2)
        write_bundle(cls.models / "other/bundle.pt", 32, seed=3)
        cls.server = Server("models.control=true", "batch.queue=8", "limits.files=8", "batch.max_size=3", models=cls.models)
        cls.images = np.random.default_rng(7).integers(0, 65536, (5, 1, SIZE, SIZE), np.uint16)

    @classmethod
    def tearDownClass(cls):
        log = cls.server.log()
        code = cls.server.stop()
        cls.folder.cleanup()
        if code != 0 or "SECRET" in log:
            raise AssertionError(f"the server ended with {code}:\n{log}")

    def send(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            return reply, reply.read()
        finally:
            connection.close()

    def call(self, method, path, body=None, headers=None):
        reply, content = self.send(method, path, body, headers)
        self.assertEqual(reply.status, 200, content)
        return json.loads(content)

    def refused(self, method, path, body=None, headers=None):
        reply, content = self.send(method, path, body, headers)
        answer = json.loads(content)
        self.assertEqual(set(answer), {"error"}, answer)
        self.assertIsInstance(answer["error"], str)
        self.assertTrue(answer["error"])
        return reply.status, answer["error"]

    def infer(self, document, binary=b"", path="/v2/models/lungs/infer"):
        """(JSON of the answer, the binary part of each output by name)."""
        head = json.dumps(document).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))} if binary else {}
        reply, content = self.send("POST", path, head + binary, headers)
        self.assertEqual(reply.status, 200, content)
        length = reply.getheader("Inference-Header-Content-Length")
        answer, rest = json.loads(content[: int(length or len(content))]), content[int(length or len(content)):]
        parts = {}
        for output in answer["outputs"]:
            size = output.get("parameters", {}).get("binary_data_size")
            self.assertNotEqual(size is None, "data" not in output)
            if size is not None:
                parts[output["name"]], rest = rest[:size], rest[size:]
        self.assertEqual(rest, b"")
        return answer, parts

    def twin(self, images, version=2):
        """Probabilities by PyTorch of (N,1,S,S) 16-bit images."""
        extra = {"pulmo.json": ""}
        module = torch.jit.load(str(self.models / f"lungs/{version}/bundle.pt"), _extra_files=extra)
        metadata = json.loads(extra["pulmo.json"])
        with torch.no_grad():
            logits = module(torch.from_numpy(images.astype(np.float32) / 65535)) / metadata["temperature"]
        return torch.softmax(logits.double(), 1).numpy()

    def image_input(self, data=None, images=None, datatype="FP32", **parameters):
        images = self.images if images is None else images
        tensor = {"name": "image", "shape": list(images.shape), "datatype": datatype}
        if parameters:
            tensor["parameters"] = parameters
        if data is not None:
            tensor["data"] = data
        return tensor

    def check_probabilities(self, answer, expected):
        output = next(output for output in answer["outputs"] if output["name"] == "probabilities")
        self.assertEqual((output["datatype"], output["shape"]), ("FP64", list(expected.shape)))
        np.testing.assert_allclose(np.reshape(output["data"], expected.shape), expected, atol=1e-6)


class HealthAndMetadata(Protocol):
    def test_health(self):
        self.assertEqual(self.call("GET", "/v2/health/live"), {"live": True})
        self.assertEqual(self.call("GET", "/v2/health/ready"), {"ready": True})

    def test_server_metadata_names_the_extensions(self):
        answer = self.call("GET", "/v2")
        self.assertEqual(answer["name"], "pulmo")
        self.assertIsInstance(answer["version"], str)
        self.assertEqual(set(answer["extensions"]), {"binary_tensor_data", "model_repository"})

    def test_model_metadata(self):
        for path in ("/v2/models/lungs", "/v2/models/lungs/versions/1"):
            answer = self.call("GET", path)
            self.assertEqual((answer["name"], answer["versions"]), ("lungs", ["1", "2"]))
            self.assertEqual(answer["platform"], "pytorch_torchscript")
            self.assertEqual(answer["inputs"], [{"name": "image", "datatype": "FP32", "shape": [-1, 1, SIZE, SIZE]}])
            self.assertEqual(answer["outputs"], [{"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]},
                                                 {"name": "class", "datatype": "BYTES", "shape": [-1]}])

    def test_model_ready(self):
        for path in ("/v2/models/lungs/ready", "/v2/models/lungs/versions/1/ready"):
            self.assertEqual(self.call("GET", path), {"name": "lungs", "ready": True})

    def test_unknown_models_and_addresses(self):
        for path in ("/v2/models/none", "/v2/models/lungs/versions/9", "/v2/models/none/ready", "/v2/nothing"):
            self.assertEqual(self.refused("GET", path)[0], 404, path)
        for path in ("/v2/models/none/infer", "/v2/models/lungs/versions/9/infer"):
            self.assertEqual(self.refused("POST", path, b"{}")[0], 404, path)
        self.assertEqual(self.refused("GET", "/v2/models/lungs/infer")[0], 405)


class Infer(Protocol):
    def test_json_numbers_flat_or_nested_give_what_pytorch_gives(self):
        values = self.images.astype(np.float64) / 65535
        expected = self.twin(self.images)
        for data in (values.ravel().tolist(), values.tolist(), values.reshape(5, -1).tolist()):
            answer, _ = self.infer({"inputs": [self.image_input(data)]})
            self.check_probabilities(answer, expected)
        self.assertEqual((answer["model_name"], answer["model_version"]), ("lungs", "2"))
        self.assertNotIn("id", answer)
        classes = answer["outputs"][1]
        self.assertEqual((classes["name"], classes["datatype"], classes["shape"]), ("class", "BYTES", [5]))
        self.assertEqual(classes["data"], ["malignant" if p >= 0.5 else "normal" for p in expected[:, 1]])

    def test_every_datatype_gives_the_same(self):
        images = np.random.default_rng(8).integers(0, 256, (2, 1, SIZE, SIZE)).astype(np.uint16) * 257
        expected = self.twin(images)
        real = images.astype(np.float64) / 65535
        kinds = {"FP32": real.astype("<f4"), "FP64": real.astype("<f8"), "UINT16": images.astype("<u2"),
                 "UINT8": (images // 257).astype("u1")}
        for datatype, array in kinds.items():
            answer, _ = self.infer({"inputs": [self.image_input(array.ravel().tolist(), images, datatype)]})
            self.check_probabilities(answer, expected)
            raw = array.tobytes()
            answer, _ = self.infer({"inputs": [self.image_input(None, images, datatype, binary_data_size=len(raw))]}, raw)
            self.check_probabilities(answer, expected)

    def test_half_precision_comes_in_binary_only(self):
        half = (self.images.astype(np.float64) / 65535).astype("<f2")
        seen = np.round(half.astype(np.float64) * 65535).astype(np.uint16)
        raw = half.tobytes()
        answer, _ = self.infer({"inputs": [self.image_input(datatype="FP16", binary_data_size=len(raw))]}, raw)
        self.check_probabilities(answer, self.twin(seen))
        document = {"inputs": [self.image_input(half.ravel().tolist(), datatype="FP16")]}
        status, error = self.refused("POST", "/v2/models/lungs/infer", json.dumps(document))
        self.assertEqual(status, 400)
        self.assertIn("binary", error)

    def test_versions_are_different_models(self):
        document = {"inputs": [self.image_input(self.images.ravel().tolist(), datatype="UINT16")]}
        for version in (1, 2):
            answer, _ = self.infer(document, path=f"/v2/models/lungs/versions/{version}/infer")
            self.check_probabilities(answer, self.twin(self.images, version))
            self.assertEqual(answer["model_version"], str(version))

    def test_the_id_comes_back(self):
        data = self.images[:1].ravel().tolist()
        for name in ("42", "", "m\u00fcller \u2603"):
            answer, _ = self.infer({"id": name, "inputs": [self.image_input(data, self.images[:1], "UINT16")]})
            self.assertEqual(answer["id"], name)

    def test_outputs_are_those_asked_for_in_their_order(self):
        tensor = self.image_input(self.images.ravel().tolist(), datatype="UINT16")
        answer, _ = self.infer({"inputs": [tensor], "outputs": [{"name": "class"}]})
        self.assertEqual([output["name"] for output in answer["outputs"]], ["class"])
        answer, _ = self.infer({"inputs": [tensor], "outputs": [{"name": "class"}, {"name": "probabilities"}]})
        self.assertEqual([output["name"] for output in answer["outputs"]], ["class", "probabilities"])

    def test_binary_outputs(self):
        tensor = self.image_input(self.images.ravel().tolist(), datatype="UINT16")
        expected = self.twin(self.images)

        def check(parts):
            np.testing.assert_allclose(np.frombuffer(parts["probabilities"], "<f8").reshape(5, 2), expected, atol=1e-6)

        answer, parts = self.infer({"inputs": [tensor], "outputs": [
            {"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "class"}]})
        check(parts)
        self.assertIn("data", answer["outputs"][1])
        _, parts = self.infer({"inputs": [tensor], "parameters": {"binary_data_output": True}})
        check(parts)
        names = [b"malignant" if p >= 0.5 else b"normal" for p in expected[:, 1]]
        self.assertEqual(parts["class"], bytes_tensor(names))
        _, parts = self.infer({"inputs": [tensor], "parameters": {"binary_data_output": True}, "outputs": [
            {"name": "class", "parameters": {"binary_data": False}}, {"name": "probabilities"}]})
        self.assertEqual(set(parts), {"probabilities"})
        check(parts)

    def test_the_reply_says_what_it_is(self):
        raw = self.images.astype("<u2").tobytes()
        head = json.dumps({"inputs": [self.image_input(datatype="UINT16", binary_data_size=len(raw))],
                           "parameters": {"binary_data_output": True}}).encode()
        reply, content = self.send("POST", "/v2/models/lungs/infer", head + raw,
                                   {"Inference-Header-Content-Length": str(len(head)),
                                    "Content-Type": "application/octet-stream"})
        self.assertEqual(reply.status, 200, content)
        self.assertEqual(reply.getheader("Content-Type"), "application/octet-stream")
        self.assertEqual(int(reply.getheader("Content-Length")), len(content))

    def test_files_are_prepared_as_the_bundle_says(self):
        predicted = [self.server.post(body, kind, "/v1/predict?model=lungs").json()["results"][0]["probabilities"]
                     for body, kind in ((PNG, "image/png"), (DICOM, "application/dicom"))]
        expected = np.array([[p["normal"], p["malignant"]] for p in predicted])
        raw = bytes_tensor([PNG, DICOM])
        for shape in ([2], [2, 1]):
            answer, _ = self.infer({"inputs": [{"name": "file", "shape": shape, "datatype": "BYTES",
                                                "parameters": {"binary_data_size": len(raw)}}]}, raw)
            self.check_probabilities(answer, expected)
        texts = [base64.b64encode(body).decode() for body in (PNG, DICOM)]
        answer, _ = self.infer({"inputs": [{"name": "file", "shape": [2], "datatype": "BYTES", "data": texts,
                                            "parameters": {"content_type": "base64"}}]})
        self.check_probabilities(answer, expected)

    def test_a_file_that_is_no_slice_is_refused_with_its_place(self):
        raw = bytes_tensor([PNG, b"no picture"])
        head = json.dumps({"inputs": [{"name": "file", "shape": [2], "datatype": "BYTES",
                                       "parameters": {"binary_data_size": len(raw)}}]}).encode()
        status, error = self.refused("POST", "/v2/models/lungs/infer", head + raw,
                                     {"Inference-Header-Content-Length": str(len(head))})
        self.assertEqual(status, 422)
        self.assertIn("sample 1", error)


class BadRequests(Protocol):
    def check(self, document, *words, binary=b"", status=400):
        head = json.dumps(document).encode() if not isinstance(document, bytes) else document
        headers = {"Inference-Header-Content-Length": str(len(head))} if binary else {}
        got, error = self.refused("POST", "/v2/models/lungs/infer", head + binary, headers)
        self.assertEqual(got, status, error)
        for word in words:
            self.assertIn(word, error)

    def tensor(self, **changes):
        tensor = {"name": "image", "shape": [1, 1, SIZE, SIZE], "datatype": "UINT8", "data": [0] * (SIZE * SIZE)}
        tensor.update(changes)
        return {key: value for key, value in tensor.items() if value is not None}

    def test_bodies_that_are_no_request(self):
        for body in (b"", b"{", b"[]", b"17", b"{}", b'{"inputs": []}', b'{"inputs": {}}', b'{"inputs": [1]}',
                     b'{"inputs": [[{"data": [1]}]]}', b'{"inputs": [{"data": [1]}]}', b"\xff\xfe", PNG,
                     b'{"inputs": {"a": {"data": [1]}}}', b'{"inputs":[{"name":"image","data":[{}]}]}',
                     b'{"inputs":[{"name":"image","data":[null]}]}', b'{"inputs":[{"name":"image","data":5}]}'):
            self.check(body)

    def test_tensors_that_do_not_fit(self):
        pixels = SIZE * SIZE
        for tensor, word in ((self.tensor(name="picture"), "picture"), (self.tensor(datatype="INT64"), "INT64"),
                             (self.tensor(shape=[1, 1, SIZE, SIZE + 1]), "shape"), (self.tensor(shape=[pixels]), "shape"),
                             (self.tensor(shape=[0, 1, SIZE, SIZE], data=[]), "0 samples"),
                             (self.tensor(shape=[9, 1, SIZE, SIZE], data=[0]), "9 samples"),
                             (self.tensor(shape=[-1, 1, SIZE, SIZE]), "shape"),
                             (self.tensor(shape=[1e30, 1, SIZE, SIZE]), "shape"), (self.tensor(shape=None), "shape"),
                             (self.tensor(shape=[2**62, 1, SIZE, SIZE]), "shape"),
                             (self.tensor(datatype=None), "datatype"), (self.tensor(data=None), "data"),
                             (self.tensor(data=[0] * (pixels - 1)), str(pixels)),
                             (self.tensor(data=[0] * (pixels + 1)), str(pixels)),
                             (self.tensor(data=["0"] * pixels), "numbers"),
                             (self.tensor(data=[256] + [0] * (pixels - 1)), "UINT8"),
                             (self.tensor(data=[-1] + [0] * (pixels - 1)), "UINT8"),
                             (self.tensor(data=[0.5] + [0] * (pixels - 1)), "UINT8"),
                             (self.tensor(datatype="FP32", data=[1.01] + [0] * (pixels - 1)), "FP32"),
                             (self.tensor(datatype="FP32", data=[1e300] + [0] * (pixels - 1)), "FP32"),
                             (self.tensor(parameters=[]), "parameters"),
                             (self.tensor(name="file", datatype="BYTES", shape=[1], data=["x"]), "base64"),
                             (self.tensor(name="file", datatype="BYTES", shape=[1], data=["x"],
                                          parameters={"content_type": "base64"}), "base64"),
                             (self.tensor(name="file", datatype="UINT8", shape=[1], data=[1]), "BYTES"),
                             (self.tensor(name="file", datatype="BYTES", shape=[2], data=["eA=="],
                                          parameters={"content_type": "base64"}), "holds 1")):
            self.check({"inputs": [tensor]}, word)
        self.check({"inputs": [self.tensor(), self.tensor()]}, "one input")

    def test_what_is_asked_for_must_be_there(self):
        self.check({"inputs": [self.tensor()], "outputs": [{"name": "logits"}]}, "logits")
        self.check({"inputs": [self.tensor()], "outputs": [{}]}, "name")
        self.check({"inputs": [self.tensor()], "outputs": {}}, "outputs")
        self.check({"inputs": [self.tensor()], "id": 7}, "id")
        self.check({"inputs": [self.tensor()], "parameters": {"binary_data_output": 1}}, "binary_data_output")

    def test_binary_data_that_does_not_fit(self):
        pixels = SIZE * SIZE

        def tensor(size, **changes):
            return self.tensor(data=None, parameters={"binary_data_size": size}, **changes)

        self.check({"inputs": [tensor(pixels)]}, "binary_data_size", binary=bytes(pixels - 1))
        self.check({"inputs": [tensor(pixels)]}, "more bytes", binary=bytes(pixels + 1))
        self.check({"inputs": [tensor(pixels - 1)]}, "bytes", binary=bytes(pixels - 1))
        self.check({"inputs": [tensor(-1)]}, "binary_data_size", binary=b"x")
        self.check({"inputs": [tensor(2**63)]}, "binary_data_size", binary=b"x")
        self.check({"inputs": [self.tensor(parameters={"binary_data_size": 1})]}, "either", binary=b"x")
        nan = struct.pack("<f", float("nan")) + bytes(4 * (pixels - 1))
        self.check({"inputs": [tensor(len(nan), datatype="FP32")]}, "FP32", binary=nan)
        for broken in (b"\1\0\0", b"\5\0\0\0abcd", struct.pack("<I", 2**32 - 1)):
            self.check({"inputs": [tensor(len(broken), name="file", datatype="BYTES", shape=[1])]}, "file", binary=broken)
        # Eight million files of no bytes: the second one ends it, before they take memory.
        empty = bytes(32 << 20)
        self.check({"inputs": [tensor(len(empty), name="file", datatype="BYTES", shape=[1])]}, "more than 1 files", binary=empty)
        for length in ("99999999", "-1", "x", "1e3", "18446744073709551616"):
            status, _ = self.refused("POST", "/v2/models/lungs/infer", b"{}", {"Inference-Header-Content-Length": length})
            self.assertEqual(status, 400, length)

    def test_json_cannot_be_made_to_fill_the_memory(self):
        before = self.server.memory_kib("VmHWM")
        self.check(b"[" * 10_000_000, "deep")
        self.check(b'{"inputs":[{"data":' + b"[" * 10_000_000, "deep")
        self.check(b'{"parameters":{"x":[' + b"1," * 5_000_000 + b"1]}}", "beside", status=413)
        self.check(b'{"inputs":[{"data":[' + b"0," * 5_000_000 + b"0]}]}", "at once", status=413)
        self.check(b'{"inputs":[{"data":[' + b"[]," * 3_000_000 + b"[]]}]}")
        if not SANITIZED:  # the sanitizer keeps freed memory for a while
            self.assertLess(self.server.memory_kib("VmHWM") - before, 150_000)

    def test_compressed_bodies_are_not_taken_for_json(self):
        status, _ = self.refused("POST", "/v2/models/lungs/infer", b"x", {"Content-Encoding": "gzip"})
        self.assertEqual(status, 415)

    def test_a_full_queue_is_503(self):
        document = {"inputs": [self.tensor(shape=[8, 1, SIZE, SIZE], data=[0] * (8 * SIZE * SIZE))]}
        body = json.dumps(document).encode()
        clients = [self.server.connect() for _ in range(6)]
        for client in clients:
            client.send(request("POST", "/v2/models/lungs/infer", body))
        replies = [client.reply() for client in clients]
        for client in clients:
            client.close()
        self.assertLessEqual({reply.status for reply in replies}, {200, 503})
        self.assertIn(200, {reply.status for reply in replies})
        for reply in replies:
            if reply.status == 503:
                self.assertEqual(set(reply.json()), {"error"})
                self.assertIn("retry-after", reply.headers)


class Repository(Protocol):
    def index(self, **body):
        return self.call("POST", "/v2/repository/index", json.dumps(body) if body else None)

    def test_the_index_has_every_version(self):
        self.assertEqual([(item["name"], item["version"], item["state"]) for item in self.index()],
                         [("lungs", "1", "READY"), ("lungs", "2", "READY"), ("other", "1", "READY")])
        for item in self.index():
            self.assertEqual(set(item), {"name", "version", "state", "reason"})

    def test_unload_and_load(self):
        self.assertEqual(self.call("POST", "/v2/repository/models/other/unload"), {})
        self.assertEqual([item["state"] for item in self.index() if item["name"] == "other"], ["UNAVAILABLE"])
        self.assertNotIn("other", [item["name"] for item in self.index(ready=True)])
        self.assertEqual(self.send("GET", "/v2/models/other/ready")[0].status, 503)
        self.assertEqual(self.refused("POST", "/v2/models/other/infer", b"{}")[0], 503)
        self.assertEqual(self.call("GET", "/v2/health/ready"), {"ready": True})
        self.call("POST", "/v2/repository/models/other/load", json.dumps({"parameters": {}}))
        self.assertEqual(self.call("GET", "/v2/models/other/ready"), {"name": "other", "ready": True})
        self.assertEqual(self.call("POST", "/v2/repository/models/other/unload",
                                   json.dumps({"parameters": {"unload_dependents": True}})), {})
        self.call("POST", "/v2/repository/models/other/load")

    def test_a_failed_reload_keeps_the_old_one_and_says_why(self):
        bundle = self.models / "lungs/2/bundle.pt"
        content = bundle.read_bytes()
        try:
            for broken in (b"garbage", content[: len(content) // 2], b""):
                put(bundle, broken)
                status, error = self.refused("POST", "/v2/repository/models/lungs/load")
                self.assertEqual(status, 400)
                self.assertIn("bundle.pt", error)
                entry = next(item for item in self.index() if (item["name"], item["version"]) == ("lungs", "2"))
                self.assertEqual(entry["state"], "READY")
                self.assertIn("bundle.pt", entry["reason"])
                reply = self.server.post(PNG, "image/png", "/v1/predict?model=lungs")
                self.assertEqual((reply.status, reply.json()["model"]["version"]), (200, "2"))
        finally:
            put(bundle, content)
            self.call("POST", "/v2/repository/models/lungs/load")
        self.assertEqual({item["reason"] for item in self.index()}, {""})

    def test_a_new_version_is_found_by_loading_the_model(self):
        try:
            shutil.copytree(self.models / "lungs/1", self.models / "lungs/10")
            self.call("POST", "/v2/repository/models/lungs/load")
            self.assertEqual(self.call("GET", "/v2/models/lungs")["versions"], ["1", "2", "10"])
        finally:
            shutil.rmtree(self.models / "lungs/10")
            self.call("POST", "/v2/repository/models/lungs/load")
        self.assertEqual(self.call("GET", "/v2/models/lungs")["versions"], ["1", "2"])

    def test_bad_requests(self):
        self.assertEqual(self.refused("POST", "/v2/repository/models/none/load")[0], 404)
        self.assertEqual(self.refused("POST", "/v2/repository/models/none/unload")[0], 404)
        self.assertEqual(self.refused("POST", "/v2/repository/models/..%2Fetc/load")[0], 404)
        for body in (b"{", b"[]", b'{"parameters": 1}', b'{"parameters": {"config": "{}"}}'):
            self.assertEqual(self.refused("POST", "/v2/repository/models/other/load", body)[0], 400)
        for body in (b"{", b'{"ready": 1}'):
            self.assertEqual(self.refused("POST", "/v2/repository/index", body)[0], 400)
        self.assertEqual(self.refused("POST", "/v2/repository/index", b" " * 70_000)[0], 413)

    def test_clients_may_not_change_models_unless_the_operator_says_so(self):
        server = Server(size_px=32)
        try:
            for verb in ("load", "unload"):
                reply = server.exchange(request("POST", f"/v2/repository/models/proposed_cnn/{verb}", b""))
                self.assertEqual(reply.status, 403)
                self.assertIn("models.control", reply.json()["error"])
            self.assertEqual(server.exchange(request("POST", "/v2/repository/index", b"")).json()[0]["state"], "READY")
        finally:
            self.assertEqual(server.stop(), 0)


del Protocol

if __name__ == "__main__":
    unittest.main(verbosity=2)
