"""A real pulmo-serve with a real bundle, and raw sockets to it."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

BIN = pathlib.Path(os.environ["PULMO_BIN_DIR"])
SOURCE = pathlib.Path(os.environ["PULMO_SOURCE_DIR"])
SANITIZED = re.search(rb"__[at]san_init", (BIN / "pulmo-serve").read_bytes()) is not None


def write_bundle(path, size_px=64, seed=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    subprocess.run([BIN / "pulmo-test-bundle", aside, str(size_px), "lungs", "--seed", str(seed)], check=True)
    os.rename(aside, path)


def put(path, content):
    """As an operator should: a reader sees the old file or the new one."""
    aside = path.with_suffix(".new")
    aside.write_bytes(content)
    os.rename(aside, path)


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {seconds} s: {what}")
        time.sleep(0.02)


class CheckedThread(threading.Thread):
    """A thread whose failure is its test's: join() raises it."""

    def __init__(self, target, args=()):
        super().__init__(target=target, args=args, daemon=True)
        self.failure = None

    def run(self):
        try:
            super().run()
        except BaseException as failure:
            self.failure = failure

    def join(self, timeout=None):
        super().join(timeout)
        if self.failure is not None:
            raise self.failure


class Server:
    """One process on a free port, with a bundle of its own unless one (or a folder of models) is given."""

    def __init__(self, *settings, bundle=None, models=None, size_px=64, mask="lungs", phantom=False,
                 host="127.0.0.1", tls=None, program=BIN / "pulmo-serve"):
        self.tls = tls  # an ssl.SSLContext for clients of a server with a certificate
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pulmo-serve-"))
        self.bundle = bundle or self.folder / "bundle.pt"
        if bundle is None and models is None:
            extra = ["phantom"] if phantom else []
            subprocess.run([BIN / "pulmo-test-bundle", self.bundle, str(size_px), mask, *extra], check=True)
        self.work = self.folder / "work"
        self.work.mkdir()
        self.log_path = self.folder / "log"
        served = ["--models", models] if models else ["--bundle", self.bundle]
        command = [program, *served, "--port", "0"]
        for setting in settings:
            command += ["--set", setting]
        environment = {**os.environ, "TMPDIR": str(self.work), "OMP_NUM_THREADS": "1"}
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=self.work,
                                            env=environment)
        try:
            self.port = self._wait_for_port(host)
        except BaseException:
            self.process.kill()
            self.process.wait()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.address = f"http://127.0.0.1:{self.port}"

    def _wait_for_port(self, host):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(rf"listening address=https?://{re.escape(host)}:(\d+)", self.log())
            if found:
                return int(found.group(1))
            time.sleep(0.02)
        raise AssertionError("the server did not start:\n" + self.log())

    def log(self):
        return self.log_path.read_text(errors="replace")

    def stop(self):
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            if self.log_path.exists():  # not when it was stopped before
                self.last_log = self.log()
            shutil.rmtree(self.folder, ignore_errors=True)
        return code

    def connect(self, timeout=20):
        client = Client(self.port, timeout)
        if self.tls:
            client.socket = self.tls.wrap_socket(client.socket, server_hostname="localhost")
        return client

    @contextlib.contextmanager
    def client(self):
        client = self.connect()
        try:
            yield client
        finally:
            client.close()

    def exchange(self, data, timeout=20):
        """Sends bytes on a connection of their own; the first reply."""
        client = self.connect(timeout)
        try:
            client.send(data)
            return client.reply()
        finally:
            client.close()

    def get(self, path, headers=""):
        return self.exchange(request("GET", path, headers="Connection: close\r\n" + headers))

    def post(self, body, content_type, path="/v1/predict", headers=""):
        return self.exchange(request("POST", path, body, f"Content-Type: {content_type}\r\n{headers}"))

    def memory_kib(self, key="VmRSS"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{key}:\s+(\d+) kB", status).group(1))

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def metric(self, name):
        """The value of one series of /metrics."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics").body.decode(), re.M)
        return float(found.group(1))

    def check_healthy(self, test):
        reply = self.get("/v2/health/live")
        test.assertEqual(reply.status, 200, self.log()[-2000:])


class Client:
    """A raw connection that reads replies one by one."""

    def __init__(self, port, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.buffer = b""

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has answered and closed; its reply is still to be read

    def close(self):
        self.socket.close()

    def _read(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def at_end(self):
        """Whether the server closes without a further byte."""
        while not self.buffer:
            if not self._read():
                return True
        return False

    def reply(self, head_only=False):
        """The next reply, 100 Continue included. EOFError when the server closes first."""
        while b"\r\n\r\n" not in self.buffer:
            if not self._read():
                raise EOFError(f"closed after {self.buffer!r}")
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        reply = Reply(head)
        length = 0 if head_only else int(reply.headers.get("content-length", 0))
        while len(self.buffer) < length:
            if not self._read():
                raise EOFError("closed within a body")
        reply.body, self.buffer = self.buffer[:length], self.buffer[length:]
        return reply


class Reply:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.version, status, self.reason = lines[0].split(" ", 2)
        self.status = int(status)
        self.headers = {}
        for line in lines[1:]:
            name, value = line.split(": ", 1)
            assert name.lower() not in self.headers, f"{name} twice"
            self.headers[name.lower()] = value
        self.body = b""

    def json(self):
        return json.loads(self.body)

    def code(self):
        return self.json()["error"]["code"]


def request(method, path, body=None, headers=""):
    length = "" if body is None else f"Content-Length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: test\r\n{headers}{length}\r\n".encode("latin-1") + (body or b"")


def multipart(files, boundary="bOuNd aRy"):
    """(Content-Type, body) of (filename, type, bytes) parts."""
    body = b""
    for name, kind, data in files:
        body += (f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                 f"Content-Type: {kind}\r\n\r\n").encode() + data + b"\r\n"
    return f'multipart/form-data; boundary="{boundary}"', body + f"--{boundary}--\r\n".encode()
