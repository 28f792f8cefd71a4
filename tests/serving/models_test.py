"""Several models behind the real server: names, versions, SIGHUP, and what happens to a bundle that cannot be loaded."""

import hashlib
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import sample_images
from server_process import BIN, Server, put, write_bundle

PNG = sample_images.encode(sample_images.chest(), "png")


class ModelsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="pulmo-models-")
        self.models = pathlib.Path(self.folder.name)
        self.addCleanup(self.folder.cleanup)
        self.server = None

    def start(self, *settings):
        self.server = Server(*settings, models=self.models)
        self.addCleanup(self.server.stop)

    def predict(self, query=""):
        reply = self.server.post(PNG, "image/png", "/v1/predict" + query)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json()

    def hang_up(self, until):
        """SIGHUP, and wait until the log says that it is done."""
        before = len(self.server.log())
        self.server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if re.search(until, self.server.log()[before:]):
                return
            time.sleep(0.02)
        self.fail(f"no {until} in the log:\n{self.server.log()[before:]}")

    def test_each_request_goes_to_the_model_it_names(self):
        write_bundle(self.models / "small/1/bundle.pt", 32)
        write_bundle(self.models / "small/2/bundle.pt", 48)
        write_bundle(self.models / "large/bundle.pt", 96)
        self.start("models.default=small")
        listed = self.server.get("/v1/models").json()
        self.assertEqual(listed["default"], "small")
        self.assertEqual([(m["name"], m["version"]) for m in listed["models"]],
                         [("large", "1"), ("small", "1"), ("small", "2")])
        for model in listed["models"]:
            path = self.models / model["name"] / (model["version"] if model["name"] == "small" else "") / "bundle.pt"
            self.assertEqual(model["sha256"], hashlib.sha256(path.read_bytes()).hexdigest())
            self.assertEqual(set(model), {"name", "version", "sha256", "row", "task", "classes", "positive_class",
                                          "threshold", "temperature", "phantom", "metrics"})
        for query, name, version in (("", "small", "2"), ("?model=large", "large", "1"), ("?model=small", "small", "2")):
            self.assertEqual(self.predict(query)["model"]["name"], name)
            self.assertEqual(self.predict(query)["model"]["version"], version)
        for query, version in (("?version=1", "1"), ("?model=small&version=1", "1"), ("?model=small&version=", "2")):
            self.assertEqual(self.predict(query)["model"]["version"], version)
        reply = self.server.post(PNG, "image/png", "/v1/explain?method=occlusion&model=small&version=1")
        self.assertEqual((reply.status, reply.json()["model"]["version"]), (200, "1"), reply.body)
        for query in ("?model=other", "?model=small&version=3", "?model=large&version=2"):
            reply = self.server.post(PNG, "image/png", "/v1/predict" + query)
            self.assertEqual((reply.status, reply.code()), (404, "unknown_model"))
        self.assertEqual(self.server.get("/v2").json()["models"], ["large", "small"])
        self.assertEqual(self.server.get("/v2/models/small").json()["versions"], ["1", "2"])
        self.assertEqual(self.server.get("/v2/models/small/versions/1").json()["inputs"][0]["shape"], [-1, 1, 32, 32])
        self.assertEqual(self.server.get("/v2/models/small").json()["inputs"][0]["shape"], [-1, 1, 48, 48])

    def test_a_default_that_does_not_exist_is_said_clearly(self):
        write_bundle(self.models / "a/bundle.pt")
        done = subprocess.run([BIN / "pulmo-serve", "--models", self.models, "--port", "0", "--set", "models.default=b"],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("models.default", done.stderr)

    def unload(self, name):
        reply = self.server.post(b"", "application/json", f"/v2/repository/models/{name}/unload")
        self.assertEqual(reply.status, 200, reply.body)

    def test_the_default_moves_on_when_its_model_is_unloaded(self):
        for name in ("a", "b"):
            write_bundle(self.models / name / "bundle.pt", 32)
        self.start("models.control=true")
        self.assertEqual(self.predict()["model"]["name"], "a")
        self.unload("a")
        self.assertEqual(self.predict()["model"]["name"], "b")
        self.assertEqual(self.server.get("/v1/models").json()["default"], "b")
        self.assertEqual(self.server.get("/v2/health/ready").status, 200)
        self.unload("b")
        self.assertEqual(self.server.get("/v2/health/ready").status, 503)

    def test_a_configured_default_that_is_unloaded_leaves_the_server_unready(self):
        for name in ("a", "b"):
            write_bundle(self.models / name / "bundle.pt", 32)
        self.start("models.control=true", "models.default=b")
        self.assertEqual(self.server.get("/v2/health/ready").status, 200)
        self.unload("b")
        reply = self.server.post(PNG, "image/png")
        self.assertEqual((reply.status, reply.code()), (503, "not_ready"))
        self.assertEqual(self.server.get("/v2/health/ready").status, 503)
        self.assertIn("pulmo_ready 0", self.server.get("/metrics").body.decode())
        self.assertEqual(self.server.post(b"", "application/json", "/v2/repository/models/b/load").status, 200)
        self.assertEqual(self.server.get("/v2/health/ready").status, 200)

    def test_an_empty_folder_is_said_clearly(self):
        done = subprocess.run([BIN / "pulmo-serve", "--models", self.models, "--port", "0"], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("NAME/VERSION/bundle.pt", done.stderr)

    def test_a_broken_model_leaves_the_server_unready_and_the_others_answering(self):
        write_bundle(self.models / "good/bundle.pt")
        (self.models / "bad").mkdir()
        (self.models / "bad/bundle.pt").write_bytes(b"not a bundle")
        self.start("models.default=good")
        self.assertEqual(self.server.get("/v2/health/ready").status, 503)
        self.assertEqual(self.server.get("/v2/health/live").status, 200)
        self.assertIn("pulmo_ready 0", self.server.get("/metrics").body.decode())
        self.assertEqual(self.predict()["model"]["name"], "good")
        reply = self.server.post(PNG, "image/png", "/v1/predict?model=bad")
        self.assertEqual((reply.status, reply.code()), (503, "not_ready"))
        self.assertEqual(self.server.get("/v2/models/bad/ready").status, 503)
        shutil.copy(self.models / "good/bundle.pt", self.models / "bad/bundle.pt")
        self.hang_up("info model name=bad")
        self.assertEqual(self.server.get("/v2/health/ready").status, 200)

    def test_sighup_loads_what_changed_and_nothing_else(self):
        write_bundle(self.models / "a/bundle.pt", seed=1)
        write_bundle(self.models / "b/bundle.pt", seed=2)
        self.start()
        shas = {m["name"]: m["sha256"] for m in self.server.get("/v1/models").json()["models"]}
        write_bundle(self.models / "b/bundle.pt", seed=3)
        write_bundle(self.models / "c/7/bundle.pt", seed=4)
        self.hang_up("info model name=c version=7")
        now = {m["name"]: m["sha256"] for m in self.server.get("/v1/models").json()["models"]}
        self.assertEqual(now["a"], shas["a"])
        self.assertNotEqual(now["b"], shas["b"])
        self.assertIn("c", now)
        shutil.rmtree(self.models / "c")
        self.hang_up("gone from the disk")
        self.assertEqual(self.server.post(PNG, "image/png", "/v1/predict?model=c").status, 404)
        text = self.server.get("/metrics").body.decode()
        self.assertIn("pulmo_models_loaded 2", text)
        self.assertIn('pulmo_model_loads_total{result="loaded"} 4', text)
        self.assertNotIn(shas["b"], text)

    def test_a_bundle_that_is_not_the_one_of_its_digest_is_not_loaded(self):
        bundle = self.models / "a/bundle.pt"
        write_bundle(bundle, seed=1)
        with open(f"{bundle}.sha256", "w") as file:
            subprocess.run(["sha256sum", "bundle.pt"], cwd=bundle.parent, stdout=file, check=True)
        self.start()
        first = self.predict()
        write_bundle(bundle, seed=2)
        self.hang_up("a model could not be loaded.*SHA-256")
        self.assertEqual(self.predict()["model"], first["model"])
        self.assertEqual(self.server.get("/v2/health/ready").status, 200)
        with open(f"{bundle}.sha256", "w") as file:
            subprocess.run(["sha256sum", "bundle.pt"], cwd=bundle.parent, stdout=file, check=True)
        self.hang_up("info model name=a")
        self.assertNotEqual(self.predict()["model"], first["model"])

    def test_weights_that_are_no_numbers_are_not_served(self):
        import torch
        bundle = self.models / "a/bundle.pt"
        write_bundle(bundle)
        self.start()
        before = self.predict()["model"]
        extra = {"pulmo.json": ""}
        module = torch.jit.load(str(bundle), _extra_files=extra)
        with torch.no_grad():
            next(module.parameters()).fill_(float("nan"))
        aside = bundle.with_suffix(".new")
        torch.jit.save(module, str(aside), _extra_files=extra)
        put(bundle, aside.read_bytes())
        self.hang_up("a model could not be loaded.*no numbers")
        self.assertEqual(self.predict()["model"], before)

    def test_a_single_bundle_is_reloaded_too(self):
        bundle = self.models / "one.pt"
        write_bundle(bundle, seed=1)
        self.server = Server(bundle=bundle)
        self.addCleanup(self.server.stop)
        before = self.predict()["model"]
        put(bundle, b"garbage")
        self.hang_up("a model could not be loaded")
        self.assertEqual(self.predict()["model"], before)
        write_bundle(bundle, seed=2)
        self.hang_up("info model name=proposed_cnn")
        after = self.predict()["model"]
        self.assertEqual(after["name"], before["name"])
        self.assertNotEqual(after["sha256"], before["sha256"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
