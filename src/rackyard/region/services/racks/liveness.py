# SPDX-License-Identifier: GPL-3.0-or-later
"""Which racks are alive: those that are heard, or wait for an answer at some region."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from rackyard.region.context import Context
from rackyard.region.db.pool import Row, Transaction

# Whoever is not heard for so long is dead: longer than a long poll, and than the pause between two heartbeats.
SILENCE_S = 35
# A rack whose poll broke, or ended and was not followed by another, is dead when nothing is heard of it for so long:
# time for a restart of its agent, and for its first tries after a region has hung up on it.
AWAY_S = 4
# What is known of a rack is that much old, at most: of one that speaks, and of one that waits.
FRESH_S, WAITING_FRESH_S = 5, 15
# A rack that was cut off passes on what it kept, the machines in turn; so long none of them is silent.
REPLAY_S = 300


def seen(ctx: Context, tx: Transaction, rack_ids: Collection[int], fresh_s: float = FRESH_S) -> None:
    """These racks are alive now. One that was dead gets time for what it has kept."""
    for row in tx.all("racks.liveness.seen", rack_ids=list(rack_ids), fresh_s=fresh_s):
        if row["again"]:
            until = ctx.clock.now() + timedelta(seconds=REPLAY_S)
            tx.run("operations.deadlines.give_time_behind_rack", rack_id=row["id"], until=until)


def waiting(ctx: Context, present: Collection[int], gone: Collection[int]) -> None:
    """The racks that wait for an answer at this process, and those that did and do not any more. Whoever hung up here
    and waits elsewhere, or is back, is alive all the same: the last one to say so is right."""
    with ctx.db.transaction() as tx:
        if gone:
            tx.run("racks.liveness.hung_up", rack_ids=list(gone))
        if present:
            seen(ctx, tx, present, WAITING_FRESH_S)


def any_dead(tx: Transaction) -> bool:
    """Whether `bury` would find somebody."""
    return tx.one("racks.liveness.any_dead", silence_s=SILENCE_S, away_s=AWAY_S) is not None


def bury(tx: Transaction) -> list[Row]:
    """Racks that were alive and are not any more: `id`, `hostname`, `heard_until`."""
    return tx.all("racks.liveness.bury", silence_s=SILENCE_S, away_s=AWAY_S)
