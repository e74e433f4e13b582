# SPDX-License-Identifier: GPL-3.0-or-later
"""A network namespace with real daemons in it; everything in it ends with the object."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

# Whatever a test forgets to end, ends with the tests.
_MORTAL = ("setpriv", "--pdeathsig", "KILL")


def program(name: str, package: str) -> str:
    """A daemon that these tests need; the remedy when it is missing."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/bin:/sbin")
    if found is None:
        pytest.exit(f"{name} is missing; install it with: apt-get install {package}", returncode=3)
    return found


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
    """Look again and again; fail with `what` when it does not come true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen within {timeout_s} s")
        time.sleep(0.05)


class Namespace:
    """Its loopback is up. `home` takes the logs of what runs inside."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._holder = subprocess.Popen([*_MORTAL, "unshare", "--net", "sleep", "900"], stdout=subprocess.DEVNULL)
        self._processes = [self._holder]
        wait_until(self._exists, "the namespace")
        self.run("ip", "link", "set", "lo", "up")

    @property
    def pid(self) -> int:
        """A process inside, for `ip link set … netns`."""
        return self._holder.pid

    def _exists(self) -> bool:
        own = Path("/proc/self/ns/net").readlink()
        return Path(f"/proc/{self._holder.pid}/ns/net").readlink() != own

    def inside(self, *command: str) -> list[str]:
        """The command line that runs a command in here."""
        return [*_MORTAL, "nsenter", "--net", "--target", str(self._holder.pid), *command]

    def run(self, *command: str, timeout_s: float = 60) -> str:
        """Run a command to its end; its standard output."""
        done = subprocess.run(self.inside(*command), capture_output=True, text=True, timeout=timeout_s, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
        return done.stdout

    def cable(self, port: str, addresses: Sequence[str], other: Namespace, others: Sequence[str]) -> None:
        """Connect a new port here with eth0 there; both are up, with these addresses (each with its prefix length)."""
        self.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(other.pid))
        for host, own, given in ((self, port, addresses), (other, "eth0", others)):
            for address in given:
                host.run("ip", "address", "add", address, "dev", own, *(["nodad"] if ":" in address else []))
            host.run("ip", "link", "set", own, "up")

    def start(self, name: str, *command: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Run a command in the background; what it says goes to `<name>.log`."""
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                self.inside(*command), stdin=stdin, stdout=log, stderr=log, start_new_session=True
            )
        self._processes.append(process)
        return process

    def log(self, name: str) -> str:
        """What a command in the background has said."""
        return (self.home / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        """End what was started here, the last first, each with its children."""
        for process in reversed(self._processes):
            if process is self._holder:
                process.kill()
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
