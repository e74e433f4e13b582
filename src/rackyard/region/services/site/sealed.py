# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is sealed in the database, sealed anew with the newest key."""

from __future__ import annotations

from typing import Any

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import RackyardError
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

BATCH_ROWS = 500
# Each place of sealed secrets: what lists them by id (and whatever else names one), and what writes one back.
PLACES = (
    ("site.sealed.bmc", "site.sealed.reseal_bmc"),
    ("site.sealed.boot_token", "site.sealed.reseal_boot_token"),
    ("site.sealed.enlistment_token", "site.sealed.reseal_enlistment_token"),
)


def reseal(ctx: Context, actor: Actor) -> dict[str, int]:
    """How many secrets were sealed anew, and how many no key opens; batch by batch. Raises Forbidden."""
    counts = {"resealed": 0, "unreadable": 0}
    for listing, writing in PLACES:
        after = 0
        while True:
            with ctx.db.transaction() as tx:
                authorise(actor, Permission.MANAGE_SETTINGS)
                rows = tx.all(listing, after=after, limit=BATCH_ROWS)
                for row in rows:
                    if not ctx.box.is_newest(row["sealed"]):
                        counts["resealed" if _reseal(ctx, tx, writing, row) else "unreadable"] += 1
            if not rows:
                break
            after = rows[-1]["id"]
    return counts


def _reseal(ctx: Context, tx: Transaction, writing: str, row: dict[str, Any]) -> bool:
    try:
        text = ctx.box.decrypt(row["sealed"])
    except RackyardError:
        return False
    tx.run(writing, **{**row, "sealed": ctx.box.encrypt(text)})
    return True
