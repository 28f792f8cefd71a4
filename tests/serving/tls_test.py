"""HTTPS by the server itself, with the clients that people use: Python, curl, openssl s_client; and with hostile ones."""

import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from sample_images import chest, encode
from server_process import Client, Server, request

PNG = encode(chest(), "png")
HEAD_TIMEOUT_S = 2.5


def make_certificate(folder, name, kind=("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", *kind, "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj",
                    f"/CN={name}", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return certificate, key


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="pulmo-tls-"))
        cls.certificate, cls.key = make_certificate(cls.folder, "first")
        cls.context = ssl.create_default_context(cafile=cls.certificate)
        cls.server = Server(f"tls.certificate={cls.certificate}", f"tls.key={cls.key}", f"limits.head_timeout_s={HEAD_TIMEOUT_S}",
                            "limits.idle_timeout_s=3", "limits.connections=60", "limits.write_timeout_s=3", tls=cls.context)

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        shutil.rmtree(cls.folder)
        if code != 0:
            raise AssertionError(f"the server ended with {code}:\n{cls.server.last_log[-2000:]}")

    def tearDown(self):
        self.server.check_healthy(self)

    def curl(self, *arguments):
        done = subprocess.run(["curl", "--silent", "--show-error", "--cacert", self.certificate, *arguments,
                               ], capture_output=True)
        return done.returncode, done.stdout, done.stderr

    def url(self, path):
        return f"https://localhost:{self.server.port}{path}"

    def test_the_log_names_the_scheme(self):
        self.assertIn(f"listening address=https://127.0.0.1:{self.server.port}", self.server.log())

    def test_curl_posts_a_slice(self):
        picture = self.folder / "slice.png"
        picture.write_bytes(PNG)
        code, out, err = self.curl("-H", "Content-Type: image/png", "--data-binary", f"@{picture}", "-w", " %{http_code}",
                                   self.url("/v1/predict"))
        self.assertEqual(code, 0, err)
        self.assertTrue(out.endswith(b" 200"), out)
        code, out, err = self.curl("-F", f"file=@{picture}", "-F", f"file=@{picture}", self.url("/v1/predict"))
        self.assertEqual(out.count(b'"class"'), 2, out)

    def test_both_modern_versions_and_only_those(self):
        for version, good in (("-tls1_2", True), ("-tls1_3", True), ("-tls1_1", False), ("-tls1", False)):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", version, "-cipher",
                                   "ALL:@SECLEVEL=0", "-CAfile", self.certificate], input=b"", capture_output=True)
            self.assertEqual(b"Verify return code: 0 (ok)" in done.stdout and b"Cipher is (NONE)" not in done.stdout, good,
                             (version, done.stdout[-600:], done.stderr[-300:]))

    def test_no_cipher_without_forward_secrecy(self):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", "-tls1_2", "-cipher",
                               "AES128-GCM-SHA256:AES128-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"], input=b"",
                              capture_output=True)
        self.assertIn(b"Cipher is (NONE)", done.stdout)

    def test_http_1_1_is_agreed_on_and_http_2_alone_is_refused(self):
        context = ssl.create_default_context(cafile=self.certificate)
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(socket.create_connection(("127.0.0.1", self.server.port)),
                                 server_hostname="localhost") as client:
            self.assertEqual(client.selected_alpn_protocol(), "http/1.1")
        context.set_alpn_protocols(["h2"])
        with self.assertRaises(ssl.SSLError):
            context.wrap_socket(socket.create_connection(("127.0.0.1", self.server.port)), server_hostname="localhost")

    def test_kept_and_pipelined_requests(self):
        with self.server.client() as client:
            client.send(request("POST", "/v1/predict", PNG, "Content-Type: image/png\r\n") + request("GET", "/v2") +
                        request("GET", "/metrics") * 20)
            replies = [client.reply() for _ in range(22)]
            self.assertEqual({reply.status for reply in replies}, {200})
            client.send(request("GET", "/v2", headers="Connection: close\r\n"))
            self.assertEqual(client.reply().headers["connection"], "close")
            self.assertEqual(client.socket.recv(1), b"")  # a goodbye of TLS, else this raises

    def test_a_large_upload_with_expect(self):
        body = os.urandom(3_000_000)
        with self.server.client() as client:
            client.send(request("POST", "/v1/predict", headers="Content-Type: image/png\r\nExpect: 100-continue\r\n"
                                                               f"Content-Length: {len(body)}\r\n"))
            self.assertEqual(client.reply().status, 100)
            client.send(body)
            self.assertEqual(client.reply().status, 422)

    def test_a_client_that_says_goodbye_is_answered(self):
        with self.server.client() as client:
            client.send(request("POST", "/v1/predict", PNG, "Content-Type: image/png\r\n"))
            self.assertEqual(client.reply().status, 200)
            client.socket.unwrap()

    # RFC 8446, 6.1. Some versions of OpenSSL take the end of the connection for it: here its bytes are asked for.
    def test_a_goodbye_in_an_idle_moment_is_answered_by_one(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as plain:
            def go_on(step):
                while True:
                    try:
                        done = step()
                        plain.sendall(outgoing.read())
                        return done
                    except ssl.SSLWantReadError:
                        plain.sendall(outgoing.read())
                        incoming.write(plain.recv(65536))

            go_on(tls.do_handshake)
            tls.write(request("GET", "/v2/health/live"))
            self.assertIn(b"200", go_on(lambda: tls.read(65536)))
            try:
                tls.unwrap()
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
            answer = b""
            while part := plain.recv(65536):
                answer += part
            self.assertTrue(answer)

    def test_plain_http_is_told_so(self):
        client = Client(self.server.port)
        client.send(request("GET", "/v2"))
        reply = client.reply()
        self.assertEqual((reply.status, reply.code(), reply.headers["connection"]), (400, "plain_http", "close"))
        self.assertTrue(client.at_end())
        client.close()

    def test_garbage_is_ended(self):
        for data in (b"\x16\x03\x01\x00\x05hello", b"\0" * 3000, b"SSH-2.0-x\r\n", os.urandom(5000), b"\x80\x2e\x01\x00\x02"):
            client = Client(self.server.port)
            client.send(data)
            while client._read():
                pass
            client.close()

    def test_garbage_after_the_handshake_is_ended(self):
        raw = socket.create_connection(("127.0.0.1", self.server.port), 10)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = self.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.sendall(outgoing.read())
                incoming.write(raw.recv(65536))
        raw.sendall(outgoing.read())
        session.write(request("GET", "/v2"))
        raw.sendall(outgoing.read() + b"\x17\x03\x03\x00\x20" + b"x" * 32)  # a good record, then a forged one
        begin = time.monotonic()
        try:
            while raw.recv(65536):
                pass
        except ConnectionResetError:
            pass
        self.assertLess(time.monotonic() - begin, HEAD_TIMEOUT_S - 0.3)  # at once, not by a time limit
        raw.close()

    def test_silent_and_slow_handshakes_are_ended(self):
        silent = Client(self.server.port)
        begin = time.monotonic()
        self.assertTrue(silent.at_end())
        self.assertLess(time.monotonic() - begin, 4)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = self.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with self.assertRaises(ssl.SSLWantReadError):
            session.do_handshake()
        raw = socket.create_connection(("127.0.0.1", self.server.port), 10)
        raw.settimeout(0.02)
        begin = time.monotonic()
        ended = False
        for byte in outgoing.read():
            try:
                raw.sendall(bytes([byte]))
                ended = raw.recv(1) == b""
            except TimeoutError:
                pass
            except (BrokenPipeError, ConnectionResetError):
                ended = True
            if ended:
                break
        self.assertTrue(ended)
        self.assertLess(time.monotonic() - begin, 6)
        raw.close()

    def test_a_handshake_in_single_bytes_works(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = self.context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        raw = socket.create_connection(("127.0.0.1", self.server.port), 10)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    raw.sendall(bytes([byte]))
                incoming.write(raw.recv(65536))
        session.write(request("GET", "/v2/health/live", headers="Connection: close\r\n"))
        raw.sendall(outgoing.read())
        while data := raw.recv(65536):
            incoming.write(data)
        self.assertIn(b"200 OK", session.read(65536))
        raw.close()

    def test_a_reader_that_stops_is_dropped_and_burns_no_processor(self):
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", self.server.port))
        slow.settimeout(20)
        client = self.context.wrap_socket(slow, server_hostname="localhost")
        client.sendall(request("GET", "/metrics") * 200)
        time.sleep(0.5)
        before = self.server.cpu_seconds()
        time.sleep(1)
        self.assertLess(self.server.cpu_seconds() - before, 0.3)
        time.sleep(3)
        with self.assertRaises((ssl.SSLError, ConnectionResetError, EOFError)):
            while client.recv(1 << 16):
                pass
            raise EOFError
        client.close()

    def test_abandoned_handshakes_leave_nothing_behind(self):
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
        before = self.server.descriptors()
        for _ in range(200):
            client = Client(self.server.port)
            client.send(hello)
            client.close()
        deadline = time.monotonic() + 10
        while self.server.descriptors() > before + 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertLessEqual(self.server.descriptors(), before + 4)

    def test_renegotiation_is_refused(self):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", "-tls1_2", "-CAfile",
                               self.certificate], input=b"R\n", capture_output=True, timeout=20)
        self.assertIn(b"no renegotiation", done.stderr)


class CertificateTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pulmo-tls-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def served_name(self, server):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(socket.create_connection(("127.0.0.1", server.port))) as client:
            text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"],
                                  input=client.getpeercert(True), capture_output=True, check=True).stdout
            return text.decode().strip().removeprefix("subject=").replace(" ", "")

    def test_a_new_certificate_is_taken_at_sighup_and_a_bad_one_is_not(self):
        certificate, key = make_certificate(self.folder, "old")
        server = Server(f"tls.certificate={certificate}", f"tls.key={key}")
        try:
            self.assertEqual(self.served_name(server), "CN=old")
            other, other_key = make_certificate(self.folder, "new", ("-newkey", "rsa:2048"))
            shutil.copy(other, certificate)
            shutil.copy(other_key, key)
            server.process.send_signal(signal.SIGHUP)
            self.wait(lambda: self.served_name(server) == "CN=new")
            certificate.write_text("nothing")
            server.process.send_signal(signal.SIGHUP)
            self.wait(lambda: "tls.certificate" in server.log())
            self.assertEqual(self.served_name(server), "CN=new")
        finally:
            self.assertEqual(server.stop(), 0)

    def wait(self, condition):
        deadline = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_what_does_not_fit_is_refused_at_the_start(self):
        certificate, _ = make_certificate(self.folder, "one")
        _, key = make_certificate(self.folder, "two")
        for settings in ((f"tls.certificate={certificate}", f"tls.key={key}"),
                         (f"tls.certificate={certificate}", f"tls.key={self.folder}/none")):
            with self.assertRaisesRegex(AssertionError, "tls.key"):
                Server(*settings)


if __name__ == "__main__":
    unittest.main(verbosity=2)
