# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an address speaks for a machine: what the leases say, and nobody else's word.

A boot configuration is named by a MAC and metadata by the id of a boot, which anybody on a boot network can write down.
The lease is dhcpd's word. It reaches the region through a journal and a batch, and a machine may be quicker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from rackyard.region.context import Context
from rackyard.region.db.boots import leases
from rackyard.region.db.boots.leases import Holding
from rackyard.region.db.pool import Transaction
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import Forbidden
from rackyard.region.services.racks import serving
from rackyard.region.services.site import journal

# Usually it is known within a second; loaders ask 0.2 s after it. A rack waits 8 s for its region, cloud-init 10 s.
LEASE_WAIT_S = 5.0
# What strangers ask loaders' questions for must not hold all threads; beyond this many they are answered at once.
MAX_WAITING = 8
# A stranger is news once in so long: one that asks for a boot configuration, and one that asks for metadata.
NOTE_AGAIN = timedelta(minutes=10)
REFUSED_AGAIN = timedelta(minutes=1)
STRANGER, REFUSED = "BOOT_STRANGER", "METADATA_REFUSED"

_waiting = threading.BoundedSemaphore(MAX_WAITING)


@dataclass(frozen=True)
class Claim:
    """An address, behind a rack, that speaks as a machine."""

    machine_id: int
    system_id: str
    hostname: str
    address: str
    rack: Rack

    def refusal(self, holding: Holding) -> str:
        """Why it does not hold, in words."""
        return f"{self.address} spoke for {self.hostname}, but {holding.objection(self.hostname)}"


def settle(ctx: Context, claim: Claim) -> Holding:
    """Who holds the address, once the machine does or its lease has had time to become known."""
    holding = _look(ctx, claim)
    if holding.proved or not _waiting.acquire(blocking=False):
        return holding
    try:
        return _wait(ctx, claim, lambda holding: holding.proved)
    finally:
        _waiting.release()


def require_lease(ctx: Context, claim: Claim) -> None:
    """The address is leased to one of the machine's MACs now; without any lease, one is waited for.

    Raises Forbidden (an event is recorded), at once when the address is leased to another MAC; TooMany when too many
    wait for a lease."""
    _require_served(ctx, claim)
    holding = _look(ctx, claim)
    if holding.holder is None:
        with ctx.crowd.enter(claim.address, f"a lease of {claim.address}"):
            holding = _wait(ctx, claim, lambda holding: holding.holder is not None)
    if not holding.proved:
        _refuse(ctx, claim, holding)


def require_last_lease(ctx: Context, claim: Claim) -> None:
    """The address was last leased to one of the machine's MACs; the machine may have let the lease run out since.

    Raises Forbidden (an event is recorded)."""
    _require_served(ctx, claim)
    with ctx.db.transaction() as tx:
        holding = leases.last_holding(tx, claim.machine_id, claim.address)
    if not holding.proved:
        _refuse(ctx, claim, holding)


def note_stranger(ctx: Context, tx: Transaction, claim: Claim, holding: Holding, what: str) -> None:
    """One warning for a machine that somebody else speaks for, and not again for ten minutes."""
    now = ctx.clock.now()
    seen = tx.one("site.events.count", machine_id=claim.machine_id, type=STRANGER, since=now - NOTE_AGAIN)
    if seen is None or seen["count"] == 0:
        words = f"{claim.refusal(holding)} ({what} at {claim.rack.hostname})"
        journal.record(
            tx, now, STRANGER, words, machine_id=claim.machine_id, rack_id=claim.rack.id, level=journal.WARNING
        )


def _look(ctx: Context, claim: Claim) -> Holding:
    with ctx.db.transaction() as tx:
        return leases.holding(tx, claim.machine_id, claim.address, ctx.clock.now())


def _wait(ctx: Context, claim: Claim, settled: Callable[[Holding], bool]) -> Holding:
    give_up_at = ctx.clock.monotonic() + LEASE_WAIT_S
    with ctx.notifier.subscribe("rackyard_machines", claim.system_id) as subscription:
        while True:
            holding = _look(ctx, claim)
            if settled(holding) or not subscription.wait(give_up_at - ctx.clock.monotonic()):
                return holding


def _require_served(ctx: Context, claim: Claim) -> None:
    """A rack names the address that asks: it may do so in its own subnets only."""
    with ctx.db.transaction() as tx:
        words = serving.of_rack(tx, claim.rack).refusal(claim.address)
    if words:
        _tell_and_raise(ctx, claim, words, words)


def _refuse(ctx: Context, claim: Claim, holding: Holding) -> None:
    begin = f"{claim.address} asked for the metadata of {claim.hostname}, "
    _tell_and_raise(ctx, claim, begin, f"{begin}but {holding.objection(claim.hostname)}")


def _tell_and_raise(ctx: Context, claim: Claim, begin: str, words: str) -> None:
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        tx.run("site.events.one_after_the_other", begin=begin)
        news = tx.one(
            "site.events.is_news", machine_id=claim.machine_id, type=REFUSED, begin=begin, since=now - REFUSED_AGAIN
        )
        if news is not None and news["news"]:
            journal.record(
                tx, now, REFUSED, words, machine_id=claim.machine_id, rack_id=claim.rack.id, level=journal.WARNING
            )
    raise Forbidden(words)
