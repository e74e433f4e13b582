# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an address belongs to a machine: what a lease says, and nobody else's word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from rackyard.region.context import Context
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import Forbidden
from rackyard.region.services.racks import serving
from rackyard.region.services.site import journal

# dhcpd's lease reaches the region through a journal and a batch: the machine may be quicker. cloud-init waits 10 s.
LEASE_WAIT_S = 6.0
# One refusal of a machine's data to an address is news; the next is, after this time.
NEWS_AGAIN = timedelta(minutes=1)
REFUSED = "METADATA_REFUSED"


@dataclass(frozen=True)
class Claim:
    """An address, behind a rack, that speaks as a machine."""

    machine_id: int
    system_id: str
    hostname: str
    address: str
    rack: Rack


def require_lease(ctx: Context, claim: Claim) -> None:
    """The address is leased to one of the machine's MACs now; without any lease, one is waited for.

    Raises Forbidden (an event is recorded), at once when the address is leased to another MAC; TooMany when too many
    wait for a lease."""
    _require_served(ctx, claim)
    holder = _holder(ctx, claim)
    if holder is None:
        with ctx.crowd.enter(claim.address, f"a lease of {claim.address}"):
            holder = _wait_for_holder(ctx, claim)
    if holder is None:
        _refuse(ctx, claim, "but no rack has leased that address to anybody")
    elif holder:
        _refuse(ctx, claim, f"but is leased to {holder}, which is not one of its MACs")


def require_last_lease(ctx: Context, claim: Claim) -> None:
    """The address was last leased to one of the machine's MACs; the machine may have let the lease run out since.

    Raises Forbidden (an event is recorded)."""
    _require_served(ctx, claim)
    with ctx.db.transaction() as tx:
        lease = tx.one("boots.leases.holder_of_ip", ip=claim.address)
        macs = {row["mac"] for row in tx.all("machines.registry.macs", id=claim.machine_id)}
    if lease is None:
        _refuse(ctx, claim, "but no rack has leased that address to anybody")
    elif lease["mac"] not in macs:
        _refuse(ctx, claim, f"but is leased to {lease['mac']}, which is not one of its MACs")


def _require_served(ctx: Context, claim: Claim) -> None:
    """A rack names the address that asks: it may do so in its own subnets only."""
    with ctx.db.transaction() as tx:
        words = serving.of_rack(tx, claim.rack).refusal(claim.address)
    if words:
        _tell_and_raise(ctx, claim, words, words)


def _wait_for_holder(ctx: Context, claim: Claim) -> str | None:
    give_up_at = ctx.clock.monotonic() + LEASE_WAIT_S
    with ctx.notifier.subscribe("rackyard_machines", claim.system_id) as subscription:
        while (holder := _holder(ctx, claim)) is None:
            if not subscription.wait(give_up_at - ctx.clock.monotonic()):
                break
    return holder


def _holder(ctx: Context, claim: Claim) -> str | None:
    """Empty when it is the machine, another's MAC, or None when nobody has the address."""
    with ctx.db.transaction() as tx:
        lease = tx.one("boots.leases.of_ip", ip=claim.address, now=ctx.clock.now())
        if lease is None:
            return None
        macs = {row["mac"] for row in tx.all("machines.registry.macs", id=claim.machine_id)}
    return "" if lease["mac"] in macs else str(lease["mac"])


def _refuse(ctx: Context, claim: Claim, why: str) -> None:
    begin = f"{claim.address} asked for the metadata of {claim.hostname}, "
    _tell_and_raise(ctx, claim, begin, begin + why)


def _tell_and_raise(ctx: Context, claim: Claim, begin: str, words: str) -> None:
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        tx.run("site.events.one_after_the_other", begin=begin)
        news = tx.one(
            "site.events.is_news", machine_id=claim.machine_id, type=REFUSED, begin=begin, since=now - NEWS_AGAIN
        )
        if news is not None and news["news"]:
            journal.record(
                tx, now, REFUSED, words, machine_id=claim.machine_id, rack_id=claim.rack.id, level=journal.WARNING
            )
    raise Forbidden(words)
