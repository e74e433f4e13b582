# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes that talk to BMCs: one JSON request per line on a socket, one JSON answer per line back.

Threads do not work with pyghmi, and a login costs several round trips: so a worker keeps sessions open and answers one
short request after the other. It ends itself by SIGALRM when a request takes longer than it may, however it hangs; its
parent (``process``) sees the socket close. The nursery forks workers that share the memory of its imports.
Secrets come on the socket, never in arguments or the environment.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from . import registry
from .base import Bmc, PowerAuthError, PowerError, PowerRefused, PowerUnreachable, Session

IDLE_S = 25.0  # a BMC may drop an idle session after 60 s; pyghmi would need its event loop to keep it alive


def connect(bmc: Bmc) -> Session:
    """A new session by the BMC's driver."""
    return registry.driver(bmc.driver).connect(bmc)


class Sessions:
    """Open sessions by BMC and credentials, closed when idle."""

    def __init__(
        self, connect: Callable[[Bmc], Session] = connect, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._open: dict[Bmc, tuple[Session, float]] = {}

    def get(self, bmc: Bmc) -> tuple[Session, bool]:
        """A session, and whether it is an old one: that may be dead without knowing, if its BMC was restarted."""
        kept = self._open.pop(bmc, None)
        if kept is not None and not kept[0].alive:
            kept = None
        session = kept[0] if kept is not None else self._connect(bmc)
        self._open[bmc] = (session, self._clock())
        return session, kept is not None

    def drop(self, bmc: Bmc) -> None:
        """Forget and close one session."""
        kept = self._open.pop(bmc, None)
        if kept is not None:
            kept[0].close()

    def expire(self) -> None:
        """Close every session that was not used for IDLE_S."""
        for bmc in [bmc for bmc, (_session, used) in self._open.items() if self._clock() - used > IDLE_S]:
            self.drop(bmc)

    def close(self) -> None:
        """Log out everywhere."""
        for bmc in list(self._open):
            self.drop(bmc)


def answer(sessions: Sessions, request: dict[str, Any]) -> dict[str, Any]:
    """Do one request: ``{"bmc": Bmc.as_dict(), "call": "state" | "set_boot_device" | "control", "arguments": {…}}``."""
    bmc = Bmc.from_dict(request["bmc"])
    try:
        return {"ok": True, "result": _call(sessions, bmc, request["call"], request["arguments"])}
    except PowerError as error:
        if not isinstance(error, PowerRefused):
            sessions.drop(bmc)
        return {"ok": False, "error": type(error).__name__, "message": str(error)}
    except ValueError as error:
        return {"ok": False, "error": PowerRefused.__name__, "message": str(error)}


def _call(sessions: Sessions, bmc: Bmc, call: str, arguments: dict[str, Any]) -> Any:
    """An old session that fails is replaced once, within the same request."""
    session, old = sessions.get(bmc)
    if old:
        session.hurry(True)
        try:
            result = _do(session, call, arguments)
        except (PowerRefused, PowerAuthError):
            session.hurry(False)
            raise
        except PowerError:
            sessions.drop(bmc)
        else:
            session.hurry(False)
            return result
        session, _old = sessions.get(bmc)
    return _do(session, call, arguments)


def _do(session: Session, call: str, arguments: dict[str, Any]) -> Any:
    if call == "state":
        return session.state()
    if call == "control":
        return session.control(arguments["action"])
    if call == "set_boot_device":
        return session.set_boot_device(arguments["device"], uefi=arguments["uefi"])
    raise PowerUnreachable(f"the power worker has no call {call!r}; restart rackyard-rack")


def serve(parent: socket.socket) -> None:
    """Answer until the parent closes its end; its death does so too."""
    sessions = Sessions()
    requests = parent.makefile("rb")
    # What hangs is ended by the kernel: Python's own handlers would not run while C code waits.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    while True:
        if not select.select([parent], [], [], 5.0)[0]:
            sessions.expire()
            continue
        line = requests.readline()
        if not line:
            break
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, float(request["limit_s"]))
        answered = answer(sessions, request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        parent.sendall(json.dumps(answered).encode() + b"\n")
        sessions.expire()
    sessions.close()


def nursery(parent: socket.socket) -> None:
    """Fork a worker for each socket that the parent sends, until it closes its end. Has no threads, so it may fork."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    registry.preload()
    while True:
        _word, descriptors, _flags, _address = socket.recv_fds(parent, 1, 1)
        if not descriptors:
            return
        child = socket.socket(fileno=descriptors[0])
        if os.fork() == 0:
            parent.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _leave(serve, child)
        child.close()


def _leave(work: Callable[[socket.socket], None], parent: socket.socket) -> None:
    """Work, then end without pyghmi's thread, which would not end by itself."""
    status = 1
    try:
        work(parent)
        status = 0
    except OSError:
        pass  # the parent is gone
    except Exception as reason:  # a child of fork must never return into its parent's code
        sys.stderr.write(f"power worker: {type(reason).__name__}: {reason}\n")
        sys.stderr.flush()
    finally:
        os._exit(status)


def main() -> None:
    """Entry point of the child process; standard input is the socket, argument 2 what to be."""
    # Whoever stops a whole group of processes means the parent, which may still want the answer; its end is ours.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # pyghmi prints to stdout in places.
    os.dup2(2, 1)
    parent = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    _leave(nursery if sys.argv[2] == "nursery" else serve, parent)
