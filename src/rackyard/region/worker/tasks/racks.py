# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks that fell silent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from rackyard.region.context import Context
from rackyard.region.services.power import queue
from rackyard.region.services.racks import liveness
from rackyard.region.services.site import journal
from rackyard.region.worker.tasks import deadlines

# Racks that found no region try again every 15 s at the latest.
COME_BACK_S = 30


class RackLiveness:
    """Looks for dead racks. While this region does not listen itself nobody is silent, nor until all had time to come
    back: with nginx down, every rack seems to have hung up."""

    def __init__(self, ctx: Context, listens: Callable[[], bool]) -> None:
        self._ctx = ctx
        self._listens = listens
        self._judges_at = 0.0

    def look(self) -> int:
        """One pass; how many were found dead."""
        with self._ctx.db.transaction() as tx:
            if not liveness.any_dead(tx):
                return 0
        now = self._ctx.clock.monotonic()
        if not self._listens():
            self._judges_at = now + COME_BACK_S
        return bury_dead_racks(self._ctx) if now >= self._judges_at else 0


def bury_dead_racks(ctx: Context) -> int:
    """Racks that hung up and did not come back, or were silent for 35 seconds, are not alive: their addresses leave the
    internal domain, and what they have not begun goes to others."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        if deadlines.watched_for(tx, now) < timedelta(seconds=liveness.SILENCE_S):
            return 0  # while nobody listened, nobody was silent
        dead = liveness.bury(tx)
        for row in dead:
            journal.record(
                tx, now, "RACK_SILENT",
                f"rack {row['hostname']} has not been heard of since {row['heard_until']:%H:%M:%S} UTC; look at "
                "`systemctl status rackyard-rack` there",
                rack_id=row["id"], level=journal.WARNING,
            )  # fmt: skip
    for row in dead:
        queue.leave(ctx, row["id"])
    return len(dead)
