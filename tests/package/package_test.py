"""The Debian packages of this build: installed in a clean tree, run there, and purged without a trace."""

import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from debian_tree import clean_tree, run

SOURCE = pathlib.Path(os.environ["PULMO_SOURCE_DIR"])
BUILD = pathlib.Path(sys.argv.pop(1))
UNIT = "lib/systemd/system/pulmo-serve.service"
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    PORT = free.getsockname()[1]


def setUpModule():
    global temporary, folder, packages, tree, before
    temporary = tempfile.TemporaryDirectory(prefix="pulmo-package-")
    folder = pathlib.Path(temporary.name)
    run("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", folder / "packages")
    packages = sorted((folder / "packages").glob("*.deb"), key=lambda package: package.name.split("_"))
    depends = ", ".join(run("dpkg-deb", "--field", package, "Depends").stdout.strip() for package in packages)
    tree = clean_tree(folder / "tree", BUILD / "debian-trees", depends)
    before = tree.files()
    for package in packages:
        shutil.copy(package, tree.root / "tmp")
    tree.run("apt-get", "install", "-y", "-qq", "--no-install-recommends",
             *(f"/tmp/{package.name}" for package in packages))


def tearDownModule():
    temporary.cleanup()


def command_of_unit(name):
    """A command line of the unit, as systemd would run it."""
    unit = tree.text("usr/" + UNIT)
    settings = dict(re.findall(r'^(\w+)="?(.*?)"?$', tree.text("etc/default/pulmo-serve"), re.M))
    (line,) = re.findall(rf"^{name}=(.*)$", unit, re.M)
    return shlex.split(re.sub(r"\$(\w+)", lambda found: settings[found.group(1)], line))


class Packages(unittest.TestCase):
    def test_1_there_are_two_without_lintian_errors(self):
        self.assertEqual([package.name.split("_")[0] for package in packages], ["pulmo", "pulmo-serve"])
        done = run("lintian", "--fail-on", "error", "--allow-root", *packages, expect=None)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_2_what_is_installed(self):
        for program in ("pulmo-prepare", "pulmo-train", "pulmo-serve"):
            self.assertRegex(tree.run(program, "--version").stdout, r"^\d+\.\d+\.\d+$")
            for file in (f"man/man1/{program}.1.gz", f"bash-completion/completions/{program}",
                         f"zsh/vendor-completions/_{program}"):
                self.assertTrue((tree.root / "usr/share" / file).stat().st_size > 200, file)
        for file in (SOURCE / "configs").rglob("*.yaml"):
            installed = tree.root / "usr/share/pulmo/configs" / file.relative_to(SOURCE / "configs")
            self.assertEqual(installed.read_bytes(), file.read_bytes())
        self.assertTrue(os.access(tree.root / "usr/share/pulmo/slurm/submit", os.X_OK))
        conffiles = run("dpkg-deb", "--info", packages[1], "conffiles").stdout.split()
        self.assertEqual(conffiles, ["/etc/default/pulmo-serve", "/etc/pulmo/serve.yaml"])

    def test_2_manual_pages_are_without_warnings(self):
        for page in (tree.root / "usr/share/man/man1").glob("pulmo-*"):
            done = run("man", "--warnings", "-l", page, env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
            self.assertEqual(done.stderr, "")
            self.assertIn("--check", done.stdout)

    def complete(self, program, *words):
        function = "_" + program.replace("-", "_")
        script = (f"source /usr/share/bash-completion/completions/{program}; COMP_WORDS=({program} {' '.join(words)} '');"
                  f'COMP_CWORD={len(words) + 1}; {function}; printf "%s\\n" "${{COMPREPLY[@]}}"')
        return tree.run("bash", "-c", script).stdout.split()

    def test_2_bash_completes_commands_options_and_files(self):
        self.assertIn("compare", self.complete("pulmo-train"))
        self.assertIn("--annotations", self.complete("pulmo-prepare", "lidc"))
        self.assertNotIn("--annotations", self.complete("pulmo-prepare", "images"))
        self.assertIn("etc", self.complete("pulmo-train", "fit", "--data"))

    def test_2_zsh_takes_the_completions(self):
        for program in ("pulmo-prepare", "pulmo-train", "pulmo-serve"):
            run("zsh", "-n", tree.root / f"usr/share/zsh/vendor-completions/_{program}")

    def test_3_the_unit_is_valid_and_confined(self):
        done = run("systemd-analyze", "verify", f"--root={tree.root}", "--man=no", "pulmo-serve.service")
        self.assertNotIn("pulmo-serve", done.stderr)
        # --threshold is ten times the exposure.
        done = run("systemd-analyze", "security", "--offline=true", "--threshold=25", f"--root={tree.root}",
                   "pulmo-serve.service", expect=None)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_3_the_service_is_enabled_for_a_user_of_its_own(self):
        self.assertTrue((tree.root / "etc/systemd/system/multi-user.target.wants/pulmo-serve.service").is_symlink())
        self.assertRegex(tree.text("etc/passwd"), r"(?m)^pulmo:.*:/var/lib/pulmo:/usr/sbin/nologin$")
        self.assertEqual((tree.root / "var/lib/pulmo").stat().st_mode & 0o777, 0o750)

    def test_4_the_installed_server_answers(self):
        tree.run("pulmo-prepare", "phantom", "--output", "/tmp/archive", "--patients", "1", "--slices", "8")
        bundle = tree.root / "var/lib/pulmo/phantom_cnn/bundle.pt"
        self.assertEqual(tree.run(*command_of_unit("ExecStartPre"), user="pulmo", expect=1).stdout, "")
        bundle.parent.mkdir()
        shutil.copy(SOURCE / "tests/core/model/data/bundle-v1.pt", bundle)
        bundle.chmod(0o644)
        self.assertIn("# model phantom_cnn", tree.run(*command_of_unit("ExecStartPre"), user="pulmo").stdout)
        self.assertIn("shutdown_grace_s: 30", tree.run(*command_of_unit("ExecStartPre"), user="pulmo").stdout)
        self.answers(tree.command(*command_of_unit("ExecStart"), "--port", str(PORT), user="pulmo"))

    def test_5_it_answers_under_the_filter_of_the_unit(self):
        # With this machine's libraries, which are the tree's: systemd itself cannot run in the tree.
        command = command_of_unit("ExecStart")
        program = tree.root / "usr/bin" / command[0]
        rest = [re.sub(r"^/(etc|var)/", rf"{tree.root}/\1/", word) for word in command[1:]]
        words = self.answers([sys.executable, pathlib.Path(__file__).with_name("under_unit_filter.py"),
                              tree.root / "usr" / UNIT, program, *rest, "--port", PORT])
        self.assertNotIn("priority", words)  # explanations could lower theirs

    def answers(self, command):
        """Starts a server by that command, asks it for a prediction, an explanation and the page, and returns its log."""
        server = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        address = f"http://127.0.0.1:{PORT}"
        try:
            self.wait_until_ready(server, address)
            slice_file = sorted((tree.root / "tmp/archive/images").rglob("*.dcm"))[4]
            for route in ("predict", "explain"):
                request = urllib.request.Request(f"{address}/v1/{route}", slice_file.read_bytes(),
                                                 {"Content-Type": "application/dicom"})
                with urllib.request.urlopen(request, timeout=30) as reply:
                    answer = json.load(reply)
                self.assertIn("never a diagnosis", answer["notice"])
            with urllib.request.urlopen(f"{address}/", timeout=30) as reply:
                self.assertIn("text/html", reply.headers["Content-Type"])
        finally:
            # In the tree the server is the only child of what made its process namespace.
            children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
            os.kill(int(children[0]) if command[0] == "unshare" else server.pid, signal.SIGTERM)
            words = server.communicate(timeout=60)[0]
        self.assertEqual(server.returncode, 0, words)
        return words

    def wait_until_ready(self, server, address):
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{address}/v2/health/ready", timeout=5) as reply:
                    self.assertEqual(reply.status, 200)
                    return
            except (urllib.error.URLError, ConnectionError):
                if server.poll() is not None or time.monotonic() > deadline:
                    server.kill()
                    raise AssertionError("the server did not start:\n" + server.communicate()[0]) from None
                time.sleep(0.1)

    def test_6_removed_it_keeps_the_configuration_and_purged_it_leaves_nothing(self):
        tree.run("apt-get", "remove", "-y", "-qq", "pulmo", "pulmo-serve")
        self.assertTrue((tree.root / "etc/pulmo/serve.yaml").exists())
        self.assertTrue((tree.root / "var/lib/pulmo/phantom_cnn/bundle.pt").exists())
        self.assertFalse((tree.root / "usr/bin/pulmo-serve").exists())
        tree.run("apt-get", "purge", "-y", "-qq", "pulmo", "pulmo-serve")
        self.assertEqual(sorted(tree.files() - before), [])
        self.assertNotIn("pulmo", tree.text("etc/passwd") + tree.text("etc/group"))
        leftovers = [path for path in (tree.root / "var/lib").rglob("*pulmo*")]
        self.assertEqual(leftovers, [])


class CmakeInstall(unittest.TestCase):
    def test_another_prefix_holds_everything(self):
        prefix = folder / "prefix"
        run("cmake", "--install", BUILD, "--prefix", prefix)
        for file in ("bin/pulmo-prepare", "bin/pulmo-train", "bin/pulmo-serve", "etc/pulmo/serve.yaml",
                     "share/pulmo/slurm/submit", "share/man/man1/pulmo-serve.1.gz", UNIT):
            self.assertTrue((prefix / file).exists(), file)
        run(prefix / "bin/pulmo-train", "--version")


if __name__ == "__main__":
    unittest.main(verbosity=2)
