"""A clean Debian tree of the running system's release, made by debootstrap from where apt itself gets its packages."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess


def run(*command, expect=0, timeout=900, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout, **options)
    if expect is not None and done.returncode != expect:
        raise AssertionError(f"{command}: exit {done.returncode}, expected {expect}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}")
    return done


def release():
    return re.search(r"^VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text(), re.M).group(1)


def sources():
    """(URI, release, component) of Debian's own repositories as apt is configured here."""
    listed = run("apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(LABEL)",
                 "Created-By: Packages").stdout
    found = []
    for line in listed.splitlines():
        uri, suite, component, label = line.split("|")
        if label in ("Debian", "Debian-Security") and (uri, suite, component) not in found:
            found.append((uri, suite, component))
    if not any(suite == release() for _, suite, _ in found):
        raise AssertionError(f"apt knows no repository of {release()}; run apt-get update first\n{listed}")
    return found


class DebianTree:
    def __init__(self, root):
        self.root = root

    def run(self, *command, user=None, **options):
        """In the tree, with its own /proc, whose mount ends with the command."""
        return run(*self.command(*command, user=user), **options)

    def command(self, *command, user=None):
        as_user = [f"--userspec={user}:{user}"] if user else []
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
                'mount -t proc proc "$0/proc" && exec chroot "$@"', self.root, *as_user, self.root,
                "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
                *(f"{name}={value}" for name, value in os.environ.items() if name.lower().endswith("_proxy")),
                *command]

    def files(self):
        """All files and folders but the package manager's own records and what programs cache."""
        own = ("var/lib/dpkg", "var/lib/apt", "var/cache", "var/log", "var/lib/systemd", "proc", "dev", "tmp", "run",
               "etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-")
        found = set()
        for folder, names, files in os.walk(self.root):
            here = pathlib.Path(folder).relative_to(self.root)
            names[:] = [name for name in names if str(here / name) not in own]
            found.update(str(here / name) for name in (*names, *files) if str(here / name) not in own)
        return found

    def text(self, path):
        return (self.root / path).read_text()


def clean_tree(folder, cache, dependencies):
    """Unpacks a tree that holds Debian's minimal system and `dependencies` (as in Depends) into `folder`. Made once for the
    same sources and dependencies, then kept as an archive in `cache`."""
    wanted = sorted({re.sub(r"\s*[(|].*", "", one).strip() for one in dependencies.split(",")})
    key = hashlib.sha256(repr((release(), sources(), wanted)).encode()).hexdigest()[:16]
    archive = cache / f"debian-{release()}-{key}.tar"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        building = cache / f"building-{os.getpid()}"
        try:
            bootstrap(building, wanted)
            temporary = archive.with_suffix(".new")
            run("tar", "--numeric-owner", "-C", building, "-cf", temporary, ".")
            temporary.rename(archive)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    folder.mkdir(parents=True)
    run("tar", "--numeric-owner", "-C", folder, "-xpf", archive)
    return DebianTree(folder)


def bootstrap(folder, packages):
    (uri,) = {uri for uri, suite, _ in sources() if suite == release()}
    run("debootstrap", "--variant=minbase", release(), folder, uri)
    (folder / "etc/apt/sources.list").write_text("".join(f"deb {uri} {suite} {part}\n" for uri, suite, part in sources()))
    proxies = run("apt-config", "dump", "--format", '%f "%v";%n', "Acquire").stdout
    (folder / "etc/apt/apt.conf.d/80proxy").write_text(
        "".join(line + "\n" for line in proxies.splitlines() if re.search(r"^Acquire::\w+::Proxy", line, re.I)))
    policy = folder / "usr/sbin/policy-rc.d"  # no service of the tree is started
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    tree = DebianTree(folder)
    tree.run("apt-get", "update", "-qq")
    tree.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages)
    tree.run("apt-get", "clean")
