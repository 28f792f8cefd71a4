"""Long work as jobs of the real server: 202, polling, cancelling, forgetting, shutting down."""

import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

import sample_images
from server_process import BIN, Server, request, wait_for

ZIP = "application/zip"
SLICES = 60


def rounded(value):
    """Numbers to six digits: a probability depends on the batch in its last ones."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list) else value


def without_times(answer):
    """What must be the same for the same files."""
    for result in answer["results"]:
        result.pop("timings_ms", None)
    return rounded({key: value for key, value in answer.items() if key != "request_id"})


class JobsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        files = sample_images.series([sample_images.chest(256, nodule=i % 7 == 0) for i in range(SLICES)])
        cls.archive = sample_images.zipped([(f"{i}.dcm", data) for i, data in enumerate(files)])

    def setUp(self):
        self.server = None

    def tearDown(self):
        if self.server:
            self.assertEqual(self.server.stop(), 0)
            self.assertNotIn("SECRET", self.server.last_log)

    def start(self, *settings):
        self.server = Server(*settings)

    def submit(self, body, kind=ZIP, path="/v1/predict?async=1", headers=""):
        reply = self.server.post(body, kind, path, headers)
        self.assertEqual(reply.status, 202, reply.body)
        job = reply.json()["job"]
        self.assertEqual(reply.headers["location"], "/v1/jobs/" + job["id"])
        self.assertRegex(job["id"], "^[0-9a-f]{32}$")
        return reply.headers["location"]

    def delete(self, address):
        return self.server.exchange(request("DELETE", address, headers="Connection: close\r\n"))

    def wait(self, address, states=("done", "failed", "cancelled")):
        seen, deadline = 0, time.monotonic() + 60
        while time.monotonic() < deadline:
            answer = self.server.get(address).json()
            self.assertGreaterEqual(answer["job"]["done"], seen)
            seen = answer["job"]["done"]
            if answer["job"]["state"] in states:
                return answer
            time.sleep(0.05)
        raise AssertionError(f"the job is still {answer['job']}")

    def metric(self, name):
        text = self.server.get("/metrics").body.decode()
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    def test_a_job_gives_what_waiting_gives(self):
        self.start()
        at_once = self.server.post(self.archive, ZIP).json()
        for path, headers in (("/v1/predict?async=1", ""), ("/v1/predict", "Prefer: wait=10, Respond-Async\r\n")):
            answer = self.wait(self.submit(self.archive, path=path, headers=headers))
            self.assertEqual(answer["job"], {**answer["job"], "state": "done", "done": SLICES, "total": SLICES})
            self.assertEqual(without_times(answer["result"]), without_times(dict(at_once)))

    def test_what_is_wrong_with_the_request_is_said_at_once_and_with_the_work_later(self):
        self.start()
        reply = self.server.post(b"", "image/png", "/v1/predict?async=1")
        self.assertEqual((reply.status, reply.code()), (400, "empty_body"))
        self.assertEqual(self.server.post(b"x", "image/png", "/v1/predict?async=yes").code(), "bad_parameter")
        answer = self.wait(self.submit(b"no picture", "image/png"))
        self.assertEqual((answer["job"]["state"], answer["error"]["code"]), ("failed", "unknown_format"))

    def test_cancelling_stops_the_slices_that_remain(self):
        self.start("serve.workers=1")
        address = self.submit(self.archive)
        reply = self.delete(address)
        self.assertEqual((reply.status, reply.json()["job"]["state"]), (200, "cancelled"))
        deadline = time.monotonic() + 30
        while self.metric("pulmo_in_progress") > 0:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        self.assertLess(self.metric("pulmo_predictions_total"), SLICES - 10)
        answer = self.wait(address)
        self.assertNotIn("result", answer)
        self.assertEqual(answer["job"]["state"], "cancelled")
        self.assertEqual(self.metric("pulmo_upload_bytes"), 0)
        self.assertEqual(self.delete(address).status, 200)
        self.assertEqual(self.server.get(address).status, 404)

    def test_cancelling_stops_a_model_of_volumes_too(self):
        with tempfile.TemporaryDirectory(prefix="pulmo-volumes-") as folder:
            bundle = pathlib.Path(folder) / "bundle.pt"
            subprocess.run([BIN / "pulmo-test-bundle", bundle, "96", "lungs", "--network", "cnn3d", "--depth", "9"], check=True)
            self.server = Server("batch.max_size=1", "batch.per_request=1", "serve.model_threads=1", bundle=bundle)
        address = self.submit(self.archive)
        job = {"done": 0}
        while job["done"] == 0:  # until the model has begun
            job = self.server.get(address).json()["job"]
            self.assertEqual((job["state"], job["total"]), ("running", SLICES))
        reply = self.delete(address).json()["job"]
        self.assertEqual(reply["state"], "cancelled")
        self.assertLess(reply["done"], SLICES)
        wait_for(lambda: self.metric("pulmo_in_progress") == 0, "the work has ended")
        self.assertLess(self.metric("pulmo_batch_size_sum"), SLICES - 5)
        self.assertEqual(self.metric("pulmo_predictions_total"), 0)

    def test_a_job_of_volumes_counts_slices_that_are_judged(self):
        with tempfile.TemporaryDirectory(prefix="pulmo-volumes-") as folder:
            bundle = pathlib.Path(folder) / "bundle.pt"
            subprocess.run([BIN / "pulmo-test-bundle", bundle, "32", "lungs", "--network", "cnn3d", "--depth", "5"], check=True)
            self.server = Server(bundle=bundle)
        answer = self.wait(self.submit(self.archive))
        self.assertEqual(answer["job"], {**answer["job"], "state": "done", "done": SLICES, "total": SLICES})
        self.assertEqual(self.metric("pulmo_predictions_total"), SLICES)

    def test_a_waiting_job_can_be_cancelled_too(self):
        self.start("serve.workers=1", "jobs.at_once=1")
        running, waiting = self.submit(self.archive), self.submit(self.archive)
        self.assertEqual(self.server.get(waiting).json()["job"]["state"], "queued")
        self.assertEqual(self.delete(waiting).json()["job"]["state"], "cancelled")
        self.assertEqual(self.wait(running)["job"]["state"], "done")

    def test_unknown_jobs_are_404(self):
        self.start()
        for reply in (self.server.get("/v1/jobs/" + "0" * 32), self.delete("/v1/jobs/none")):
            self.assertEqual((reply.status, reply.code()), (404, "unknown_job"))

    def test_jobs_are_bounded_and_forgotten_in_time(self):
        self.start("jobs.most=2", "jobs.at_once=1", "jobs.keep_s=1", "serve.workers=1")
        first, second = self.submit(self.archive), self.submit(self.archive)
        reply = self.server.post(self.archive, ZIP, "/v1/predict?async=1")
        self.assertEqual((reply.status, reply.code()), (503, "too_many_jobs"))
        self.assertIn("retry-after", reply.headers)
        self.assertEqual(self.wait(first)["job"]["state"], "done")
        self.assertEqual(self.wait(second)["job"]["state"], "done")
        self.submit(sample_images.encode(sample_images.chest(), "png"), "image/png")  # an ended one makes room
        deadline = time.monotonic() + 20
        while self.server.get(second).status != 404 or self.metric("pulmo_job_result_bytes") > 0:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)

    def test_results_over_the_bound_are_not_kept(self):
        self.start("jobs.result_bytes=1024")
        answer = self.wait(self.submit(self.archive))
        self.assertEqual((answer["job"]["state"], answer["error"]["code"]), ("failed", "too_large"))
        self.assertEqual(self.server.metric('pulmo_rejected_total{reason="too_large"}'), 1)
        self.assertIn("job failed code=too_large", self.server.log())

    def test_single_slices_are_answered_while_jobs_run(self):
        self.start("serve.workers=1", "batch.queue=8", "batch.per_request=8", "limits.files=8", "jobs.at_once=1")
        jobs = [self.submit(self.archive) for _ in range(3)]
        png = sample_images.encode(sample_images.chest(), "png")
        self.assertEqual(self.server.post(png, "image/png").status, 200)
        self.assertIn(self.server.get(jobs[-1]).json()["job"]["state"], ("queued", "running"))  # it was not after them
        while self.server.get(jobs[-1]).json()["job"]["state"] != "done":
            self.assertEqual(self.server.post(png, "image/png").status, 200)

    def test_a_job_is_finished_and_can_be_fetched_while_the_server_shuts_down(self):
        self.start("serve.workers=1")
        address = self.submit(self.archive)
        self.server.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        reply = self.server.post(self.archive, ZIP, "/v1/predict?async=1")
        self.assertEqual((reply.status, reply.code()), (503, "shutting_down"))
        self.assertEqual(self.wait(address)["job"]["state"], "done")
        self.assertEqual(self.server.process.wait(30), 0)  # a second signal would end it at once

    def test_a_job_that_cannot_be_finished_in_time_does_not_hold_the_end_up(self):
        self.start("serve.workers=1", "serve.shutdown_grace_s=0.05")
        self.submit(self.archive)
        begin = time.monotonic()
        self.assertEqual(self.server.stop(), 0)
        self.assertLess(time.monotonic() - begin, 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
