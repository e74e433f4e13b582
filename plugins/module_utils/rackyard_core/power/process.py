# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One power worker: a child process with a hard deadline for each call. What it uses may hang, the caller may not."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from . import registry, worker
from .base import ERRORS, Bmc, PowerError, PowerUnreachable
from .orders import DEFAULT_TIMEOUT_S, PowerResult, carry_out

# Room for a login with some lost packets; a command that a BMC takes is answered within milliseconds.
CALL_LIMIT_S = 25.0
# The child gets the parent's module path, so that it finds this package also inside an Ansible payload.
_BOOTSTRAP = "import sys, importlib; sys.path[:] = sys.argv[3:]; importlib.import_module(sys.argv[1]).main()"


def start_child(role: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A child of this module's package as ``role`` (worker or nursery), and our end of the socket to it."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-c", _BOOTSTRAP, worker.__name__, role, *sys.path]
        # The rack agent has no module with a run_command, and talks to the child while it runs.
        # pylint: disable-next=ansible-bad-function
        child = subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, close_fds=True)
    return child, ours


class PowerProcess:
    """One worker, started when it is needed and replaced when it was late. For one caller at a time.

    ``hatch`` gives our end of a new worker's socket; without it, the worker is a child of this process."""

    def __init__(self, hatch: Callable[[], socket.socket] | None = None) -> None:
        self._hatch = hatch
        self._child: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    @property
    def running(self) -> bool:
        """Whether there is a worker now."""
        return self._socket is not None

    def call(self, bmc: Bmc, call: str, arguments: dict[str, Any], limit_s: float = CALL_LIMIT_S) -> Any:
        """One call of a driver's session. Raises PowerError's children, PowerUnreachable when it takes too long."""
        request = {"bmc": bmc.as_dict(), "call": call, "arguments": arguments, "limit_s": limit_s}
        deadline = time.monotonic() + limit_s
        answer = self._exchange(request, deadline)
        if answer is None and time.monotonic() < deadline - 0.1:
            raise PowerError(f"the process that talked to BMC {bmc.name} ended; look at its last words in the journal")
        if answer is None:
            raise PowerUnreachable(
                f"BMC {bmc.name} gave no usable answer within {limit_s:.0f} s; check its address and its cable"
            )
        if not answer["ok"]:
            raise ERRORS.get(answer["error"], PowerError)(answer["message"])
        return answer["result"]

    def close(self) -> None:
        """Let the worker log out and end; kill it when it does not."""
        self._forget()
        child, self._child = self._child, None
        if child is None:
            return
        try:
            child.wait(timeout=3.0)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _exchange(self, request: dict[str, Any], deadline: float) -> dict[str, Any] | None:
        """Send and receive one line; None when the worker was late or died."""
        line = b""
        try:
            connection = self._running()
            connection.sendall(json.dumps(request).encode() + b"\n")
            # A worker that is late ends itself at the deadline; this is for one that cannot.
            line = self._read_line(connection, deadline + 2.0)
        except OSError:
            pass
        if not line.endswith(b"\n"):
            self._forget()
            if self._child is not None:
                self._child.kill()
                self._child.wait()
                self._child = None
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    @staticmethod
    def _read_line(connection: socket.socket, deadline: float) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([connection], [], [], max(0.0, deadline - time.monotonic()))[0]:
                break
            chunk = connection.recv(65536)
            if not chunk:
                break
            line += chunk
        return line

    def _running(self) -> socket.socket:
        if self._socket is None and self._hatch is not None:
            self._socket = self._hatch()
        elif self._socket is None:
            self._child, self._socket = start_child("worker")
        return self._socket

    def _forget(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()


class ProcessMachine:
    """A machine's BMC behind one worker; a silent one is noticed without keeping the worker."""

    def __init__(self, process: PowerProcess, bmc: Bmc) -> None:
        self._process = process
        self._bmc = bmc
        self._driver = registry.driver(bmc.driver)
        self.name = bmc.name

    def state(self) -> str:
        """On or off."""
        return str(self._call("state"))

    def set_boot_device(self, device: str, *, uefi: bool = False) -> None:
        """For the next boot only."""
        self._call("set_boot_device", device=device, uefi=uefi)

    def control(self, action: str) -> None:
        """Give one command."""
        self._call("control", action=action)

    def _call(self, call: str, **arguments: Any) -> Any:
        self._driver.knock(self._bmc)
        return self._process.call(self._bmc, call, arguments)


@contextlib.contextmanager
def machine(bmc: Bmc) -> Iterator[ProcessMachine]:
    """The machine of a BMC, with a worker of its own that ends with the context."""
    process = PowerProcess()
    try:
        yield ProcessMachine(process, bmc)
    finally:
        process.close()


def power_in_process(
    bmc: Bmc, wanted: str, boot_device: str | None = None, timeout_s: float = DEFAULT_TIMEOUT_S
) -> PowerResult:
    """One order to one BMC in a child process. Raises PowerError's children."""
    with machine(bmc) as found:
        return carry_out(found, wanted, boot_device, timeout_s)
