# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts and commands as processes of this machine: started, their output captured, ended in time."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

OUTPUT_LIMIT_BYTES = 1 << 20  # per stream; the region accepts no more
GRACE_S = 5  # between SIGTERM and SIGKILL, and for readers of a pipe that a daemon keeps open
EXIT_TIMED_OUT = 124
TRUNCATED = b"\n[output truncated]\n"


class Outcome(NamedTuple):
    """What a script did: exit status (124 = timed out), seconds, and what it wrote."""

    exit_status: int
    runtime_s: float
    files: dict[str, bytes]

    @property
    def verdict(self) -> str:
        """The exit status in a word."""
        return {0: "passed", EXIT_TIMED_OUT: "timed out"}.get(self.exit_status, "failed")


class Capture:
    """Collects both output streams of a script, each capped, and both together in order of arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._parts: dict[str, list[bytes]] = {"": [], ".out": [], ".err": []}
        self._left = dict.fromkeys(self._parts, OUTPUT_LIMIT_BYTES - len(TRUNCATED))

    def _add(self, suffix: str, chunk: bytes) -> None:
        left = self._left[suffix]
        if left <= 0:
            return
        self._parts[suffix].append(chunk[:left])
        self._left[suffix] = left - len(chunk)
        if len(chunk) > left:
            self._parts[suffix].append(TRUNCATED)
            self._left[suffix] = 0

    def pump(self, stream: int, suffix: str) -> None:
        """Read a pipe to its end and close it; what is over the limit is read and dropped."""
        while chunk := os.read(stream, 65536):
            with self._lock:
                self._add("", chunk)
                self._add(suffix, chunk)
        os.close(stream)

    def files(self, name: str) -> dict[str, bytes]:
        """Return the file fields of the report."""
        with self._lock:
            return {name + suffix: b"".join(parts) for suffix, parts in self._parts.items()}


def script_environment(result_path: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a script finds in its environment."""
    own = {"LC_ALL": "C.UTF-8", "RESULT_PATH": result_path, "DEBIAN_FRONTEND": "noninteractive"}
    return {**os.environ, **own, **(more or {})}


class Fork:
    """A Python script that runs in a copy of this process; waited for like a ``subprocess.Popen``.

    Make it while this process has one thread only: a copy has only the thread that makes it, and another's locks would
    stay closed in it for ever.
    """

    def __init__(self, path: str, output: int, errors: int, environment: Mapping[str, str]) -> None:
        self.pid = os.fork()
        if not self.pid:
            self._become(path, output, errors, environment)
        self._handle = os.pidfd_open(self.pid)
        self._exit_status: int | None = None

    @staticmethod
    def _become(path: str, output: int, errors: int, environment: Mapping[str, str]) -> NoReturn:
        """Run the script in the copy, as Python would have run it, and end the copy."""
        exit_status = 1
        try:
            os.setsid()
            for number, stream in enumerate((os.open(os.devnull, os.O_RDONLY), output, errors)):
                os.dup2(stream, number)
            os.environ.update(environment)
            sys.argv = [path]
            with open(path, "rb") as script:
                exec(compile(script.read(), path, "exec"), {"__name__": "__main__", "__file__": path})
            exit_status = 0
        except SystemExit as ending:
            exit_status = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
            if isinstance(ending.code, str):
                print(ending.code, file=sys.stderr)
        except BaseException:  # pylint: disable=broad-exception-caught  # whatever it is, this copy ends here
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(exit_status)

    def wait(self, timeout_s: float) -> int:
        """Return the exit status, negative after a signal; raise subprocess.TimeoutExpired."""
        if self._exit_status is None:
            if not select.select([self._handle], [], [], timeout_s)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout_s)
            self._exit_status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self._handle)
        return self._exit_status


class Running:
    """A script or command under way, what it writes, and its end. Times are in seconds."""

    def __init__(
        self,
        name: str,
        argv: list[str],
        result_path: str = "",
        *,
        fork: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """Start ``argv``, or with ``fork`` the Python script that is its only word; raise OSError.

        ``more`` is what it finds in its environment besides."""
        self._name = name
        self._result_path = result_path
        self._capture = Capture()
        environment = script_environment(result_path, more)
        (out, output), (err, errors) = os.pipe(), os.pipe()
        self._streams = {".out": out, ".err": err}
        self._started = time.monotonic()
        try:
            self._process: Fork | subprocess.Popen[bytes] = (
                Fork(argv[0], output, errors, environment)
                if fork
                else subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=errors,
                    env=environment,
                    start_new_session=True,
                )
            )
        except OSError:
            os.close(out)
            os.close(err)
            raise
        finally:
            os.close(output)
            os.close(errors)

    def _stop(self) -> None:
        """End the script with everything in its process group: politely, then not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                return
            try:
                self._process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                continue

    def finish(self, timeout_s: float) -> Outcome:
        """Wait for the end, or bring it about, and return what came of it."""
        pumps = [
            threading.Thread(target=self._capture.pump, args=(stream, suffix), daemon=True)
            for suffix, stream in self._streams.items()
        ]
        for pump in pumps:
            pump.start()
        try:
            exit_status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            exit_status = EXIT_TIMED_OUT
        self._stop()
        for pump in pumps:
            pump.join(GRACE_S)
        if exit_status < 0:  # ended by a signal: as a shell would word it
            exit_status = 128 - exit_status
        files = self._capture.files(self._name)
        if self._result_path and os.path.isfile(self._result_path):
            with open(self._result_path, "rb") as result:
                files[f"{self._name}.yaml"] = result.read(OUTPUT_LIMIT_BYTES)
        return Outcome(exit_status, time.monotonic() - self._started, files)


def execute(
    name: str, argv: list[str], timeout_s: float, result_path: str = "", more: Mapping[str, str] | None = None
) -> Outcome:
    """Run a command with a time limit in seconds and capture what it writes."""
    try:
        running = Running(name, argv, result_path, more=more)
    except OSError as error:
        return Outcome(126, 0.0, {name: str(error).encode(), f"{name}.err": str(error).encode(), f"{name}.out": b""})
    return running.finish(timeout_s)
