"""Raw sockets against the real server: whatever a client sends, nothing hangs, kills or confuses it.

Each case names what Pistache 0.0.5 itself would do with it; docs/threat-model.md has the whole table, row by row."""

import random
import socket
import time
import unittest

from sample_images import chest, dicom, encode
from server_process import SANITIZED, CheckedThread, Server, request

GET = request("GET", "/v2/health/live")


class HostileClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("limits.head_timeout_s=1.5", "limits.body_timeout_s=4", "limits.idle_timeout_s=2.5",
                            "limits.write_timeout_s=3", "limits.connections=60", "limits.body_bytes=4194304",
                            "limits.upload_bytes=8388608")

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        if code != 0:
            raise AssertionError(f"the server ended with {code}:\n{cls.server.last_log[-2000:]}")

    def tearDown(self):
        self.server.check_healthy(self)

    def check_refused(self, data, status, code=None):
        with self.server.client() as client:
            client.send(data)
            reply = client.reply()
            self.assertEqual(reply.status, status, reply.body)
            self.assertEqual(reply.headers["connection"], "close")
            self.assertEqual(set(reply.json()["error"]), {"code", "message", "request_id"})
            self.assertEqual(reply.json()["error"]["request_id"], reply.headers["x-request-id"])
            if code:
                self.assertEqual(reply.code(), code)
            self.assertTrue(client.at_end())

    # Row 1: a chunk's CR and LF in two packets made a worker spin for ever.
    def test_chunked_is_refused_and_burns_no_processor(self):
        before = self.server.cpu_seconds()
        with self.server.client() as client:
            client.send(request("POST", "/v1/predict", headers="Transfer-Encoding: chunked\r\n"))
            self.assertEqual(client.reply().status, 411)
            client.send(b"5\r\nhello\r")
            time.sleep(0.5)
            client.send(b"\n0\r\n\r\n")
            self.assertTrue(client.at_end())
        self.assertLess(self.server.cpu_seconds() - before, 0.4)

    # Row 2: a client that does not read a large reply made a worker spin.
    def test_slow_reader_costs_nothing_and_is_dropped(self):
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", self.server.port))
        slow.settimeout(20)
        before = self.server.cpu_seconds()
        slow.sendall(request("GET", "/metrics") * 300)  # some 5 MB of replies
        time.sleep(1)
        self.assertLess(self.server.cpu_seconds() - before, 2.0 if SANITIZED else 0.5)
        self.server.check_healthy(self)
        time.sleep(3.5)  # write_timeout_s passes
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        with self.assertRaises((ConnectionResetError, EOFError)):
            while slow.recv(1 << 16):
                pass
            raise EOFError
        slow.close()

    # Row 3: a disconnect during a reply killed the process by SIGPIPE.
    def test_disconnects_during_replies_are_survived(self):
        for _ in range(50):
            client = self.server.connect()
            client.send(request("GET", "/page/app.js") * 20)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close by reset
            client.close()
        self.assertIsNone(self.server.process.poll())

    # Row 4 and 5: timers of Pistache answered 408 to requests that were being handled, and to idle connections.
    def test_idle_connection_is_closed_silently(self):
        with self.server.client() as client:
            self.assertTrue(client.at_end())

    def test_kept_connection_is_closed_silently_when_idle(self):
        with self.server.client() as client:
            client.send(GET)
            self.assertEqual(client.reply().status, 200)
            self.assertTrue(client.at_end())

    def test_slow_head_gets_408(self):
        self.check_refused(b"GET / HTT", 408, "timeout")

    def test_slow_head_cannot_be_stretched_byte_by_byte(self):
        with self.server.client() as client:
            client.socket.settimeout(0.05)
            reply = None
            for byte in b"GET / HTTP/1.1\r\nX: " + b"x" * 180:  # at most 10 s
                client.send(bytes([byte]))
                try:
                    reply = client.reply()
                    break
                except TimeoutError:
                    pass
            self.assertIsNotNone(reply)
            self.assertEqual(reply.status, 408)

    def test_slow_body_gets_408(self):
        self.check_refused(request("POST", "/v1/predict", headers="Content-Type: image/png\r\nContent-Length: 100\r\n") +
                           b"abc", 408, "timeout")

    # Row 6: the body of a refused request was parsed as the next request.
    def test_refused_body_is_not_the_next_request(self):
        smuggled = GET
        with self.server.client() as client:
            client.send(request("POST", "/v1/predict", headers="Content-Length: 5000000\r\n") + smuggled)
            self.assertEqual(client.reply().status, 413)
            self.assertTrue(client.at_end())

    def test_two_lengths_are_refused(self):
        self.check_refused(request("POST", "/v1/predict", headers="Content-Length: 3\r\nContent-Length: 60\r\n") + GET, 400)
        self.check_refused(request("POST", "/v1/predict", headers="Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") +
                           GET, 400)

    # Row 7: Expect: 100-continue was never answered.
    def test_expect_continue_is_answered(self):
        with self.server.client() as client:
            client.send(request("POST", "/v1/predict", headers="Content-Type: image/png\r\nExpect: 100-continue\r\n"
                                                               "Content-Length: 4\r\n"))
            self.assertEqual(client.reply().status, 100)
            client.send(b"oops")
            self.assertEqual(client.reply().status, 422)

    def test_expect_continue_is_refused_before_the_upload(self):
        with self.server.client() as client:
            client.send(request("POST", "/v1/predict", headers="Content-Type: text/plain\r\nExpect: 100-continue\r\n"
                                                               "Content-Length: 4\r\n"))
            self.assertEqual(client.reply().status, 415)
            self.assertTrue(client.at_end())

    # Row 8: a pipelined second request was lost.
    def test_pipelined_requests_are_all_answered_in_order(self):
        png = encode(chest(), "png")
        paths = ["/v2/health/live", "/v2", "/nowhere", "/openapi.json"]
        with self.server.client() as client:
            client.send(request("POST", "/v1/predict", png, "Content-Type: image/png\r\n") +
                        b"".join(request("GET", path) for path in paths))
            replies = [client.reply() for _ in range(5)]
        self.assertEqual([reply.status for reply in replies], [200, 200, 200, 404, 200])
        self.assertIn("results", replies[0].json())
        self.assertEqual(replies[2].json()["name"], "pulmo")

    # Row 9: Content-Length was allocated before it was checked.
    def test_declared_gigabytes_cost_no_memory(self):
        before = self.server.memory_kib("VmSize"), self.server.memory_kib("VmRSS")
        for length in (2 ** 30, 10 ** 10, 10 ** 17, 10 ** 25):
            self.check_refused(request("POST", "/v1/predict", headers="Content-Type: image/png\r\n"
                                                                      f"Content-Length: {length}\r\n") + b"x" * 1000, 413)
        clients = [self.server.connect() for _ in range(20)]
        for client in clients:  # allowed lengths, of which next to nothing comes
            client.send(request("POST", "/v1/predict", headers="Content-Type: image/png\r\nContent-Length: 4194304\r\n") +
                        b"x" * 1000)
        time.sleep(0.3)
        self.assertLess(self.server.memory_kib("VmSize") - before[0], 40_000)
        self.assertLess(self.server.memory_kib("VmRSS") - before[1], 20_000)
        for client in clients:
            client.close()

    def test_a_gigabyte_that_is_really_sent_is_refused_and_the_reply_can_be_read(self):
        before = self.server.memory_kib("VmRSS")
        with self.server.client() as client:
            client.send(request("POST", "/v1/predict", headers="Content-Type: image/png\r\nContent-Length: 1073741824\r\n"))
            block = b"\0" * (1 << 20)
            try:
                for _ in range(64):
                    client.socket.sendall(block)
            except (BrokenPipeError, ConnectionResetError, TimeoutError):  # the server has stopped reading
                pass
            reply = client.reply()
            self.assertEqual((reply.status, reply.code()), (413, "too_large"))
        self.assertLess(self.server.memory_kib("VmRSS") - before, 20_000)

    def test_uploads_over_the_common_budget_are_refused(self):
        body = b"\0" * (4 * 1024 * 1024 - 10)
        head = request("POST", "/v1/predict", headers="Content-Type: image/png\r\nContent-Length: 4194304\r\n")
        clients = [self.server.connect() for _ in range(3)]
        for client in clients:
            client.send(head + body)
        replies = [client.reply() for client in clients]
        self.assertIn(503, [reply.status for reply in replies])
        self.assertIn("upload_budget", [reply.code() for reply in replies])
        for client in clients:
            client.close()

    # Row 10: Connection: Close was said and not done.
    def test_connection_header_is_explicit_and_true(self):
        with self.server.client() as client:
            client.send(GET)
            self.assertEqual(client.reply().headers["connection"], "keep-alive")
            client.send(request("GET", "/v2", headers="Connection: close\r\n"))
            self.assertEqual(client.reply().headers["connection"], "close")
            self.assertTrue(client.at_end())

    def test_http_1_0_is_closed_unless_asked_otherwise(self):
        with self.server.client() as client:
            client.send(b"GET /v2 HTTP/1.0\r\n\r\n")
            self.assertEqual(client.reply().status, 200)
            self.assertTrue(client.at_end())
        with self.server.client() as client:
            client.send(b"GET /v2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
            self.assertEqual([client.reply().status, client.reply().status], [200, 200])

    # Row 11: headers that broke the parser.
    def test_odd_headers_are_harmless(self):
        odd = ("Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2\r\nDate: yesterday\r\nCookie: a\r\n"
               "Cookie: b=\r\nAuthorization: Basic\r\nUser-Agent: \xff\xfe\r\nX-Empty:\r\nAccept-Encoding: zip;;q\r\n")
        self.assertEqual(self.server.get("/v2/health/live", odd).status, 200)

    def test_line_feeds_alone_are_refused_at_once(self):
        self.check_refused(b"GET / HTTP/1.1\nHost: x\n\n", 400, "malformed_request")

    def test_other_protocols_are_refused_at_once(self):
        self.check_refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400)
        self.check_refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505)
        self.check_refused(b"SSH-2.0-OpenSSH_9.2\r\n", 400)

    def test_malformed_requests_are_refused(self):
        for data in (b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
                     b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
                     b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"):
            self.check_refused(data, 400, "malformed_request")

    def test_unknown_methods_versions_and_sizes_are_refused(self):
        self.check_refused(b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501)
        self.check_refused(b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 501)
        self.check_refused(b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505)
        self.check_refused(b"GET /" + b"a" * 20000, 414)
        self.check_refused(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000, 431)
        self.check_refused(request("POST", "/v1/predict", b"x", "Expect: tea\r\n"), 417)

    def test_head_and_options_are_answered(self):
        with self.server.client() as client:
            client.send(request("HEAD", "/"))
            reply = client.reply(head_only=True)
            self.assertEqual(reply.status, 200)
            self.assertGreater(int(reply.headers["content-length"]), 1000)
            client.send(request("OPTIONS", "/v1/predict"))
            reply = client.reply()
            self.assertEqual((reply.status, reply.headers["allow"]), (204, "OPTIONS, POST"))
            client.send(request("OPTIONS", "*"))
            self.assertEqual(client.reply().status, 204)

    # Row 12: multipart was not parsed at all; the own parser must not be a way in.
    def test_malformed_multipart_is_refused(self):
        for kind, body in (("multipart/form-data", b"x"), ('multipart/form-data; boundary="a', b"x"),
                           ("multipart/form-data; boundary=a", b"--b--"), ("multipart/form-data; boundary=a", b"--a\r\n\r\nx"),
                           ("multipart/form-data; boundary=" + "a" * 80, b"x")):
            reply = self.server.post(body, kind)
            self.assertEqual(reply.status, 400, (kind, body, reply.body))

    def test_thousands_of_parts_are_refused(self):
        reply = self.server.post(b"--a\r\n\r\nx\r\n" * 50000 + b"--a--", "multipart/form-data; boundary=a")
        self.assertEqual((reply.status, reply.code()), (413, "too_many_parts"))

    # Row 13: memory grew to three times the body and stayed.
    @unittest.skipIf(SANITIZED, "the sanitizer keeps freed memory for a while")
    def test_memory_returns_after_many_large_uploads(self):
        body = b"\0" * 4_000_000
        self.server.post(body, "image/png")
        before = self.server.memory_kib("VmRSS")
        for _ in range(20):
            self.assertEqual(self.server.post(body, "image/png").status, 422)
        self.assertLess(self.server.memory_kib("VmRSS") - before, 16_000)

    # Row 14: the router was written to by requests of methods that it did not know, from several threads.
    def test_every_method_from_many_threads(self):
        expected = {"GET": 200, "HEAD": 200, "OPTIONS": 204, "POST": 405, "PUT": 405, "PATCH": 405, "DELETE": 405}
        wrong = []

        def ask(seed):
            dice = random.Random(seed)
            for _ in range(60):
                method = dice.choice(list(expected))
                with self.server.client() as client:
                    client.send(request(method, "/v2/health/live"))
                    status = client.reply(head_only=method == "HEAD").status
                    if status != expected[method]:
                        wrong.append((method, status))

        threads = [CheckedThread(target=ask, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    # Row 16: of a reply to a client that had left nobody heard again, so that counts of requests under way never ended.
    def test_counts_return_to_zero_after_clients_that_left(self):
        png = encode(chest(), "png")
        for _ in range(20):
            client = self.server.connect()
            client.send(request("POST", "/v1/predict", png, "Content-Type: image/png\r\n"))
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            text = self.server.get("/metrics").body.decode()
            if "\npulmo_in_progress 0\n" in text and "\npulmo_upload_bytes 0\n" in text and "\npulmo_queue_depth 0\n" in text:
                return
            time.sleep(0.05)
        self.fail("something of the requests is still counted")

    # Row 17: every reply that another thread made leaked a little.
    @unittest.skipIf(SANITIZED, "the sanitizer keeps freed memory for a while")
    def test_memory_is_flat_over_many_replies_from_other_threads(self):
        png = encode(chest(64), "png")

        def predict(count):
            with self.server.client() as client:
                for _ in range(count):
                    client.send(request("POST", "/v1/predict", png, "Content-Type: image/png\r\n"))
                    self.assertEqual(client.reply().status, 200)

        predict(100)
        before = self.server.memory_kib("VmRSS")
        predict(400)
        self.assertLess(self.server.memory_kib("VmRSS") - before, 4_000)

    # Row 21: a body was copied each time somebody asked for it.
    @unittest.skipIf(SANITIZED, "the sanitizer keeps freed memory for a while")
    def test_a_large_upload_is_held_once(self):
        self.server.post(b"\0" * 4_000_000, "image/png")
        # The least of three: threads of earlier requests grow their stacks and arenas meanwhile.
        grown = min(self.growth_of_an_unfinished_upload(4_000_000) for _ in range(3))
        self.assertLess(grown, 1.6 * 4_000_000 / 1024)  # KiB

    def growth_of_an_unfinished_upload(self, size):
        before = self.server.memory_kib("VmRSS")
        with self.server.client() as client:
            client.send(request("POST", "/v1/predict", headers=f"Content-Type: image/png\r\nContent-Length: {size}\r\n") +
                        b"\0" * (size - 1))
            time.sleep(0.5)
            grown = self.server.memory_kib("VmRSS") - before
            client.send(b"\0")
            self.assertEqual(client.reply().status, 422)
        return grown

    # Row 15 and 18: replies to clients that had left; their descriptor's number belonged to another client by then.
    def test_replies_never_reach_another_client(self):
        mine, other = encode(chest(), "png"), dicom(chest())
        for _ in range(60):
            leaver = self.server.connect()
            leaver.send(request("POST", "/v1/predict", other, "Content-Type: application/dicom\r\n"))
            leaver.close()
            with self.server.client() as client:
                client.send(request("POST", "/v1/predict", mine, "Content-Type: image/png\r\n"))
                self.assertEqual(client.reply().json()["results"][0]["kind"], "grey")
                client.socket.settimeout(0.005)
                with self.assertRaises(TimeoutError):
                    client.socket.recv(1)

    def test_half_closed_client_is_answered(self):
        with self.server.client() as client:
            client.send(request("POST", "/v1/predict", encode(chest(), "png"), "Content-Type: image/png\r\n"))
            client.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(client.reply().status, 200)
            self.assertTrue(client.at_end())

    def test_too_many_connections_are_turned_away(self):
        clients = [self.server.connect() for _ in range(60)]
        time.sleep(0.2)
        late = self.server.connect()
        reply = late.reply()
        self.assertEqual((reply.status, reply.code()), (503, "too_many_connections"))
        self.assertIn("retry-after", reply.headers)
        for client in [*clients, late]:
            client.close()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if self.server.get("/v2/health/live").status == 200:
                break
            time.sleep(0.05)

    def test_descriptors_are_given_back(self):
        time.sleep(0.3)
        before = self.server.descriptors()
        for _ in range(200):
            self.server.check_healthy(self)
        deadline = time.monotonic() + 5
        while self.server.descriptors() > before + 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertLessEqual(self.server.descriptors(), before + 2)

    def test_a_thousand_hostile_strings_leave_it_healthy(self):
        dice = random.Random(20260131)
        seeds = [GET, request("POST", "/v1/predict", encode(chest(64), "png"), "Content-Type: image/png\r\n"),
                 request("POST", "/v1/predict", b"--a\r\nContent-Disposition: form-data; name=x; filename=y\r\n\r\nz\r\n--a--",
                         "Content-Type: multipart/form-data; boundary=a\r\nExpect: 100-continue\r\n"),
                 b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n"]

        def attack(count, seed):
            local = random.Random(seed)
            for _ in range(count):
                data = bytearray(local.choice(seeds))
                for _ in range(local.randrange(8)):
                    at = local.randrange(len(data))
                    action = local.randrange(4)
                    if action == 0:
                        data[at] = local.randrange(256)
                    elif action == 1:
                        del data[at:at + local.randrange(1, 30)]
                    elif action == 2:
                        data[at:at] = local.choice([b"\r\n", b"\0", b"\r", b"\n", b"Content-Length: 9\r\n", b":" * 50])
                    else:
                        data += local.randbytes(local.randrange(200))
                    if not data:
                        data = bytearray(b"x")
                try:
                    client = self.server.connect()
                    client.send(bytes(data))
                    if local.randrange(3) == 0:
                        client.socket.settimeout(0.05)
                        try:
                            client.socket.recv(100)
                        except (TimeoutError, ConnectionResetError):
                            pass
                    client.close()
                except ConnectionError:
                    pass

        threads = [CheckedThread(target=attack, args=(250, dice.random())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertIsNone(self.server.process.poll())
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.server.get("/v2/health/live").status != 200:
            time.sleep(0.1)
        reply = self.server.post(encode(chest(), "png"), "image/png")
        self.assertEqual(reply.status, 200, reply.body)


@unittest.skipIf(SANITIZED, "the sanitizer keeps freed memory for a while")
class LargeUploadTest(unittest.TestCase):
    def test_memory_of_large_uploads_goes_back_to_the_system(self):
        server = Server()
        self.addCleanup(server.stop)
        server.post(encode(chest(), "png"), "image/png")
        before = server.memory_kib("VmRSS")
        for _ in range(2):
            self.assertEqual(server.post(b"\0" * 120_000_000, "image/png").status, 422)
        deadline = time.monotonic() + 10
        while server.memory_kib("VmRSS") - before > 24_000 and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertLess(server.memory_kib("VmRSS") - before, 24_000)


if __name__ == "__main__":
    unittest.main(verbosity=2)
