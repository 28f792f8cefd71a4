"""configs/nginx-pulmo.conf, as it stands, in a real nginx in front of a real pulmo-serve."""

import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from keys_test import keygen
from sample_images import chest, encode
from server_process import SOURCE, Client, Server, request, wait_for
from tls_test import make_certificate

PNG = encode(chest(), "png")
NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def upload(length, headers=""):
    """The head of one."""
    return request("POST", "/v1/predict", headers=f"Content-Type: image/png\r\nContent-Length: {length}\r\n{headers}")


class Proxy:
    """nginx with our configuration; only its addresses and paths are those of the test."""

    def __init__(self, folder, backend):
        self.folder, self.port = folder, free_port()
        self.certificate, key = make_certificate(folder, "localhost")
        self.bodies = folder / "bodies"
        text = (SOURCE / "configs/nginx-pulmo.conf").read_text()
        for there, here in (("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"), ("127.0.0.1:8080", f"127.0.0.1:{backend}"),
                            ("PULMO.EXAMPLE.ORG", "localhost"), ("/etc/ssl/PULMO.pem", str(self.certificate)),
                            ("/etc/ssl/PULMO.key", str(key)), ("/run/pulmo-nginx", str(self.bodies))):
            assert text.count(there) == 1, there
            text = text.replace(there, here)
        (folder / "site.conf").write_text(text)
        user = "user root;" if os.geteuid() == 0 else ""
        paths = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "nginx.conf").write_text(f"{user} daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log;"
                                           f"events {{}} http {{ {paths} include {folder}/site.conf; }}")
        command = [NGINX, "-p", folder, "-c", folder / "nginx.conf"]
        subprocess.run([*command, "-t"], check=True, capture_output=True)
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.context = ssl.create_default_context(cafile=self.certificate)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise AssertionError((folder / "log").read_text())
                time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def client(self):
        client = Client(self.port)
        client.socket = self.context.wrap_socket(client.socket, server_hostname="localhost")
        return client

    def exchange(self, data):
        client = self.client()
        client.send(data)
        reply = client.reply()
        client.close()
        return reply


class BehindProxy(unittest.TestCase):
    """A server and nginx before it, which setUpClass() of a class begins in `folder`."""

    @classmethod
    def tearDownClass(cls):
        cls.proxy.stop()
        code = cls.server.stop()
        shutil.rmtree(cls.folder)
        if code != 0:
            raise AssertionError(f"the server ended with {code}")


class ProxyTest(BehindProxy):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="pulmo-nginx-"))
        cls.server = Server("security.trusted_proxies=[127.0.0.1]", "security.requests_per_s=20", "security.burst=40")
        cls.proxy = Proxy(cls.folder, cls.server.port)

    def curl(self, *arguments):
        done = subprocess.run(["curl", "--silent", "--show-error", "--cacert", self.proxy.certificate, "-w", " %{http_code}",
                               *arguments, f"https://localhost:{self.proxy.port}/v1/predict"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.rsplit(" ", 1)

    def test_a_slice_is_predicted(self):
        picture = self.folder / "slice.png"
        picture.write_bytes(PNG)
        body, status = self.curl("-H", "Content-Type: image/png", "--data-binary", f"@{picture}")
        self.assertEqual(status, "200", body)
        body, status = self.curl("-F", f"file=@{picture}")
        self.assertEqual(status, "200", body)

    def test_a_chunked_upload_arrives_with_a_length(self):
        picture = self.folder / "chunked.png"
        picture.write_bytes(PNG)
        body, status = self.curl("-H", "Content-Type: image/png", "-H", "Transfer-Encoding: chunked", "--data-binary",
                                 f"@{picture}")
        self.assertEqual(status, "200", body)

    def test_a_chunk_split_between_cr_and_lf_is_harmless(self):
        client = self.proxy.client()
        client.send(request("POST", "/v1/predict", headers="Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n"))
        client.send(f"{len(PNG):x}\r\n".encode() + PNG + b"\r")
        time.sleep(0.2)
        client.send(b"\n0\r\n\r\n")
        self.assertEqual(client.reply().status, 200)
        client.close()

    def test_a_slow_upload_reaches_the_server_only_when_it_is_whole(self):
        client = self.proxy.client()
        client.send(request("POST", "/v1/predict", headers=f"Content-Type: image/png\r\nContent-Length: {len(PNG)}\r\n") +
                    PNG[:1000])
        time.sleep(0.5)
        self.assertIn("\npulmo_upload_bytes 0\n", self.server.get("/metrics").body.decode())
        client.send(PNG[1000:])
        self.assertEqual(client.reply().status, 200)
        client.close()

    def test_a_large_upload_leaves_nothing_on_the_disk(self):
        written = []
        client = self.proxy.client()
        body = os.urandom(5_000_000)
        client.send(request("POST", "/v1/predict", headers=f"Content-Type: image/png\r\nContent-Length: {len(body)}\r\n"))
        for at in range(0, len(body), 500_000):
            client.send(body[at:at + 500_000])
            time.sleep(0.02)
            written += [path for path in self.bodies() if path.is_file()]
        self.assertEqual(client.reply().status, 422)
        self.assertEqual(written + list(self.bodies()), [])
        client.close()

    def bodies(self):
        return [path for path in self.proxy.bodies.rglob("*") if path.is_file()]

    def test_too_much_is_refused_before_it_is_sent(self):
        client = self.proxy.client()
        client.send(request("POST", "/v1/predict", headers="Content-Type: image/png\r\nContent-Length: 268435457\r\n"))
        self.assertEqual(client.reply().status, 413)
        client.close()

    def test_the_page_comes_with_its_security_headers(self):
        reply = self.proxy.exchange(request("GET", "/", headers="Connection: close\r\n"))
        self.assertEqual(reply.status, 200)
        self.assertIn("default-src 'none'", reply.headers["content-security-policy"])
        self.assertIn("max-age", reply.headers["strict-transport-security"])
        self.assertEqual(reply.headers["x-content-type-options"], "nosniff")

    def test_a_client_cannot_choose_the_address_it_is_counted_by(self):
        client = self.proxy.client()
        statuses = []
        for i in range(120):
            client.send(request("GET", "/v2", headers=f"X-Forwarded-For: 198.51.100.{i}\r\n"))
            reply = client.reply()
            statuses.append((reply.status, "x-request-id" in reply.headers))
        self.assertIn((429, True), statuses)  # of pulmo-serve
        client.close()
        time.sleep(2.5)  # for the tests that follow

    def test_expect_is_answered(self):
        client = self.proxy.client()
        client.send(request("POST", "/v1/predict", headers=f"Content-Type: image/png\r\nContent-Length: {len(PNG)}\r\n"
                                                           "Expect: 100-continue\r\n"))
        self.assertEqual(client.reply().status, 100)
        client.send(PNG)
        self.assertEqual(client.reply().status, 200)
        client.close()

    def test_a_page_of_the_server_may_change_things_and_one_of_another_origin_may_not(self):
        host = f"localhost:{self.proxy.port}"
        for origin, status in ((f"https://{host}", 404), ("https://evil.example", 403), ("https://localhost", 403)):
            head = f"DELETE /v1/jobs/0 HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\r\n"
            self.assertEqual(self.proxy.exchange(head.encode()).status, status, origin)

    def test_too_many_requests_at_once_are_answered_so_that_the_page_understands(self):
        clients = [self.proxy.client() for _ in range(6)]
        try:
            for client in clients:
                client.send(upload(200_000_000))
                time.sleep(0.1)  # for nginx to have seen it
            for client in clients[4:]:
                reply = client.reply()
                self.assertEqual((reply.status, reply.code(), reply.headers["retry-after"]), (429, "rate_limited", "1"))
            self.assertEqual(self.proxy.exchange(upload(len(PNG)) + PNG).status, 200)  # small ones are not counted there
        finally:
            for client in clients:
                client.close()
        wait_for(lambda: self.large_is_taken(), "nginx has forgotten them")

    def large_is_taken(self):
        client = self.proxy.client()
        client.send(upload(200_000_000))
        client.socket.settimeout(0.3)
        try:
            return client.reply().status != 429
        except TimeoutError:
            return True  # it waits for the body
        finally:
            client.close()

    def test_a_chunked_upload_is_counted_as_a_large_one(self):
        clients = [self.proxy.client() for _ in range(5)]
        try:
            for client in clients:
                client.send(request("POST", "/v1/predict", headers="Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n"))
                time.sleep(0.1)
            self.assertEqual(clients[4].reply().status, 429)
        finally:
            for client in clients:
                client.close()
        wait_for(lambda: self.large_is_taken(), "nginx has forgotten them")

    def test_where_no_pictures_are_taken_bodies_are_small(self):
        for path, status in (("/v1/jobs/1", 413), ("/v2/repository/index", 413), ("/v1/predict/more", 413)):
            reply = self.proxy.exchange(request("POST", path, headers="Content-Length: 100000\r\n"))
            self.assertEqual(reply.status, status, path)
        self.assertEqual(self.proxy.exchange(request("POST", "/v2/repository/index", b"{}")).status, 200)


class KeysTest(BehindProxy):
    """With keys nginx asks pulmo-serve before it reads an upload."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="pulmo-nginx-"))
        line, cls.key = keygen("ward")
        (cls.folder / "keys").write_text(line)
        cls.server = Server("security.trusted_proxies=[127.0.0.1]", f"security.keys_file={cls.folder / 'keys'}",
                            "security.origins=['https://viewer.example.org']", "security.requests_per_s=0.1", "security.burst=6")
        cls.proxy = Proxy(cls.folder, cls.server.port)

    def test_without_a_key_no_body_is_read(self):
        for length in ("Content-Length: 200000000", "Transfer-Encoding: chunked"):
            for path in ("/v1/predict?preview=1", "/v1/explain", "/v2/models/a/infer", "/v2/models/a/versions/1/infer"):
                for headers in ("", "X-API-Key: wrong\r\n"):
                    reply = self.proxy.exchange(request("POST", path, headers=f"Content-Type: image/png\r\n{length}\r\n{headers}"))
                    self.assertEqual((reply.status, reply.code()), (401, "unauthorized"), path)
                    self.assertEqual(reply.headers["www-authenticate"], 'Bearer realm="pulmo"')
        self.assertEqual(self.proxy.exchange(request("GET", "/v1/models")).status, 401)
        self.assertEqual(self.proxy.exchange(request("GET", "/pulmo-key")).status, 404)

    def test_a_browser_may_ask_whether_it_may_send_a_key(self):
        reply = self.proxy.exchange(request("OPTIONS", "/v1/predict", headers="Origin: https://viewer.example.org\r\n"
                                                                             "Access-Control-Request-Method: POST\r\n"))
        self.assertEqual((reply.status, reply.headers["access-control-allow-origin"]), (204, "https://viewer.example.org"))

    def test_with_a_key_slices_are_predicted_until_its_rate_is_used_up(self):
        replies = [self.proxy.exchange(upload(len(PNG), f"Authorization: Bearer {self.key}\r\n") + PNG) for _ in range(5)]
        self.assertEqual([reply.status for reply in replies], [200, 200, 200, 429, 429])  # two of six each
        self.assertEqual(replies[4].code(), "rate_limited")
        self.assertIn("x-request-id", replies[4].headers)  # pulmo-serve has said so


if __name__ == "__main__":
    unittest.main(verbosity=2)
