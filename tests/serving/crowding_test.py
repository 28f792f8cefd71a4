"""Clients that send without a pause: they are served in turn with others and have no thread for themselves."""

import socket
import threading
import time
import unittest

from sample_images import chest, encode
from server_process import Server, request

METRICS = request("GET", "/metrics")


class Crowd:
    """Connections that each send `first`, then GET /metrics again and again."""

    def __init__(self, port, clients, first=b"", in_flight=None):
        self.stop = threading.Event()
        self.threads = []
        for _ in range(clients):
            client = socket.create_connection(("127.0.0.1", port), 20)
            self.start(self.send, client, first, in_flight)

    def start(self, work, *arguments):
        self.threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self.threads[-1].start()

    def send(self, client, first, in_flight):
        answered = threading.Semaphore(in_flight or 0)
        self.start(self.read, client, answered)
        try:
            client.sendall(first)
            while not self.stop.is_set():
                if in_flight:
                    answered.acquire(timeout=0.5)
                client.sendall(METRICS * (1 if in_flight else 100))
        except OSError:
            pass  # the server has had enough
        self.stop.wait()
        client.close()

    def read(self, client, answered):
        try:
            while data := client.recv(1 << 20):
                for _ in range(data.count(b"HTTP/1.1 200")):
                    answered.release()
        except OSError:
            pass

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(20)


class CrowdingTest(unittest.TestCase):
    def setUp(self):
        self.server = Server("serve.io_threads=2", "serve.workers=1")
        self.addCleanup(self.server.stop)
        self.slice = encode(chest(), "png")

    def seconds(self, exchange):
        begin = time.monotonic()
        self.assertEqual(exchange().status, 200)
        return time.monotonic() - begin

    def check_others_are_served(self):
        for _ in range(5):
            self.assertLess(self.seconds(lambda: self.server.get("/v2/health/live")), 4)
            self.assertLess(self.seconds(lambda: self.server.post(self.slice, "image/png")), 4)

    def test_more_connections_that_never_pause_than_threads_that_read(self):
        crowd = Crowd(self.server.port, clients=4)
        self.addCleanup(crowd.end)
        time.sleep(0.5)
        self.check_others_are_served()

    def test_a_full_pipeline_behind_a_prediction_does_not_run_on_the_models_thread(self):
        predict = request("POST", "/v1/predict", self.slice, "Content-Type: image/png\r\n")
        crowd = Crowd(self.server.port, clients=2, first=predict + METRICS * 800, in_flight=200)
        self.addCleanup(crowd.end)
        time.sleep(0.5)
        self.check_others_are_served()


if __name__ == "__main__":
    unittest.main(verbosity=2)
