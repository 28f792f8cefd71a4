"""The real batch scripts on a real Slurm: what a job does when all goes well, and when it does not."""

import hashlib
import json
import os
import pathlib
import signal
import tempfile
import unittest
import urllib.request

from cluster_support import (BIN, ONE_RANK, PREPARE_OPTIONS, SLURM, SOURCE, TWO_RANKS, Cluster, make_archive,
                             prepare_at_once, run, wait_for)

FIT = {"PULMO_CONFIG": SOURCE / "configs/train/conventional_cnn.yaml",
       "PULMO_OPTIONS": "--set training.epochs=6 --set training.batch_size=4 --set training.precision=fp32 --set evaluation.bootstrap=0 "
                        "--set watch.tensorboard=false --set checkpoint.every_steps=2"}


def setUpModule():
    global cluster, folder, archive, data, temporary
    temporary = tempfile.TemporaryDirectory(prefix="pulmo-slurm-")
    unittest.addModuleCleanup(temporary.cleanup)
    folder = pathlib.Path(temporary.name)
    folder.chmod(0o711)  # munge wants its socket within everybody's reach
    archive, data = folder / "archive", folder / "data"
    make_archive(archive)
    prepare_at_once(archive, data)
    cluster = Cluster(folder / "cluster")


def digests(directory):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.glob("*.h5"))}


def weights(run_folder):
    """The module inside the bundle, without what was measured and timed around it."""
    import torch
    module = torch.jit.load(str(run_folder / "bundle.pt"))
    return {name: value.numpy().tobytes() for name, value in module.state_dict().items()}


class Chain(unittest.TestCase):
    """slurm/submit: prepare -> merge -> compare -> serve."""

    @classmethod
    def setUpClass(cls):
        cls.work = folder / "chain"
        cls.targets = folder / "targets"
        cls.targets.mkdir()
        done = run(SLURM / "submit", "--work", cls.work, "--input", archive / "images", "--annotations",
                   archive / "annotations", "--parts", 2, "--targets", cls.targets, "--row", "conventional_cnn",
                   "--prepare-options", PREPARE_OPTIONS, "--prepare-sbatch", " ".join(ONE_RANK),
                   "--merge-sbatch", " ".join(ONE_RANK), "--compare-sbatch", " ".join(TWO_RANKS),
                   "--compare-options", "--set rows=[majority,conventional_cnn] --set reference=conventional_cnn "
                   "--set training.epochs=1 --set evaluation.bootstrap=0 --set watch.tensorboard=false",
                   "--serve-sbatch", " ".join(ONE_RANK))
        cls.jobs = dict(line.split() for line in done.stdout.splitlines())

    def logs(self):
        return "\n".join(f"--- {path.name}\n{path.read_text()}" for path in sorted((self.work / "logs").glob("*")))

    def test_the_whole_way(self):
        self.assertEqual(list(self.jobs), ["prepare", "merge", "compare", "serve"])
        try:
            for stage in ("merge", "compare"):
                cluster.wait_for_state(self.jobs[stage], {"COMPLETED"}, 120)
            target = self.targets / f"servers/pulmo-serve-{self.jobs['serve']}.json"
            wait_for("the server is registered", target.exists, 60)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None
        # The parts of an array give what one run gives.
        self.assertEqual(digests(self.work / "data"), digests(data))
        self.assertEqual((self.work / "data/manifest.yaml").read_text(), (data / "manifest.yaml").read_text())
        self.assertIn("conventional_cnn", (self.work / "run/comparison.md").read_text())

        (entry,) = json.loads(target.read_text())
        self.assertEqual(entry["labels"]["slurm_job_id"], self.jobs["serve"])
        (address,) = entry["targets"]
        slice_file = sorted((archive / "images").rglob("*.dcm"))[4]  # from the middle of the chest
        request = urllib.request.Request(f"http://{address}/v1/predict", slice_file.read_bytes(),
                                         {"Content-Type": "application/dicom"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            answer = json.load(reply)
        self.assertEqual(answer["model"]["name"], "conventional_cnn")
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as reply:
            self.assertIn("pulmo_", reply.read().decode())

        run("scancel", self.jobs["serve"])
        cluster.wait_for_state(self.jobs["serve"], {"CANCELLED"}, 60)
        wait_for("the server has ended", lambda: "ended when asked to; ended by Slurm" in self.logs(), 60)
        self.assertEqual(cluster.state(self.jobs["serve"]), "CANCELLED", "a cancelled job must not come again")
        self.assertEqual(list(self.targets.rglob("*.json*")), [], "a job is still registered")


class Parts(unittest.TestCase):
    def test_a_failed_part_holds_the_merge_back_and_is_made_by_its_rerun(self):
        parts = folder / "parts"
        # The second part is killed, as by a memory limit.
        faulty = folder / "faulty"
        faulty.mkdir()
        program = faulty / "pulmo-prepare"
        program.write_text('#!/bin/sh\n'
                           'case "$*" in *"--part 2/2"*) kill -KILL $$ ;; esac\n'
                           f'exec {BIN}/pulmo-prepare "$@"\n')
        program.chmod(0o755)
        parameters = {"PULMO_INPUT": archive / "images", "PULMO_ANNOTATIONS": archive / "annotations", "PULMO_DATA": parts,
                      "PULMO_CONFIG": SOURCE / "configs/prepare.yaml", "PULMO_PARTS": 2,
                      "PULMO_OPTIONS": PREPARE_OPTIONS}
        array = cluster.submit("prepare.sbatch", {**parameters, "PULMO_BIN": faulty}, "--array=1-2", *ONE_RANK)
        merge = cluster.submit("merge.sbatch", {"PULMO_DATA": parts}, f"--dependency=afterok:{array}",
                               "--kill-on-invalid-dep=yes", *ONE_RANK)
        cluster.wait_for_state(merge, {"CANCELLED"}, 60)
        self.assertEqual([cluster.state(f"{array}_{part}") for part in (1, 2)], ["COMPLETED", "FAILED"])

        again = cluster.submit("prepare.sbatch", parameters, "--array=2", *ONE_RANK)
        merge = cluster.submit("merge.sbatch", {"PULMO_DATA": parts}, f"--dependency=afterok:{again}",
                               "--kill-on-invalid-dep=yes", *ONE_RANK)
        cluster.wait_for_state(merge, {"COMPLETED"}, 90)
        self.assertEqual(digests(parts), digests(data))


class Fits(unittest.TestCase):
    """Every undisturbed and every disturbed fit ends with the same weights."""

    @classmethod
    def setUpClass(cls):
        run_folder = folder / "undisturbed"
        job = cls.fit(run_folder)
        cluster.wait_for_state(job, {"COMPLETED"}, 120)
        cls.expected = weights(run_folder)

    @staticmethod
    def fit(run_folder, *options, **parameters):
        return cluster.submit("fit.sbatch", {**FIT, "PULMO_DATA": data, "PULMO_RUN": run_folder, **parameters},
                              *TWO_RANKS, *options)

    def assert_went_on(self, job, run_folder):
        cluster.wait_for_state(job, {"COMPLETED"}, 120)
        log = cluster.log(job)
        restarts = int(cluster.field(job, "Restarts"))
        self.assertGreaterEqual(restarts, 1, log)
        self.assertIn(f"start {restarts}: done", log)
        self.assertIn("resumed", log)
        self.assertTrue(weights(run_folder) == self.expected, f"other weights than the undisturbed run's\n{log}")
        self.assertEqual(list(run_folder.glob(".stopped-*")), [])

    def test_a_preempted_fit_goes_on_where_it_stopped(self):
        run_folder = folder / "preempted"
        job = self.fit(run_folder)
        cluster.pause_in_mid_run(job, run_folder)
        urgent = run("sbatch", "--parsable", "--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null",
                     "--wrap=true").stdout.strip()
        # Slurm wakes the ranks (SIGCONT) as it tells them (SIGTERM).
        cluster.wait_for_state(urgent, {"COMPLETED"}, 60)
        self.assert_went_on(job, run_folder)
        self.assertIn("stopped with its state saved", cluster.log(job))

    def test_a_fit_at_its_time_limit_goes_on_in_the_queue(self):
        run_folder = folder / "limited"
        job = self.fit(run_folder, "--time=1", "--signal=USR1@29")
        cluster.pause_in_mid_run(job, run_folder)
        # Slurm looks at time limits every 30 s; it wakes the ranks (SIGCONT) as it tells them (SIGUSR1).
        wait_for("the ranks are told of the limit", lambda: "stopped with its state saved" in cluster.log(job), 70)
        self.assert_went_on(job, run_folder)

    def test_a_fit_survives_the_loss_of_a_node(self):
        run_folder = folder / "lost_node"
        job = self.fit(run_folder)
        cluster.pause_in_mid_run(job, run_folder)
        cluster.script("node-kill", "node2")
        os.kill(cluster.ranks(job)[0], signal.SIGCONT)
        wait_for("Slurm has the job back in the queue", lambda: cluster.field(job, "Restarts") == "1", 60)
        cluster.script("node-start", "node2")
        self.assert_went_on(job, run_folder)

    def test_a_dead_rank_ends_the_job_at_once(self):
        run_folder = folder / "dead_rank"
        job = self.fit(run_folder)
        ranks = cluster.pause_in_mid_run(job, run_folder)
        os.kill(ranks[1], signal.SIGKILL)
        os.kill(ranks[0], signal.SIGCONT)
        cluster.wait_for_state(job, {"FAILED"}, 60)
        self.assertRegex(cluster.log(job), r"start 0: failed with exit code 137")
        self.assertIn("rank 1 on node2: killed by signal 9", cluster.log(job))

    def test_a_rank_that_fails_says_why_and_the_job_does_not_come_again(self):
        run_folder = folder / "bad_option"
        job = self.fit(run_folder, PULMO_OPTIONS="--set training.epochs=0")
        cluster.wait_for_state(job, {"FAILED"}, 60)
        self.assertIn("training.epochs: 0 is outside", cluster.log(job))
        self.assertEqual(cluster.field(job, "Restarts"), "0")

    def test_ranks_that_do_not_know_of_each_other_are_refused(self):
        run_folder = folder / "singletons"
        job = self.fit(run_folder, PULMO_MPI="none")
        cluster.wait_for_state(job, {"FAILED"}, 60)
        self.assertIn("Slurm started 2 tasks but MPI sees one rank", cluster.log(job))
        self.assertFalse((run_folder / "log.jsonl").exists())


class Submission(unittest.TestCase):
    """What is wrong is told before anything waits in the queue."""

    def refused(self, *arguments, code, words):
        done = run(SLURM / "submit", *arguments, expect=code)
        self.assertIn(words, done.stderr)
        self.assertEqual(done.stdout, "")

    def test_usage(self):
        self.refused("--input", archive, code=2, words="--work DIR is missing")
        self.refused("--work", folder, "--from", "train", code=2, words="unknown stage train")
        self.refused("--work", folder, "--from", "serve", "--to", "merge", code=2, words="comes after")
        self.refused("--work", folder, code=2, words="needs --input and --annotations")
        self.refused("--work", folder, "--input", folder / "nowhere", "--annotations", archive, code=2, words="is not there")

    def test_a_bad_configuration(self):
        self.refused("--work", folder / "bad", "--from", "compare", "--compare-options", "--set training.epoch=3",
                     code=1, words="unknown key")
        self.refused("--work", folder / "bad", "--from", "compare", "--serve-options", "--set serve.prot=1",
                     code=1, words="unknown key")

    def test_a_row_that_is_not_trained_or_not_there(self):
        self.refused("--work", folder / "bad", "--from", "compare", "--row", "densenet", code=2, words="is not among the rows")
        self.refused("--work", folder / "bad", "--from", "serve", code=2, words="proposed_cnn/bundle.pt is not there")

    def test_a_chain_of_which_slurm_refuses_a_stage_is_taken_back(self):
        done = run(SLURM / "submit", "--work", folder / "refused", "--from", "merge", "--merge-sbatch", "--begin=now+1hour",
                   "--serve-sbatch", "--partition=nowhere", expect=1)
        self.assertIn("Slurm refused stage serve", done.stderr)
        jobs = done.stdout.split()[1::2]
        self.assertEqual(len(jobs), 2)  # merge, compare
        self.assertIn("cancelled: jobs " + " ".join(jobs), done.stderr)
        for job in jobs:
            cluster.wait_for_state(job, {"CANCELLED"}, 60)

    def test_dry_run_submits_nothing(self):
        before = run("squeue", "-h").stdout
        done = run(SLURM / "submit", "--work", folder / "dry", "--dry-run", "--from", "merge")
        self.assertEqual(done.stdout.split(), ["merge", "JOB-OF-merge", "compare", "JOB-OF-compare", "serve", "JOB-OF-serve"])
        self.assertIn("--dependency=afterok:JOB-OF-merge", done.stderr)
        self.assertEqual(run("squeue", "-h").stdout, before)
        self.assertFalse((folder / "dry").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
