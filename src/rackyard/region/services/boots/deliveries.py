# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine's posts as a rack delivers them: at once, or later and perhaps twice when no region was there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rackyard.region.context import Context
from rackyard.region.db.boots.records import BootOfToken
from rackyard.region.db.pool import Transaction
from rackyard.region.db.racks.identity import Rack


@dataclass(frozen=True)
class Delivery:
    """Who delivers. `key` is the rack's name for the post, empty from a rack of the release before; `taken_at` is when
    the rack took it from the machine, None when it did not say."""

    rack: Rack
    key: str = ""
    taken_at: datetime | None = None

    def at(self, ctx: Context, boot: BootOfToken) -> datetime:
        """When the machine said it: neither in the future nor before its boot, whatever the rack's clock says."""
        now = ctx.clock.now()
        return now if self.taken_at is None else min(max(self.taken_at, boot.started_at), now)


def is_new(ctx: Context, tx: Transaction, boot: BootOfToken, delivery: Delivery) -> bool:
    """Whether the post was not taken before; it is from now on. A key counts for its own boot only."""
    if not delivery.key:
        return True
    key = f"post:{boot.boot_id}:{delivery.key}"
    return tx.run("boots.evidence.take_receipt", rack_id=delivery.rack.id, key=key, now=ctx.clock.now()) > 0
