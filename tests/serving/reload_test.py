"""Reloading and ending the real server under load: not one good request is lost, and each answer is of one model whole."""

import http.client
import json
import pathlib
import signal
import tempfile
import threading
import time
import unittest

import sample_images
from server_process import CheckedThread, Server, put, request, wait_for, write_bundle

PNG = sample_images.encode(sample_images.chest(), "png")
RELOADS = 100
CLIENTS = 4


def infer_body(content):
    """An inference request with one encoded picture, and the length of its JSON."""
    raw = len(content).to_bytes(4, "little") + content
    head = json.dumps({"inputs": [{"name": "file", "shape": [1], "datatype": "BYTES",
                                   "parameters": {"binary_data_size": len(raw)}}]}).encode()
    return head + raw, len(head)


class Load:
    """Clients that keep their connections and send one request after the other, until they are stopped."""

    def __init__(self, port):
        self.port = port
        self.lock = threading.Lock()
        self.answers = []  # (digest of the model or "", probability of malignant)
        self.lost = []
        self.ending = threading.Event()  # from now on a closed connection is not opened again
        self.threads = [CheckedThread(target=self._run, args=(i % 2 == 1,)) for i in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def _run(self, open_inference):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.connect()
        while True:
            try:
                answer, last = self._infer(connection) if open_inference else self._predict(connection)
                with self.lock:
                    self.answers.append(answer)
                if last or (self.ending.is_set() and not self.keep_on):
                    return connection.close()
            except (OSError, http.client.HTTPException, AssertionError, KeyError) as error:
                with self.lock:
                    self.lost.append(repr(error))
                return connection.close()

    keep_on = True  # until the server says that a reply is the last one

    @staticmethod
    def _json(connection):
        reply = connection.getresponse()
        content = reply.read()
        assert reply.status == 200, content
        return json.loads(content), reply.getheader("Connection") == "close"

    def _predict(self, connection):
        connection.request("POST", "/v1/predict", PNG, {"Content-Type": "image/png"})
        answer, last = self._json(connection)
        return (answer["model"]["sha256"], answer["results"][0]["probabilities"]["malignant"]), last

    def _infer(self, connection):
        body, length = infer_body(PNG)
        connection.request("POST", "/v2/models/lungs/infer", body, {"Inference-Header-Content-Length": str(length)})
        answer, last = self._json(connection)
        return ("", answer["outputs"][0]["data"][1]), last

    def count(self):
        with self.lock:
            return len(self.answers)

    def join(self):
        for thread in self.threads:
            thread.join(120)


class ReloadTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pulmo-reload-")
        self.addCleanup(folder.cleanup)
        self.models = pathlib.Path(folder.name) / "models"
        self.bundle = self.models / "lungs/bundle.pt"
        self.bundles = []
        for seed in (1, 2):
            write_bundle(self.bundle, 32, seed)
            self.bundles.append(self.bundle.read_bytes())
        put(self.bundle, self.bundles[0])
        self.server = Server("models.control=true", models=self.models)
        self.addCleanup(self.server.stop)

    def reload(self, content):
        put(self.bundle, content)
        return self.server.exchange(request("POST", "/v2/repository/models/lungs/load", b"", ""), timeout=60)

    def answer(self):
        answer = self.server.post(PNG, "image/png").json()
        return answer["model"]["sha256"], answer["results"][0]["probabilities"]["malignant"]

    def threads(self):
        text = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(text.split("Threads:")[1].split()[0])

    def test_a_hundred_reloads_under_load_lose_nothing(self):
        known = []
        for content in (self.bundles[1], self.bundles[0]):
            self.assertEqual(self.reload(content).status, 200)
            known.append(self.answer())
        self.assertNotEqual(known[0][0], known[1][0])
        self.assertNotAlmostEqual(known[0][1], known[1][1], places=4)
        threads, descriptors = self.threads(), self.server.descriptors()
        load = Load(self.server.port)
        for number in range(RELOADS):
            if number % 10 == 9:
                before = self.answer()
                self.assertEqual(self.reload(b"garbage").status, 400)
                self.assertEqual(self.answer()[0], before[0])
            reply = self.reload(self.bundles[number % 2])
            self.assertEqual(reply.status, 200, reply.body)
            if number % 10 == 5:
                self.server.process.send_signal(signal.SIGHUP)  # finds nothing that changed, or the very same
        answered = load.count()
        load.keep_on = False
        load.ending.set()
        load.join()
        self.assertEqual(load.lost, [])
        self.assertGreater(answered, RELOADS)
        of_digest = dict(known)
        for digest, probability in load.answers:
            if digest:
                self.assertAlmostEqual(probability, of_digest[digest], delta=1e-6)
            else:
                self.assertLess(min(abs(probability - p) for p in of_digest.values()), 1e-6)
        self.assertEqual({digest for digest, _ in load.answers} - {""}, set(of_digest))
        wait_for(lambda: self.threads() <= threads, "replaced models end with their last request")
        wait_for(lambda: self.server.descriptors() <= descriptors + 1, "connections end a moment after their last reply")
        text = self.server.get("/metrics").body.decode()
        self.assertIn(f'pulmo_model_loads_total{{result="failed"}} {RELOADS // 10}', text)
        self.assertIn("pulmo_models_loaded 1", text)

    def test_sigterm_under_load_and_during_a_reload_loses_nothing(self):
        load = Load(self.server.port)
        while load.count() < 50:
            time.sleep(0.01)
        put(self.bundle, self.bundles[1])
        self.server.process.send_signal(signal.SIGHUP)
        self.server.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.process.wait(60), 0)
        load.join()
        self.assertEqual(load.lost, [])
        self.assertGreaterEqual(load.count(), 50)


if __name__ == "__main__":
    unittest.main(verbosity=2)
