"""under_unit_filter.py UNIT COMMAND...: runs a command under the system call filter of a systemd unit, without systemd:
the sets are expanded as `systemd-analyze syscall-filter` names them, and what the unit leaves out answers as it says there."""

import errno
import os
import re
import subprocess
import sys

import seccomp


def expand(name, cache={}):
    if not name.startswith("@"):
        return {name}
    if name not in cache:
        listed = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
        words = [line.strip() for line in listed.stdout.splitlines()[1:]]
        cache[name] = set().union(*(expand(word) for word in words if word and not word.startswith("#")))
    return cache[name]


def allowed(unit):
    """As in systemd.exec(5): the first line makes a list of what is allowed, `~` takes away, later lines add."""
    calls = expand("@default")
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.M):
        names = set().union(*(expand(word) for word in line.removeprefix("~").split()))
        calls = calls - names if line.startswith("~") else calls | names
    return calls


def main():
    unit = open(sys.argv[1], encoding="utf-8").read()
    error = re.search(r"^SystemCallErrorNumber=(\w+)$", unit, re.M).group(1)
    filtered = seccomp.SyscallFilter(seccomp.ERRNO(getattr(errno, error)))
    for call in sorted(allowed(unit)):
        try:
            filtered.add_rule(seccomp.ALLOW, call)
        except RuntimeError:  # of another processor
            continue
    filtered.load()
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
