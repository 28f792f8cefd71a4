"""What the tests of the batch scripts share: the cluster, phantom data, and questions to Slurm with deadlines."""

import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

SOURCE = pathlib.Path(os.environ["PULMO_SOURCE_DIR"])
BIN = pathlib.Path(os.environ["PULMO_BIN_DIR"])
SLURM = SOURCE / "slurm"
SIZE = 64  # pixels a side of a prepared slice

# One job of two ranks, one on each node of the cluster: what crosses nodes in real life does so here.
TWO_RANKS = ("--nodes=2 --ntasks-per-node=1 --cpus-per-task=1 --mem-per-cpu=500M --time=10 --oversubscribe").split()
ONE_RANK = ("--ntasks=1 --cpus-per-task=1 --mem=500M --time=10").split()


def run(*command, expect=0, env=None, timeout=120):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout,
                          env=None if env is None else {**os.environ, **{k: str(v) for k, v in env.items()}})
    if expect is not None and done.returncode != expect:
        raise AssertionError(f"{command}: exit {done.returncode}, expected {expect}\n{done.stdout}\n{done.stderr}")
    return done


def wait_for(what, question, seconds):
    """Asks until the answer is true, at most so long; returns it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


class Cluster:
    """tests/slurm/cluster in a folder of its own; the environment of this process then leads there."""

    def __init__(self, folder):
        self.folder = folder
        os.environ.update(SLURM_CONF=str(folder / "slurm.conf"), PULMO_BIN=str(BIN), PULMO_SLURM=str(SLURM),
                          OMP_NUM_THREADS="1")
        # Both nodes have this machine's name; between them Open MPI takes the loopback interface, which always is there.
        os.environ.update(OMPI_MCA_btl="self,tcp", OMPI_MCA_btl_tcp_if_include="lo", OMPI_MCA_pml="ob1")
        unittest.addModuleCleanup(self.script, "stop")
        self.script("start")

    def script(self, *arguments):
        return run(SOURCE / "tests/slurm/cluster", arguments[0], self.folder, *arguments[1:])

    def submit(self, script, parameters, *options):
        """Returns the job id."""
        log = self.folder / "log-%j.txt"
        done = run("sbatch", "--parsable", f"--output={log}", *options, SLURM / script, env=parameters)
        return done.stdout.strip()

    def log(self, job):
        path = self.folder / f"log-{job}.txt"
        return path.read_text() if path.exists() else ""

    def field(self, job, name):
        found = re.search(rf"\b{name}=(\S*)", run("scontrol", "show", "job", "--oneliner", job).stdout)
        return found.group(1) if found else ""

    def state(self, job):
        return self.field(job, "JobState")

    def wait_for_state(self, job, states, seconds):
        """The state, once it is one of `states`; a job that ended otherwise fails at once."""
        ended = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE"}

        def settled():
            state = self.state(job)
            if state in states:
                return state
            if state in ended:
                raise AssertionError(f"job {job} is {state}, expected {states}:\n{self.log(job)}")
            return None

        try:
            return wait_for(f"job {job} is {states}", settled, seconds)
        except AssertionError as error:
            daemons = "".join(f"\n--- {path.name}\n{path.read_text()[-1500:]}" for path in self.folder.glob("*.log"))
            raise AssertionError(f"{error}\n{self.log(job)}{daemons}") from None

    def ranks(self, job):
        """Process ids of the job's pulmo-train ranks, by rank."""
        found = {}
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if process.joinpath("comm").read_text().strip() != "pulmo-train":
                    continue
                environment = dict(entry.split("=", 1) for entry in
                                   process.joinpath("environ").read_bytes().decode(errors="replace").split("\0")
                                   if "=" in entry)
            except OSError:  # it ended meanwhile
                continue
            if (environment.get("SLURM_CONF") == os.environ["SLURM_CONF"] and
                    environment.get("SLURM_JOB_ID") == str(job)):
                found[int(environment["SLURM_PROCID"])] = int(process.name)
        return found

    def pause_in_mid_run(self, job, run_folder, seconds=90):
        """Stops the ranks (SIGSTOP) once the run has its first checkpoint, so that what a test does next comes in the middle
        of the run, however fast the machine is. Returns the process ids by rank."""
        wait_for(f"job {job} has a checkpoint", lambda: list(run_folder.glob("**/checkpoints/*.pt")), seconds)
        ranks = self.ranks(job)
        if len(ranks) != 2:
            raise AssertionError(f"job {job} has the ranks {ranks}:\n{self.log(job)}")
        for pid in ranks.values():
            os.kill(pid, signal.SIGSTOP)
        return ranks


def make_archive(folder):
    run(BIN / "pulmo-prepare", "phantom", "--output", folder, "--patients", 10, "--slices", 8, "--seed", 3)


PREPARE_OPTIONS = f"--set preprocess.size_px={SIZE} --set split.validation_fraction=0.3 --set store.shard_samples=8"


def prepare_at_once(archive, data):
    run(BIN / "pulmo-prepare", "lidc", "--input", archive / "images", "--annotations", archive / "annotations",
        "--config", SOURCE / "configs/prepare.yaml", *PREPARE_OPTIONS.split(), "--output", data)
