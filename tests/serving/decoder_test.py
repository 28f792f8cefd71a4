"""Decoder processes behind the real server: what brings one to an end costs one slice, and nothing else.

A fault is injected from outside: a decoder is stopped (SIGSTOP) while it holds a file, as if the file were hard work, and
then gets the signal that a fault of its own would have raised. The server has no switch for it."""

import os
import pathlib
import re
import shutil
import signal
import tempfile
import threading
import time
import unittest

from sample_images import chest, dicom, encode
from server_process import BIN, SANITIZED, CheckedThread, Server, multipart, request, wait_for

PNG = encode(chest(), "png")


def decoders(server):
    """Process ids of the decoders that live."""
    found = []
    for folder in pathlib.Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text() if folder.name.isdigit() else ""
        except (FileNotFoundError, ProcessLookupError):
            continue
        match = re.match(r"(\d+) \((.*)\) (\S) (\d+) ", fields)
        if match and int(match.group(4)) == server.process.pid and match.group(2) == "pulmo-decoder" and match.group(3) != "Z":
            found.append(int(match.group(1)))
    return sorted(found)


class Requests:
    """Posts run beside each other; their replies in the order in which they were started."""

    def __init__(self, server):
        self.server, self.threads, self.replies = server, [], []

    def post(self, body, kind="image/png"):
        at = len(self.replies)
        self.replies.append(None)

        def run():
            self.replies[at] = self.server.post(body, kind)

        self.threads.append(CheckedThread(target=run))
        self.threads[-1].start()

    def all(self):
        for thread in self.threads:
            thread.join()
        return self.replies


class ServerWithDecoders(unittest.TestCase):
    settings = ("serve.workers=2",)

    def setUp(self):
        self.server = Server(*self.settings, "serve.io_threads=2")
        self.addCleanup(self.check_end)
        wait_for(lambda: self.server.metric("pulmo_decoder_processes") == 2, "two decoders")

    def check_end(self):
        children = decoders(self.server)
        self.assertEqual(self.server.stop(), 0, self.server.last_log[-2000:])
        for child in children:
            self.assertFalse(os.path.exists(f"/proc/{child}"), "a decoder outlived its server")

    def restarts(self, reason):
        return self.server.metric(f'pulmo_decoder_restarts_total{{reason="{reason}"}}')


class NoDecoderTest(unittest.TestCase):
    def test_without_decoders_slices_are_refused_until_there_are_some_again(self):
        with tempfile.TemporaryDirectory(prefix="pulmo-decoder-") as folder:
            program, decoder = pathlib.Path(folder) / "pulmo-serve", pathlib.Path(folder) / "pulmo-decoder"
            shutil.copy(BIN / "pulmo-serve", program)
            decoder.symlink_to(BIN / "pulmo-decoder")
            server = Server("serve.workers=2", "decode.timeout_s=1", program=program)
            try:
                wait_for(lambda: server.metric("pulmo_decoder_processes") == 2, "two decoders")
                decoder.unlink()
                decoder.symlink_to("/bin/false")
                for child in decoders(server):
                    os.kill(child, signal.SIGKILL)
                wait_for(lambda: not decoders(server), "no decoder")
                reply = server.post(PNG, "image/png")
                self.assertEqual((reply.status, reply.code()), (503, "decoder_unavailable"))
                self.assertIn("retry-after", reply.headers)
                reply = server.post(PNG, "image/png", "/v1/explain?method=occlusion")
                self.assertEqual((reply.status, reply.code()), (503, "decoder_unavailable"))
                decoder.unlink()
                decoder.symlink_to(BIN / "pulmo-decoder")
                wait_for(lambda: server.post(PNG, "image/png").status == 200, "an answer", 60)
            finally:
                self.assertEqual(server.stop(), 0)


class CrashTest(ServerWithDecoders):
    def crash_one_of_two(self, number, sender):
        """Two requests, each in a stopped decoder; one decoder gets the signal. How many replies of each status."""
        both = decoders(self.server)
        for child in both:
            os.kill(child, signal.SIGSTOP)
        requests = Requests(self.server)
        for _ in range(2):
            sender(requests)
        wait_for(lambda: self.server.metric("pulmo_in_progress") == 2, "two slices under way")
        time.sleep(0.5)  # no figure tells that a stopped decoder has been given its slice
        os.kill(both[0], number)
        for child in both:
            os.kill(child, signal.SIGCONT)
        return requests.all()

    def test_a_crash_costs_one_422_and_nothing_else(self):
        replies = self.crash_one_of_two(signal.SIGSEGV, lambda requests: requests.post(PNG))
        self.assertEqual(sorted(reply.status for reply in replies), [200, 422])
        refused = max(replies, key=lambda reply: reply.status)
        self.assertEqual(refused.code(), "decoder_failed")
        self.assertNotIn("SIGSEGV", refused.body.decode())
        self.assertEqual(self.restarts("crash"), 1)
        wait_for(lambda: self.server.metric("pulmo_decoder_processes") == 2, "a new decoder")
        for _ in range(6):
            self.assertEqual(self.server.post(PNG, "image/png").status, 200)

    def test_within_a_form_the_other_files_are_answered(self):
        for child in decoders(self.server):
            os.kill(child, signal.SIGSTOP)
        requests = Requests(self.server)
        kind, body = multipart([(f"{i}.png", "image/png", PNG) for i in range(6)])
        requests.post(body, kind)
        wait_for(lambda: self.server.metric("pulmo_in_progress") > 0, "slices under way")
        time.sleep(0.5)  # no figure tells that a stopped decoder has been given its slice
        both = decoders(self.server)
        os.kill(both[1], signal.SIGABRT)
        for child in both:
            os.kill(child, signal.SIGCONT)
        reply = requests.all()[0]
        self.assertEqual(reply.status, 200)
        errors = [result["error"]["code"] for result in reply.json()["results"] if "error" in result]
        self.assertEqual(errors, ["decoder_failed"])

    def test_good_clients_see_nothing_of_crashes(self):
        stop = threading.Event()
        statuses = []

        def client():
            with self.server.client() as connection:
                while not stop.is_set():
                    connection.send(request("POST", "/v1/predict", PNG, "Content-Type: image/png\r\n"))
                    statuses.append(connection.reply().status)

        threads = [CheckedThread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            time.sleep(0.3)
            for child in decoders(self.server)[:1]:
                os.kill(child, signal.SIGSEGV)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertLessEqual(statuses.count(422), 5)
        self.assertEqual(set(statuses) - {422}, {200})
        self.assertGreater(statuses.count(200), 20)

    def test_a_decoder_can_do_nothing_but_decode(self):
        for child in decoders(self.server):
            status = pathlib.Path(f"/proc/{child}/status").read_text()
            limits = pathlib.Path(f"/proc/{child}/limits").read_text()
            if not SANITIZED:
                self.assertIn("Seccomp:\t2", status)
                self.assertRegex(limits, r"Max open files\s+0\s+0")
            self.assertIn("NoNewPrivs:\t1", status)
            for name in ("Max file size", "Max core file size"):
                self.assertRegex(limits, rf"{name}\s+0\s+0")
            if os.geteuid() != 0:
                continue  # nobody else may look into a decoder
            kinds = {number: os.readlink(f"/proc/{child}/fd/{number}").split(":")[0]
                     for number in os.listdir(f"/proc/{child}/fd")}
            self.assertEqual({number: kind for number, kind in kinds.items() if number != "2"},
                             {"0": "/dev/null", "1": "/dev/null", "3": "socket"})

    def test_decoders_take_no_signal_of_a_service_manager(self):
        before = decoders(self.server)
        for child in before:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(child, number)
        self.assertEqual(self.server.post(PNG, "image/png").status, 200)
        self.assertEqual(decoders(self.server), before)


class RunawayTest(ServerWithDecoders):
    settings = ("serve.workers=2", "decode.timeout_s=1")

    def test_a_runaway_is_ended_and_replaced(self):
        for child in decoders(self.server):
            os.kill(child, signal.SIGSTOP)
        reply = self.server.post(PNG, "image/png")
        self.assertEqual((reply.status, reply.code()), (422, "decoder_timeout"))
        self.assertEqual(self.restarts("timeout"), 1)
        wait_for(lambda: self.server.metric("pulmo_decoder_processes") == 2, "a new decoder")
        self.assertEqual(self.server.post(PNG, "image/png").status, 200)
        for child in decoders(self.server):
            os.kill(child, signal.SIGCONT)


class PatienceTest(ServerWithDecoders):
    settings = ("serve.workers=2", "limits.head_timeout_s=0.5", "limits.body_timeout_s=0.5", "limits.idle_timeout_s=0.5")

    # Row 4 of docs/threat-model.md: Pistache answered 408 while a request was being handled.
    def test_a_long_prediction_is_no_slow_client(self):
        for child in decoders(self.server):
            os.kill(child, signal.SIGSTOP)
        requests = Requests(self.server)
        requests.post(PNG)
        time.sleep(2)
        for child in decoders(self.server):
            os.kill(child, signal.SIGCONT)
        self.assertEqual([reply.status for reply in requests.all()], [200])


class SameAnswerTest(unittest.TestCase):
    def test_isolated_or_not_the_answer_is_the_same(self):
        files = [(PNG, "image/png"), (encode(chest(nodule=True), "jpg"), "image/jpeg"),
                 (dicom(chest(nodule=True)), "application/dicom"), (b"\0" * 300, "image/png"),
                 (dicom(chest(), modality="MR"), "application/dicom"), (PNG[:len(PNG) // 2], "image/png")]
        answers = []
        for mode in ("process", "none"):
            server = Server(f"decode.isolation={mode}")
            try:
                self.assertEqual(bool(decoders(server)), mode == "process")
                answers.append([])
                for body, kind in files:
                    reply = server.post(body, kind)
                    document = reply.json()
                    document.pop("request_id", None)
                    for result in document.get("results", []):
                        del result["timings_ms"]
                    document.get("error", {}).pop("request_id", None)
                    document.pop("model", None)
                    answers[-1].append((reply.status, document))
            finally:
                self.assertEqual(server.stop(), 0)
        self.assertEqual([status for status, _ in answers[0]], [200, 200, 200, 422, 422, 422])
        self.assertEqual(*answers)


if __name__ == "__main__":
    unittest.main(verbosity=2)
