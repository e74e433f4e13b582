# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing what is long over."""

from __future__ import annotations

from datetime import timedelta

from rackyard.region.context import Context

KEEP_TOKENS = timedelta(days=7)
KEEP_RECEIPTS = timedelta(days=2)
KEEP_JOBS = timedelta(days=30)
KEEP_LEASES = timedelta(days=30)
KEEP_PROCESSES = timedelta(days=1)


def tidy(ctx: Context) -> None:
    """Remove what is long over."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        tx.run("racks.enrolment.delete_tokens", before=now - KEEP_TOKENS)
        tx.run("boots.evidence.delete_receipts", before=now - KEEP_RECEIPTS)
        tx.run("boots.leases.delete_old", before=now - KEEP_LEASES)
        tx.run("site.processes.delete_old", before=now - KEEP_PROCESSES)
        tx.run("power.queue.delete_old", before=now - KEEP_JOBS)
