# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks that fell silent."""

from __future__ import annotations

from datetime import timedelta

from rackyard.region.context import Context
from rackyard.region.services.site import journal

RACK_SILENCE_S = 35


def bury_dead_racks(ctx: Context) -> int:
    """Racks that were silent for 35 seconds are not alive; their addresses leave the internal domain."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        dead = tx.all("racks.registration.bury_silent", since=now - timedelta(seconds=RACK_SILENCE_S))
        for row in dead:
            journal.record(
                tx, now, "RACK_SILENT",
                f"rack {row['hostname']} has not been heard of since {row['last_seen_at']:%H:%M:%S} UTC; look at "
                "`systemctl status rackyard-rack` there",
                rack_id=row["id"], level=journal.WARNING,
            )  # fmt: skip
    return len(dead)
