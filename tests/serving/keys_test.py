"""API keys, rate limits and cross-origin requests, at the real server."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import unittest

from sample_images import chest, encode
from server_process import BIN, Server, request

PNG = encode(chest(), "png")


def keygen(name):
    """(line of the keys file, key)"""
    done = subprocess.run([BIN / "pulmo-serve", "keygen", "--name", name], capture_output=True, text=True, check=True)
    return done.stdout, re.search(r"pulmo_[A-Za-z0-9_-]+", done.stderr).group(0)


class KeygenTest(unittest.TestCase):
    def test_the_line_holds_the_digest_of_the_key(self):
        line, key = keygen("ward-3")
        self.assertEqual(line, f"ward-3 sha256:{hashlib.sha256(key.encode()).hexdigest()}\n")
        self.assertEqual(len(key), len("pulmo_") + 43)
        self.assertNotEqual(keygen("ward-3")[1], key)

    def test_a_name_that_would_break_the_file_is_refused(self):
        for name in ("", "a b", "x\ny sha256:0", "é", "a" * 65):
            done = subprocess.run([BIN / "pulmo-serve", "keygen", "--name", name], capture_output=True)
            self.assertEqual(done.returncode, 2, name)


class KeysTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="pulmo-keys-"))
        cls.file = cls.folder / "keys"
        lines, cls.keys = zip(*(keygen(name) for name in ("viewer", "research", "late")))
        cls.lines = lines
        cls.file.write_text("# who may ask\n\n" + lines[0] + lines[1])
        cls.server = Server(f"security.keys_file={cls.file}", "security.open_metrics=false", "security.requests_per_s=2",
                            "security.burst=5")

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        log = cls.server.last_log
        shutil.rmtree(cls.folder)
        if code != 0 or any(key in log for key in cls.keys):
            raise AssertionError(f"the server ended with {code}, or logged a key:\n{log[-2000:]}")

    def predict(self, headers):
        return self.server.post(PNG, "image/png", headers=headers)

    def test_without_a_key_nothing_is_predicted_and_no_body_is_read(self):
        with self.server.client() as client:
            client.send(request("POST", "/v1/predict", headers="Content-Type: image/png\r\nContent-Length: 40000000\r\n"))
            reply = client.reply()  # none of the body has been sent
            self.assertEqual((reply.status, reply.code()), (401, "unauthorized"))
            self.assertEqual(reply.headers["www-authenticate"], 'Bearer realm="pulmo"')
            self.assertEqual(reply.headers["connection"], "close")
            self.assertTrue(client.at_end())

    def test_wrong_keys_are_refused(self):
        key = self.keys[0]
        for headers in (f"X-API-Key: {key[:-1]}\r\n", f"X-API-Key: {key}x\r\n", "X-API-Key:\r\n", "Authorization: Bearer\r\n",
                        f"Authorization: Basic {key}\r\n", f"Authorization: {key}\r\n", f"X-API-Key: {'a' * 5000}\r\n",
                        f"X-API-Key: {self.keys[2]}\r\n", f"Cookie: key={key}\r\n"):
            self.assertEqual(self.predict(headers).status, 401, headers)
        self.assertEqual(self.server.post(PNG, "image/png", path=f"/v1/predict?key={key}").status, 401)

    def test_health_and_the_page_are_open_and_the_rest_is_not(self):
        for path in ("/", "/openapi.json", "/v2/health/live", "/v2/health/ready"):
            self.assertEqual(self.server.get(path).status, 200, path)
        for path in ("/metrics", "/v2", "/v2/models/conventional_cnn", "/v1/nothing", "/%76%31/predict", "/v2/health/other"):
            self.assertEqual(self.server.get(path).status, 401, path)
        for method in ("PUT", "DELETE", "PATCH"):
            self.assertEqual(self.server.exchange(request(method, "/", b"")).status, 401, method)

    def test_each_key_has_a_rate_of_its_own(self):
        time.sleep(3)  # full buckets
        viewer, research = (f"Authorization: Bearer {key}\r\n" for key in self.keys[:2])
        with self.server.client() as client:
            client.send(request("GET", "/v2", headers=viewer) * 12)
            replies = [client.reply() for _ in range(12)]
        statuses = [reply.status for reply in replies]
        self.assertEqual(statuses[:5], [200] * 5)
        self.assertGreater(statuses.count(429), 4)
        refused = next(reply for reply in replies if reply.status == 429)
        self.assertEqual((refused.code(), refused.headers["retry-after"]), ("rate_limited", "1"))
        self.assertEqual(self.server.get("/v2", research).status, 200)
        time.sleep(1.1)
        self.assertEqual(self.server.get("/v2", viewer).status, 200)
        for _ in range(20):
            self.assertEqual(self.server.get("/v2/health/live").status, 200)  # open addresses are not counted

    def test_the_file_is_read_again_when_it_changes(self):
        late = f"X-API-Key: {self.keys[2]}\r\n"
        self.assertEqual(self.server.get("/v2", late).status, 401)
        self.replace("".join(self.lines))
        self.wait(lambda: self.server.get("/v2", late).status == 200)
        self.replace("not a line\n")
        self.wait(lambda: "keys not read again" in self.server.log() or self.server.get("/v2", late).status != 200)
        self.assertIn(self.server.get("/v2", late).status, (200, 429))
        self.replace("".join(self.lines[:2]))
        self.wait(lambda: self.server.get("/v2", late).status == 401)

    def replace(self, text):
        aside = self.folder / "aside"
        aside.write_text(text)
        os.utime(aside, (time.time(), time.time()))
        aside.rename(self.file)

    def wait(self, condition):
        deadline = time.monotonic() + 15
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.3)


class AddressTest(unittest.TestCase):
    def test_without_keys_addresses_are_limited_and_a_trusted_proxy_is_believed(self):
        server = Server("security.requests_per_s=0.01", "security.burst=2", "security.trusted_proxies=[127.0.0.1]")
        try:
            def statuses(forwarded):
                header = f"X-Forwarded-For: {forwarded}\r\n" if forwarded else ""
                return [server.get("/v2", header).status for _ in range(3)]

            self.assertEqual(statuses("198.51.100.7"), [200, 200, 429])
            self.assertEqual(statuses("198.51.100.8"), [200, 200, 429])
            self.assertEqual(statuses("198.51.100.9, 198.51.100.7"), [429, 429, 429])  # the client cannot choose the last
            self.assertEqual(statuses("2001:db8::1"), [200, 200, 429])
            self.assertEqual(statuses("2001:db8::ffff"), [429, 429, 429])  # the same /64
            self.assertEqual(statuses("nonsense"), [200, 200, 429])
            self.assertEqual(statuses(None), [429, 429, 429])  # counted like the nonsense: by the proxy's own address
        finally:
            self.assertEqual(server.stop(), 0)

    def test_an_untrusted_address_is_not_believed(self):
        server = Server("security.requests_per_s=0.01", "security.burst=2")
        try:
            answers = [server.get("/v2", f"X-Forwarded-For: 198.51.100.{i}\r\n").status for i in range(4)]
            self.assertEqual(answers, [200, 200, 429, 429])
            self.assertEqual(server.get("/metrics").status, 200)
        finally:
            self.assertEqual(server.stop(), 0)


class CrossOriginTest(unittest.TestCase):
    ORIGIN = "https://viewer.example.org"

    def preflight(self, server, origin):
        return server.exchange(request("OPTIONS", "/v1/predict", headers=f"Origin: {origin}\r\nAccess-Control-Request-Method: "
                                                                         "POST\r\nAccess-Control-Request-Headers: x-api-key\r\n"))

    def test_configured_origins_may_ask_and_others_may_not(self):
        server = Server(f"security.origins=[{self.ORIGIN}]")
        try:
            reply = self.preflight(server, self.ORIGIN)
            self.assertEqual(reply.status, 204)
            self.assertEqual(reply.headers["access-control-allow-origin"], self.ORIGIN)
            self.assertIn("POST", reply.headers["access-control-allow-methods"])
            for header in ("X-API-Key", "Inference-Header-Content-Length"):  # the latter for binary tensors
                self.assertIn(header, reply.headers["access-control-allow-headers"])
            self.assertIn("Inference-Header-Content-Length", reply.headers["access-control-expose-headers"])
            self.assertEqual(reply.headers["vary"], "Origin")
            self.assertNotIn("access-control-allow-credentials", reply.headers)
            for body, status in ((PNG, 200), (b"no picture", 422)):
                reply = server.post(body, "image/png", headers=f"Origin: {self.ORIGIN}\r\n")
                self.assertEqual((reply.status, reply.headers["access-control-allow-origin"]), (status, self.ORIGIN))
            reply = server.get("/nowhere", f"Origin: {self.ORIGIN}\r\n")
            self.assertEqual((reply.status, reply.headers["access-control-allow-origin"]), (404, self.ORIGIN))
            for origin in ("https://evil.example.org", "null", self.ORIGIN + ".evil.org", "https://viewer.example.org:444"):
                for reply in (self.preflight(server, origin), server.get("/v2", f"Origin: {origin}\r\n")):
                    self.assertNotIn("access-control-allow-origin", reply.headers)
                    self.assertEqual(reply.headers["vary"], "Origin")
        finally:
            self.assertEqual(server.stop(), 0)

    def change(self, server, headers, method="POST", path="/v2/repository/index"):
        """The reply to what an HTML form can send; Host is "test"."""
        return server.exchange(request(method, path, b"{}", headers + "Content-Type: text/plain\r\n"))

    def test_pages_of_other_origins_cannot_make_a_browser_change_anything(self):
        server = Server("models.control=true")
        try:
            name = server.get("/v1/models").json()["default"]
            evil = "Origin: https://evil.example\r\n"
            for headers in (evil, evil + "Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: cross-site\r\n",
                            "Sec-Fetch-Site: same-site\r\n", "Origin: null\r\n", "Origin: http://test:81\r\n",
                            "Origin: http://test.evil.example\r\n", "Origin: test\r\n", "Origin: http://eviltest\r\n",
                            "Origin: http://test\r\nSec-Fetch-Site: cross-site\r\n"):
                for path in (f"/v2/repository/models/{name}/unload", "/v2/repository/index", f"/v2/models/{name}/infer"):
                    reply = self.change(server, headers, path=path)
                    self.assertEqual(reply.status, 403, headers + path)
                    self.assertIn("another origin", reply.json()["error"])
                for method, path in (("POST", "/v1/predict"), ("DELETE", "/v1/jobs/0"), ("PUT", "/")):
                    reply = self.change(server, headers, method, path)
                    self.assertEqual((reply.status, reply.code()), (403, "cross_site"), headers + path)
                self.assertEqual(server.get("/v1/models", headers).status, 200)
            with server.client() as client:  # and no body is waited for
                client.send(request("POST", "/v1/predict", headers=evil + "Content-Type: image/png\r\nContent-Length: 9999\r\n"))
                self.assertEqual(client.reply().status, 403)
            self.assertEqual(server.post(PNG, "image/png").status, 200)  # the model is still there
            self.assertGreater(server.metric('pulmo_rejected_total{reason="cross_site"}'), 50)
        finally:
            self.assertEqual(server.stop(), 0)

    def test_the_page_itself_and_programs_may(self):
        server = Server()
        try:
            for headers in ("", "Origin: http://test\r\n", "Origin: https://TEST\r\n", "Sec-Fetch-Site: same-origin\r\n",
                            "Sec-Fetch-Site: none\r\n", "Origin: https://proxy.example\r\nSec-Fetch-Site: same-origin\r\n"):
                self.assertEqual(self.change(server, headers).status, 200, headers)
        finally:
            self.assertEqual(server.stop(), 0)

    def test_configured_origins_may_change_things_too(self):
        for setting, evil in ((f"['{self.ORIGIN}']", 403), ("['*']", 200)):
            server = Server(f"security.origins={setting}")
            try:
                for origin, status in ((self.ORIGIN, 200), ("https://evil.example", evil)):
                    reply = self.change(server, f"Origin: {origin}\r\nSec-Fetch-Site: cross-site\r\n")
                    self.assertEqual(reply.status, status, setting + origin)
            finally:
                self.assertEqual(server.stop(), 0)

    def test_by_default_no_origin_may_ask(self):
        server = Server()
        try:
            for reply in (self.preflight(server, self.ORIGIN), server.get("/v2", f"Origin: {self.ORIGIN}\r\n")):
                self.assertFalse([name for name in reply.headers if name.startswith("access-control")])
        finally:
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
