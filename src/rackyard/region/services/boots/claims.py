# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether somebody who names a machine's MAC is that machine: the address that asks must be leased to it.

A boot configuration is named by a MAC, which anybody on a boot network can write down. The lease is dhcpd's word."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from rackyard.region.context import Context
from rackyard.region.db.boots import leases
from rackyard.region.db.pool import Transaction
from rackyard.region.services.site import journal

# A lease reaches the region through a journal and a batch, usually within a second of dhcpd's answer; loaders ask
# 0.2 s after it. A rack waits 8 s for its region.
LEASE_WAIT_S = 5.0
# What strangers ask for must not hold all threads; beyond this many they are refused without waiting.
MAX_WAITING = 8
NOTE_AGAIN = timedelta(minutes=10)

_waiting = threading.BoundedSemaphore(MAX_WAITING)


def settle(ctx: Context, machine_id: int, system_id: str, address: str) -> leases.Claim:
    """What the leases say of a machine at an address, once the lease is known or has had time to become known."""
    claim = _look(ctx, machine_id, address)
    if claim.proved or not _waiting.acquire(blocking=False):
        return claim
    try:
        give_up_at = ctx.clock.monotonic() + LEASE_WAIT_S
        with ctx.notifier.subscribe("rackyard_machines", system_id) as subscription:
            while True:
                claim = _look(ctx, machine_id, address)
                if claim.proved or not subscription.wait(give_up_at - ctx.clock.monotonic()):
                    return claim
    finally:
        _waiting.release()


def note_stranger(tx: Transaction, now: datetime, machine_id: int, rack_id: int, words: str) -> None:
    """One warning for a machine that somebody else speaks for, and not again for ten minutes."""
    kind = "BOOT_STRANGER"
    seen = tx.one("site.events.count", machine_id=machine_id, type=kind, since=now - NOTE_AGAIN)
    if seen is None or seen["count"] == 0:
        journal.record(tx, now, kind, words, machine_id=machine_id, rack_id=rack_id, level=journal.WARNING)


def _look(ctx: Context, machine_id: int, address: str) -> leases.Claim:
    with ctx.db.transaction() as tx:
        return leases.claim(tx, machine_id, address, ctx.clock.now())
