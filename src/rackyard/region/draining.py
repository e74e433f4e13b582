# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a region's doors out of use while its host is upgraded and other regions serve.

Two files beside the processes' sockets tell nginx (role http): with the first, whoever checks this region's health is
told to leave; with the second, everybody else is, too, but this host itself. They are gone after a reboot."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rackyard.region.context import Context
from rackyard.region.worker import door

SOCKETS = Path("/run/rackyard/web")
LEAVING, CLOSED = "leaving", "closed"
# A gateway asks every second, and believes the second answer.
LEAVE_S = 3.0
_LOOK_S = 0.2
_CONNECTED = "03"


@dataclass(frozen=True)
class Drained:
    """Whether the doors are closed now; if not, why, and if so, how many requests were still being answered."""

    closed: bool
    reason: str = ""
    busy: int = 0


def begin(ctx: Context, wait_s: float, sockets: Path = SOCKETS, sleep: Callable[[float], None] = time.sleep) -> Drained:
    """Close the doors, and wait for at most `wait_s` seconds until what came in before is answered. Long polls are not
    waited for: racks ask another region as soon as they end.

    The doors stay open when no other region would serve meanwhile."""
    if not _others_serve(ctx):
        return Drained(False, f"no other region serves, so {ctx.config.name} goes on until its processes restart")
    (sockets / LEAVING).touch(mode=0o644)
    sleep(LEAVE_S)
    (sockets / CLOSED).touch(mode=0o644)
    give_up_at = ctx.clock.monotonic() + wait_s
    while (count := busy(sockets)) and ctx.clock.monotonic() < give_up_at:
        sleep(_LOOK_S)
    return Drained(True, busy=count)


def end(sockets: Path = SOCKETS) -> bool:
    """Open the doors; False when they were open."""
    were_closed = is_closed(sockets)
    for name in (CLOSED, LEAVING):
        (sockets / name).unlink(missing_ok=True)
    return were_closed


def is_closed(sockets: Path = SOCKETS) -> bool:
    """Whether the doors are closed, or about to be."""
    return any((sockets / name).exists() for name in (CLOSED, LEAVING))


def busy(sockets: Path = SOCKETS, table: Path = Path("/proc/net/unix")) -> int:
    """Requests that the processes are answering, without long polls: nginx has one connection to a socket for each.

    Source: proc(5), /proc/net/unix; an accepted connection has its listener's path."""
    found = 0
    for line in table.read_text(encoding="utf-8").splitlines()[1:]:
        parts = line.split(maxsplit=7)
        if len(parts) == 8 and parts[5] == _CONNECTED:
            path = Path(parts[7])
            found += path.parent == sockets and not path.name.startswith("polls-")
    return found


def _others_serve(ctx: Context) -> bool:
    with ctx.db.transaction() as tx:
        rows = tx.all("site.processes.addresses")
    return any(
        door.is_open_at(ctx.config, row["address"], [row["port"]]) for row in rows if row["name"] != ctx.config.name
    )
