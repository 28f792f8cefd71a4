"""The real programs that the live test watches, each on a free port of its own: Prometheus with the rules of monitoring/ in
fast motion, a push gateway, pulmo-train; and a client that loads pulmo-serve."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import expressions
from server_process import CheckedThread

BIN = pathlib.Path(os.environ["PULMO_BIN_DIR"])
CONFIGS = expressions.SOURCE / "configs"
FASTER = 60  # a minute of the rules is a second of the test


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, seconds=90):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds} s")


def get_json(url):
    with urllib.request.urlopen(url, timeout=20) as reply:
        return json.load(reply)


class Program:
    """A process whose output goes to a file, ended at the end of the test."""

    def __init__(self, command, log, **more):
        self.log = pathlib.Path(log)
        with open(self.log, "w") as out:
            self.process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=subprocess.STDOUT, **more)

    def text(self):
        return self.log.read_text(errors="replace")

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Gateway(Program):
    def __init__(self, folder):
        self.port = free_port()
        super().__init__(["prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{self.port}"], folder / "gateway.log")


class Prometheus(Program):
    """With monitoring/ as it stands but for time; `watch()` gives it targets as a batch job would."""

    def __init__(self, folder):
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.configuration = folder / "monitoring"
        shutil.copytree(expressions.MONITORING, self.configuration)
        for path in (self.configuration / "prometheus.yml", *(self.configuration / "rules").glob("*.yml")):
            path.write_text(expressions.faster(path.read_text(), FASTER))
        super().__init__(["prometheus", f"--config.file={self.configuration / 'prometheus.yml'}",
                          f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{self.port}",
                          "--log.level=warn"], folder / "prometheus.log")
        wait_for("Prometheus starts", self.is_ready)

    def is_ready(self):
        try:
            urllib.request.urlopen(self.address + "/-/ready", timeout=5).close()
            return True
        except (urllib.error.URLError, ConnectionError):
            return False

    def watch(self, kind, port):
        folder = self.configuration / "targets" / kind
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{port}.tmp"
        draft.write_text(json.dumps([{"targets": [f"127.0.0.1:{port}"], "labels": {}}]))
        draft.rename(draft.with_suffix(".json"))

    def query(self, expression):
        """The samples, label set and value; values as text."""
        query = urllib.parse.urlencode({"query": expression})
        try:
            reply = get_json(f"{self.address}/api/v1/query?{query}")
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from None
        return [(sample["metric"], sample["value"][1]) for sample in reply["data"]["result"]]

    def value(self, expression):
        samples = self.query(expression)
        return float(samples[0][1]) if len(samples) == 1 else None

    def firing(self):
        """Names of the alerts that fire now."""
        alerts = get_json(self.address + "/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def healthy_targets(self):
        targets = get_json(self.address + "/api/v1/targets")["data"]["activeTargets"]
        return {target["scrapePool"] for target in targets if target["health"] == "up"}


class Trainer(Program):
    """mpirun -n 2 pulmo-train fit, small and out of the way of the others."""

    def __init__(self, data, output, *settings, port=0, gateway=None):
        settings = ["training.precision=fp32", "training.batch_size=16", "compute.threads=1", "evaluation.bootstrap=20",
                    "watch.metrics_address=127.0.0.1", f"watch.metrics_port={port}", "watch.push_seconds=0.5", *settings]
        if gateway:
            settings.append(f"watch.push_url=http://127.0.0.1:{gateway}")
        command = ["nice", "mpirun", "-n", "2", "--bind-to", "none", BIN / "pulmo-train", "fit", "--data", data, "--output",
                   output, "--config", CONFIGS / "train/conventional_cnn.yaml", "--progress", "none"]
        for setting in settings:
            command += ["--set", setting]
        super().__init__(command, output.with_suffix(".log"))


class Load:
    """Clients that post `bodies` in turn, over and over, each on one connection at a time; keeps the replies."""

    def __init__(self, address, bodies, clients=1, kind="application/dicom"):
        self.address, self.bodies, self.kind = address, bodies, kind
        self.replies, self.going = [], True
        self.threads = [CheckedThread(target=self.run) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self):
        turn = 0
        while self.going:
            self.replies.append(post(self.address, self.bodies[turn % len(self.bodies)], self.kind))
            turn += 1

    def end(self):
        self.going = False
        for thread in self.threads:
            thread.join()
        return self.replies


def post(address, body, kind):
    """(status, JSON) of one prediction."""
    request = urllib.request.Request(address + "/v1/predict", body, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
