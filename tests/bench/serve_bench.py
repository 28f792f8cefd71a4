"""pulmo-serve against Flask + PyTorch + scikit-image behind waitress: the same bundle, slices, cores and clients.

    serve_bench.py --bin build/release/bin [--bundle FILE] [--data ../shared/data] [--clients 1 16 64] [--rounds 5] [--seconds 8]

Each client sends one CT slice (DICOM, 512 x 512) after the other on a kept connection: wrk, one request under way each. Both
servers run all the time, and are measured in turns, so that a busy machine slows both alike. Checks that both give the
same probabilities, then prints Markdown tables: requests a second, p50, p99 and their ratios (medians over the rounds, with
the range), and for each number of clients what the model's share is:
  kept pace  what the model would need for the same batches called directly, of the time it took within the server
  busy       what it would need of the time that the server ran: the rest is what else the cores had to do
The slices are those of LIDC-IDRI-0001 with --data, else of a phantom. The reference is reference_server.py.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ("pulmo-serve", "reference")
SIZES = (1, 2, 4, 8, 16)  # batches to time the model on
SAME = 1e-3               # probabilities
# What pulmo-serve asks of glibc's malloc by itself: the model called directly is as quick as it can be.
KEEP_MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of pulmo-serve")
    parser.add_argument("--bundle", type=pathlib.Path, help="of 224 px; by default an untrained proposed CNN")
    parser.add_argument("--data", type=pathlib.Path, help="folder with lidc-idri-0001.zip")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each measurement")
    parser.add_argument("--slices", type=int, default=32)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--clients-apart", action="store_true", help="the last core is the clients', as if they ran elsewhere")
    parser.add_argument("--reference-threads", type=int, default=4, help="of waitress")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="configuration of pulmo-serve")
    return parser.parse_args()


def dicom_slices(options, folder):
    """Every file of the series, or of one phantom patient."""
    if options.data:
        with zipfile.ZipFile(options.data / "lidc-idri-0001.zip") as archive:
            return [archive.read(name) for name in sorted(archive.namelist()) if name.endswith(".dcm")]
    subprocess.run([options.bin / "pulmo-prepare", "phantom", "--patients", "1", "--slices", str(2 * options.slices),
                    "--output", folder / "phantom"], check=True, capture_output=True)
    return [path.read_bytes() for path in sorted((folder / "phantom").rglob("*.dcm"))]


class Server:
    def __init__(self, name, command, pattern, folder):
        self.name, self.log = name, folder / f"{name}.log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 120
        while not (found := re.search(pattern, self.log.read_text(encoding="utf-8"))):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{name} did not start:\n{self.log.read_text(encoding='utf-8')}")
            time.sleep(0.05)
        self.address = f"http://127.0.0.1:{found.group(1)}"

    def probabilities(self, body):
        """None for a slice that is refused."""
        request = urllib.request.Request(f"{self.address}/v1/predict", body, {"Content-Type": "application/dicom"})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                answer = json.load(reply)
        except urllib.error.HTTPError as error:
            if error.code != 422:
                raise
            return None
        return answer["results"][0]["probabilities"] if "results" in answer else answer["probabilities"]

    def model_time(self):
        """(seconds, batches, slices) of the model so far; of pulmo-serve alone."""
        with urllib.request.urlopen(f"{self.address}/metrics", timeout=60) as reply:
            text = reply.read().decode()

        def value(name, label=""):
            return sum(float(x) for x in re.findall(rf"^{name}{{?[^}}\n]*{label}[^}}\n]*}}? (\S+)$", text, re.M))

        return np.array([value("pulmo_stage_duration_seconds_sum", 'stage="infer"'), value("pulmo_batch_size_count"),
                         value("pulmo_batch_size_sum")])

    def wait_until_idle(self):
        """Until it has answered what clients that are gone had asked for: it would take the next one's processors."""
        deadline, before = time.monotonic() + 180, -1.0
        while (now := self.processor_s()) - before > 0.05:
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name} is still busy three minutes after its clients left")
            before = now
            time.sleep(0.5)

    def processor_s(self):
        """Seconds of processors that the process has used; pulmo-serve's decoders end with their requests."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def start(options, bundle, folder):
    settings = [part for setting in options.set for part in ("--set", setting)]
    ours = Server("pulmo-serve", [options.bin / "pulmo-serve", "--bundle", bundle, "--port", "0", *settings],
                  r"listening address=http://127\.0\.0\.1:(\d+)", folder)
    theirs = Server("reference", [sys.executable, HERE / "reference_server.py", "--bundle", bundle, "--threads",
                                  options.reference_threads, "--torch-threads", options.cores],
                    r"listening (\d+)", folder)
    return {"pulmo-serve": ours, "reference": theirs}


def choose_slices(servers, files, count):
    """Slices that both servers answer, spread over the series, and how far their probabilities are apart."""
    step, chosen, differences, refused = max(1, len(files) // (2 * count)), [], [], 0
    for body in files[::step]:
        ours, theirs = (servers[name].probabilities(body) for name in NAMES)
        if (ours is None) != (theirs is None):
            raise SystemExit("one server refuses a slice that the other answers")
        if ours is None:
            refused += 1
            continue
        differences.append(max(abs(ours[name] - theirs[name]) for name in ours))
        chosen.append(body)
    worst = max(differences)
    if worst > SAME:
        raise SystemExit(f"the probabilities differ by up to {worst:.1e}: the servers do not do the same")
    return chosen[:count], f"{len(chosen)} slices answered by both, {refused} refused by both; probabilities differ by {worst:.1e} at most"


def measure(options, server, listing, clients, seconds):
    environment = {**os.environ, "PULMO_BENCH_LIST": str(listing), "PULMO_BENCH_TYPE": "application/dicom"}
    threads = min(2, clients)
    done = subprocess.run([*options.client_command, "wrk", "-t", str(threads), "-c", str(clients), "-d", f"{seconds:g}s", "--timeout", "60s", "-s",
                           HERE / "post_slices.lua", f"{server.address}/v1/predict"], env=environment, check=True,
                          capture_output=True, text=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    if not any(result[key] for key in ("good", "bad", "broken")) and seconds < 60:
        return measure(options, server, listing, clients, 4 * seconds)  # too short for one answer, on a busy machine
    if result["bad"] or result["broken"] or not result["good"]:
        raise SystemExit(f"{server.name} failed under {clients} clients: {result}\n{server.log.read_text()[-2000:]}")
    return {"rate": result["good"] / result["seconds"], "p50": result["p50_ms"], "p99": result["p99_ms"]}


def spread(values, digits=1):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def compare(options, servers, bundle, listing, clients):
    """One row of the table, and what the model's share is made of. The model is called directly in each turn, too."""
    runs, shares = {name: [] for name in NAMES}, []
    for turn in range(options.rounds):
        for name in NAMES if turn % 2 == 0 else NAMES[::-1]:
            before, begin = servers["pulmo-serve"].model_time(), time.perf_counter()
            runs[name].append(measure(options, servers[name], listing, clients, options.seconds))
            took = time.perf_counter() - begin
            servers[name].wait_until_idle()
            if name == "pulmo-serve":
                shares.append((*(servers["pulmo-serve"].model_time() - before), took,
                               *direct_cost(options, bundle)))
    pairs = list(zip(runs["pulmo-serve"], runs["reference"]))
    cells = [clients]
    for key, ratio in (("rate", lambda a, b: a / b), ("p50", lambda a, b: b / a), ("p99", lambda a, b: b / a)):
        cells += [spread([run[key] for run in runs["pulmo-serve"]]), spread([run[key] for run in runs["reference"]]),
                  f"**{spread([ratio(a[key], b[key]) for a, b in pairs])}**"]
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)
    return shares


def direct_cost(options, bundle):
    """Seconds of the model called straight: (a batch, a slice), a line through runs of several sizes. Their means, since what
    it takes within the server is a sum: where other guests of the machine interrupt now and then, the median leaves it out."""
    done = subprocess.run([options.bin / "predictor_bench", bundle, str(options.cores), "0.5", *map(str, SIZES)],
                          env={**os.environ, **KEEP_MEMORY}, check=True, capture_output=True, text=True)
    seconds = json.loads(done.stdout)
    slope, constant = np.polyfit(SIZES, [seconds[str(size)]["mean"] for size in SIZES], 1)
    return max(0.0, constant), slope


def print_shares(shares):
    print("\n| clients | slices in a batch | called directly, ms a batch + ms a slice | kept pace | busy |\n|---|---|---|---|---|")
    for clients, rounds in shares.items():
        infer_s, batches, slices, wall_s, batch_s, slice_s = np.array(rounds).T
        direct_s = batch_s * batches + slice_s * slices
        print(f"| {clients} | {np.median(slices / batches):.1f} | {1000 * np.median(batch_s):.1f} + {1000 * np.median(slice_s):.1f} "
              f"| **{spread(direct_s / infer_s, 2)}** | {spread(direct_s / wall_s, 2)} |")


def describe(options):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                  if line.startswith("model name")), "")
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return (f"{time.strftime('%Y-%m-%d')}, commit {commit.stdout.strip()}, {model}, {options.cores} cores, load average before "
            f"the run {os.getloadavg()[0]:.1f}\n`{' '.join(['serve_bench.py', *sys.argv[1:]])}`")


def main():
    options = parse_arguments()
    cores = sorted(os.sched_getaffinity(0))[:options.cores]
    options.client_command = []
    if options.clients_apart:
        if len(cores) < 2:
            raise SystemExit("--clients-apart needs two cores or more")
        options.client_command = ["taskset", "-c", str(cores.pop())]
        options.cores = len(cores)
    os.sched_setaffinity(0, cores)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        bundle = options.bundle or folder / "bundle.pt"
        if options.bundle is None:
            subprocess.run([options.bin / "pulmo-test-bundle", bundle, "224", "lungs"], check=True)
        servers = start(options, bundle, folder)
        try:
            slices, alike = choose_slices(servers, dicom_slices(options, folder), options.slices)
            listing = folder / "slices.txt"
            for i, body in enumerate(slices):
                (folder / f"{i}.dcm").write_bytes(body)
            listing.write_text("".join(f"{folder / f'{i}.dcm'}\n" for i in range(len(slices))), encoding="utf-8")
            for server in servers.values():
                measure(options, server, listing, 8, 10.0)  # each thread of the reference compiles the model for itself
            print(describe(options), f"\n{alike}; {len(slices)} of them are sent in turn\n")
            print("| clients | requests/s | reference | ratio | p50 ms | reference | ratio | p99 ms | reference | ratio |\n"
                  "|---|---|---|---|---|---|---|---|---|---|", flush=True)
            shares = {clients: compare(options, servers, bundle, listing, clients) for clients in options.clients}
        finally:
            for server in servers.values():
                server.stop()
        print_shares(shares)


if __name__ == "__main__":
    main()
