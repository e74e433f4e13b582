# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Child process that owns a set of BMCs: one JSON request per line on stdin, one JSON answer per line on stdout.

Threads do not work with pyghmi, and a login costs several round trips: so one process keeps the sessions of its BMCs
open and answers one request after the other. Its parent (``power_process``) kills it when an answer is late.
Secrets come on stdin, never in arguments or the environment.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from .ipmi import Bmc, IpmiError, IpmiRefused, PowerClient

IDLE_S = 25.0  # a BMC may drop an idle session after 60 s; pyghmi would need its event loop to keep it alive


class Sessions:
    """Open sessions by BMC and credentials, closed when idle."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[Bmc, tuple[PowerClient, float]] = {}

    def get(self, bmc: Bmc) -> PowerClient:
        """A live session: the one kept, or a new login (one try)."""
        kept = self._open.pop(bmc, None)
        if kept is not None and not kept[0].alive:
            kept = None
        client = kept[0] if kept is not None else PowerClient(bmc)
        self._open[bmc] = (client, self._clock())
        return client

    def drop(self, bmc: Bmc) -> None:
        """Forget and close one session."""
        kept = self._open.pop(bmc, None)
        if kept is not None:
            kept[0].close()

    def expire(self) -> None:
        """Close every session that was not used for IDLE_S."""
        for bmc in [bmc for bmc, (_client, used) in self._open.items() if self._clock() - used > IDLE_S]:
            self.drop(bmc)

    def close(self) -> None:
        """Log out everywhere."""
        for bmc in list(self._open):
            self.drop(bmc)


def answer(sessions: Sessions, request: dict[str, Any]) -> dict[str, Any]:
    """Do one request: ``{"bmc": {address, port, user, password}, "wanted", "boot_device", "uefi", "timeout_s"}``."""
    bmc = Bmc(**request["bmc"])
    try:
        client = sessions.get(bmc)
        result = client.apply(
            request["wanted"], request["boot_device"], float(request["timeout_s"]), uefi=request["uefi"]
        )
    except IpmiError as error:
        if not isinstance(error, IpmiRefused):
            sessions.drop(bmc)
        return {"ok": False, "kind": error.kind, "error": str(error)}
    except ValueError as error:
        return {"ok": False, "kind": "refused", "error": str(error)}
    return {"ok": True, "result": result.as_dict()}


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer until stdin ends; the parent's death ends it."""
    sessions = Sessions()
    while True:
        readable, _writable, _failed = select.select([requests], [], [], 5.0)
        if not readable:
            sessions.expire()
            continue
        line = requests.readline()
        if not line:
            break
        answers.write(json.dumps(answer(sessions, json.loads(line))) + "\n")
        answers.flush()
    sessions.close()


def main() -> None:
    """Entry point of the child. Leaves without pyghmi's thread, which would not end by itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # pyghmi prints to stdout in places; answers must not be mixed with that.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers)
    os._exit(0)
