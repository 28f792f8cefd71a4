"""Start, overload and end of the real server."""

import http.client
import json
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from sample_images import chest, encode, zipped
from server_process import BIN, CheckedThread, Server, multipart, request, wait_for

PNG = encode(chest(), "png")


def serve(*arguments, timeout=60):
    return subprocess.run([BIN / "pulmo-serve", *arguments], capture_output=True, text=True, timeout=timeout)


class StartTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="pulmo-start-")
        cls.bundle = pathlib.Path(cls.folder.name) / "bundle.pt"
        subprocess.run([BIN / "pulmo-test-bundle", cls.bundle, "32", "lungs"], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def check_fails(self, done, code, *words):
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertTrue(done.stderr.splitlines()[-1].startswith("pulmo-serve: "), done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertNotIn("internal error", done.stderr)

    def test_port_in_use_is_said_clearly(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            self.check_fails(serve("--bundle", self.bundle, "--port", port), 1, port, "--port")

    def test_address_that_cannot_be_had_is_said_clearly(self):
        self.check_fails(serve("--bundle", self.bundle, "--port", "0", "--host", "192.0.2.1"), 1, "192.0.2.1", "--host")

    def test_missing_bundle_is_said_clearly(self):
        self.check_fails(serve("--bundle", "/nowhere/bundle.pt", "--port", "0"), 1, "/nowhere/bundle.pt")

    def test_broken_bundles_are_said_clearly(self):
        broken = pathlib.Path(self.folder.name) / "broken.pt"
        content = self.bundle.read_bytes()
        for damaged in (b"", b"not a bundle", content[: len(content) // 2]):
            broken.write_bytes(damaged)
            self.check_fails(serve("--bundle", broken, "--port", "0"), 1, "broken.pt")

    def test_newer_bundle_is_said_clearly(self):
        import torch
        extra = {"pulmo.json": ""}
        module = torch.jit.load(str(self.bundle), _extra_files=extra)
        metadata = json.loads(extra["pulmo.json"])
        key = next(key for key in metadata if "format" in key and isinstance(metadata[key], int))
        metadata[key] = 999
        newer = pathlib.Path(self.folder.name) / "newer.pt"
        torch.jit.save(module, str(newer), _extra_files={"pulmo.json": json.dumps(metadata)})
        self.check_fails(serve("--bundle", newer, "--port", "0"), 1, "newer.pt", "999")

    def test_wrong_usage_is_2(self):
        self.check_fails(serve("--port", "0"), 2, "--bundle")
        self.check_fails(serve("--bundle", self.bundle, "--port", "99999"), 2, "--port")
        self.check_fails(serve("--bundle", self.bundle, "--models", "x"), 2, "--models")

    def test_unknown_configuration_key_is_1(self):
        self.check_fails(serve("--bundle", self.bundle, "--set", "serve.prot=1"), 1, "serve.prot")

    def test_help_and_version(self):
        self.assertIn("--bundle", serve("--help").stdout)
        self.assertRegex(serve("--version").stdout, r"\d+\.\d+\.\d+")


class AddressTest(unittest.TestCase):
    def test_listens_on_ipv6_where_the_machine_has_it(self):
        if not pathlib.Path("/proc/net/if_inet6").exists():  # nothing to listen on
            return
        server = Server("serve.host='::1'", size_px=32, host="[::1]")
        with socket.create_connection(("::1", server.port), 20) as client:
            client.sendall(request("GET", "/v2/health/ready", headers="Connection: close\r\n"))
            self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 200"))
        self.assertEqual(server.stop(), 0)


class EndTest(unittest.TestCase):
    def test_sigterm_while_idle_ends_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = Server(size_px=32)
            with server.client() as kept:
                kept.send(request("GET", "/v2"))
                self.assertEqual(kept.reply().status, 200)
                server.process.send_signal(number)
                self.assertEqual(server.process.wait(20), 0)
            server.stop()

    def test_sigterm_under_load_loses_no_request(self):
        server = Server(size_px=96)
        lock = threading.Lock()
        outcomes = {"answered": 0, "refused": 0, "lost": []}
        stopping = threading.Event()

        def load(keep):
            connection = None
            while not stopping.is_set():
                try:
                    if connection is None:
                        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                        connection.connect()
                except OSError:
                    return  # nobody listens any more
                try:
                    connection.request("POST", "/v1/predict", PNG, {"Content-Type": "image/png"})
                    reply = connection.getresponse()
                    body = json.loads(reply.read())
                    with lock:
                        if reply.status == 200:
                            outcomes["answered"] += 1
                        else:
                            outcomes["refused"] += 1
                            self.assertEqual((reply.status, body["error"]["code"]), (503, "shutting_down"))
                    if not keep or reply.getheader("Connection") == "close":
                        connection.close()
                        connection = None
                        if reply.status == 503 or ended.is_set():
                            return
                except (OSError, http.client.HTTPException) as error:
                    with lock:
                        outcomes["lost"].append(repr(error))
                    return

        ended = threading.Event()
        threads = [CheckedThread(target=load, args=(index % 2 == 0,)) for index in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        before = outcomes["answered"]
        ended.set()
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(40)
        stopping.set()
        for thread in threads:
            thread.join()
        server.stop()
        self.assertEqual(code, 0)
        self.assertEqual(outcomes["lost"], [])
        self.assertGreater(before, 0)
        self.assertGreaterEqual(outcomes["answered"], before)

    def test_readiness_falls_and_liveness_stays_while_requests_finish(self):
        server = Server("limits.body_timeout_s=30", size_px=32)
        head = request("POST", "/v1/predict", headers=f"Content-Type: image/png\r\nContent-Length: {len(PNG)}\r\n")
        with server.client() as slow:
            slow.send(head + PNG[:100])
            wait_for(lambda: server.metric("pulmo_upload_bytes") > 0, "the upload has begun")
            server.process.send_signal(signal.SIGTERM)
            wait_for(lambda: server.get("/v2/health/ready").status == 503, "the server shuts down")
            self.assertEqual(server.get("/v2/health/live").status, 200)
            late = server.post(PNG, "image/png")
            self.assertEqual((late.status, late.code()), (503, "shutting_down"))
            self.assertIn("retry-after", late.headers)
            slow.send(PNG[100:])
            reply = slow.reply()
            self.assertEqual(reply.status, 200)
            self.assertEqual(reply.headers["connection"], "close")
        self.assertEqual(server.process.wait(20), 0)
        server.stop()

    def test_grace_period_is_bounded(self):
        server = Server("serve.shutdown_grace_s=1", size_px=32)
        with server.client() as stuck:
            stuck.send(request("POST", "/v1/predict", headers="Content-Type: image/png\r\nContent-Length: 9999\r\n") + b"x")
            wait_for(lambda: server.metric("pulmo_upload_bytes") > 0, "the upload has begun")
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(10), 0)
        server.stop()

    def test_what_is_not_done_after_the_grace_period_is_told_so(self):
        server = Server("serve.shutdown_grace_s=0.05", "serve.workers=1", "batch.per_request=8", size_px=96)
        kind, slices = multipart([(f"{i}.png", "image/png", PNG) for i in range(40)])
        archive = zipped([(f"{i}.png", PNG) for i in range(40)])
        sent = [("/v1/predict", kind, slices)] * 6 + [("/v1/predict", "application/zip", archive)] * 6
        clients = [server.connect(60) for _ in sent]
        for client, (path, kind, body) in zip(clients, sent):
            client.send(request("POST", path, body, f"Content-Type: {kind}\r\n"))
        wait_for(lambda: server.metric("pulmo_in_progress") >= 40, "the work has begun")
        server.process.send_signal(signal.SIGTERM)
        replies = [client.reply() for client in clients]
        late = [reply for reply in replies if reply.status != 200]
        self.assertTrue(late)
        for reply in late:
            self.assertEqual((reply.status, reply.code()), (503, "shutting_down"))
            self.assertEqual(reply.headers["retry-after"], "1")
        for client in clients:
            client.close()
        self.assertEqual(server.process.wait(20), 0)
        server.stop()

    def test_second_signal_ends_at_once(self):
        server = Server("serve.shutdown_grace_s=60", size_px=32)
        with server.client() as stuck:
            stuck.send(request("POST", "/v1/predict", headers="Content-Type: image/png\r\nContent-Length: 9999\r\n") + b"x")
            wait_for(lambda: server.metric("pulmo_upload_bytes") > 0, "the upload has begun")
            server.process.send_signal(signal.SIGTERM)
            wait_for(lambda: "shutting down" in server.log(), "the server shuts down")
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.wait(5), 1)
        server.stop()


class OverloadTest(unittest.TestCase):
    def test_what_does_not_fit_is_refused_and_the_rest_is_answered(self):
        server = Server("batch.queue=4", "limits.files=4", size_px=96)
        replies = []
        lock = threading.Lock()

        def client():
            for _ in range(5):
                reply = server.post(PNG, "image/png")
                with lock:
                    replies.append(reply)

        threads = [CheckedThread(target=client) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        statuses = [reply.status for reply in replies]
        self.assertEqual(len(statuses), 120)
        self.assertEqual(set(statuses), {200, 503})
        for reply in replies:
            if reply.status == 503:
                self.assertEqual((reply.code(), reply.headers["retry-after"]), ("queue_full", "1"))
        text = server.get("/metrics").body.decode()
        self.assertIn(f'pulmo_rejected_total{{reason="queue_full"}} {statuses.count(503)}', text)
        self.assertIn("pulmo_in_progress 0", text)
        self.assertIn("pulmo_upload_bytes 0", text)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
