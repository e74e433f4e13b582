# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run IPMI in child processes with a hard deadline: pyghmi may hang, the caller may not."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from typing import IO, Any
from zlib import crc32

from . import power_worker
from .ipmi import DEFAULT_PORT, DEFAULT_TIMEOUT_S, ERRORS, Bmc, IpmiError, IpmiUnreachable, PowerResult

DEADLINE_S = 30.0
# The child gets the parent's module path, so that it finds this package also inside an Ansible payload.
_BOOTSTRAP = "import sys, importlib; sys.path[:] = sys.argv[2:]; importlib.import_module(sys.argv[1]).main()"


def _pipes(child: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    """The child's stdin and stdout, which are there because it was started with pipes."""
    if child.stdin is None or child.stdout is None:
        raise AssertionError("the power worker was started without pipes")
    return child.stdin, child.stdout


class PowerProcess:
    """One child process that owns some BMCs. Calls from several threads are answered one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def call(
        self,
        bmc: Bmc,
        wanted: str,
        boot_device: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        deadline_s: float = DEADLINE_S,
        *,
        uefi: bool = False,
    ) -> PowerResult:
        """Do one order. Raises IpmiError's children; a child that is late by ``deadline_s`` is killed and replaced."""
        request = {
            "bmc": {"address": bmc.address, "port": bmc.port, "user": bmc.user, "password": bmc.password},
            "wanted": wanted,
            "boot_device": boot_device,
            "uefi": uefi,
            "timeout_s": min(timeout_s, deadline_s - 2.0),
        }
        with self._lock:
            answer = self._exchange(request, time.monotonic() + deadline_s)
        if answer is None:
            raise IpmiUnreachable(
                f"BMC {bmc.name} gave no usable answer within {deadline_s:.0f} s; "
                "check its address, its cable and that IPMI over LAN is enabled"
            )
        if not answer["ok"]:
            raise ERRORS.get(answer["kind"], IpmiError)(answer["error"])
        result = answer["result"]
        return PowerResult(
            result["before"],
            result["state"],
            result["changed"],
            tuple(result["actions"]),
            tuple(result["warnings"]),
            result["took_seconds"],
        )

    def close(self) -> None:
        """Let the child log out and end; kill it when it does not."""
        with self._lock:
            child, self._child = self._child, None
            if child is None:
                return
            with contextlib.suppress(OSError):
                _pipes(child)[0].close()
            try:
                child.wait(timeout=3.0)
            except subprocess.TimeoutExpired:
                self._kill(child)

    def _exchange(self, request: dict[str, Any], deadline: float) -> dict[str, Any] | None:
        """Send and receive one line; None when the child was late or died."""
        child = self._running()
        requests, answers = _pipes(child)
        try:
            requests.write(json.dumps(request).encode() + b"\n")
            requests.flush()
            line = self._read_line(answers.fileno(), deadline)
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            self._kill(child)
            self._child = None
            return None
        answer: dict[str, Any] = json.loads(line)
        return answer

    @staticmethod
    def _read_line(descriptor: int, deadline: float) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            readable, _writable, _failed = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(descriptor, 65536) if readable else b""
            if not chunk:
                break
            line += chunk
        return line

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._child = subprocess.Popen(
                [sys.executable, "-c", _BOOTSTRAP, power_worker.__name__, *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                close_fds=True,
            )
        return self._child

    @staticmethod
    def _kill(child: subprocess.Popen[bytes]) -> None:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class PowerPool:
    """Some child processes; each BMC always goes to the same one, which keeps its session open."""

    def __init__(self, size: int = 4) -> None:
        self._processes = tuple(PowerProcess() for _index in range(size))

    def owner(self, bmc: Bmc) -> PowerProcess:
        """The process that owns this BMC."""
        return self._processes[crc32(f"{bmc.address}:{bmc.port}".encode()) % len(self._processes)]

    def call(self, bmc: Bmc, wanted: str, boot_device: str | None = None, *, uefi: bool = False) -> PowerResult:
        """As PowerProcess.call, by the owner of the BMC."""
        return self.owner(bmc).call(bmc, wanted, boot_device, uefi=uefi)

    def close(self) -> None:
        """End all children."""
        for process in self._processes:
            process.close()


def power_in_process(
    address: str,
    user: str,
    password: str,
    wanted: str,
    boot_device: str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    port: int = DEFAULT_PORT,
    deadline_s: float = DEADLINE_S,
) -> PowerResult:
    """One order to one BMC in a child process, ended by ``deadline_s`` at the latest. Raises IpmiError's children."""
    process = PowerProcess()
    try:
        return process.call(Bmc(address, user, password, port), wanted, boot_device, timeout_s, deadline_s)
    finally:
        process.close()
