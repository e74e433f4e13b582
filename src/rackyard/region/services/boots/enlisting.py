# SPDX-License-Identifier: GPL-3.0-or-later
"""Boots for machines that nobody has registered, where their subnet lets them in: who gets one, and what it opens.

Anybody on a boot network can invent MACs. What an enlistment opens is its own scripts and its own report, for half an
hour, at the address that dhcpd leased to that MAC; how many there may be is limited, and whoever asks does not wait."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from rackyard.region import ephemeral
from rackyard.region.context import Context
from rackyard.region.crypto import secret_hash
from rackyard.region.db.boots import enlistment as rows
from rackyard.region.db.boots.enlistment import Asker, Enlistment
from rackyard.region.db.pool import Transaction
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import Forbidden, NotFound, TooEarly
from rackyard.region.services.boots.access import Access
from rackyard.region.services.racks import names, serving
from rackyard.region.services.site import journal

PURPOSE = "enlisting"
LIFETIME = timedelta(minutes=30)
# One attempt of a MAC in so long.
AGAIN = timedelta(minutes=10)
MAX_OPEN, MAX_UNACCEPTED, MAX_EVERYWHERE = 20, 100, 1000
# What contradicts what is known stays to be looked at for so long.
KEEP_CONTRADICTIONS = timedelta(days=1)
REFUSED = "ENLISTMENT_REFUSED"


@dataclass(frozen=True)
class Offer:
    """A boot in which a machine may describe itself, and the image that it boots."""

    boot_id: str
    cidr: str
    manifest: dict[str, Any]


def offer(ctx: Context, rack: Rack, mac: str, arch: str, address: str) -> Offer | None:
    """A boot for a MAC that belongs to nobody; None where machines do not enlist, or too many do (an event is
    recorded), or somebody has the MAC after all.

    Raises TooEarly while no lease says whose the address is, or another one is being let in; NotFound for whoever has
    not the address that it asks from, or has had its attempt."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        asker = rows.asker(tx, mac, address, now)
        if asker is None or asker.is_known:
            return None
        _require_lease(asker, mac, address)
        image = tx.one("boots.enlistment.image", arch=arch)
        if image is None:
            _note(ctx, tx, rack, f"no {arch} image is registered (playbook rackyard.metal.image)")
            return None
        tried = rows.latest(tx, mac)
        if tried is not None and tried.outcome == "running" and tried.ends_at > now and tried.address == address:
            return Offer(tried.boot_id, asker.cidr, image["manifest"])
        if tried is not None and tried.requested_at > now - AGAIN:
            raise NotFound(f"{mac} has tried to enlist within the last {AGAIN.seconds // 60} minutes")
        alone = tx.one("boots.enlistment.try_alone")
        if alone is None or not alone["alone"]:
            raise TooEarly("another machine is being let in; ask again")
        tx.run("boots.enlistment.tidy", before=now - AGAIN, contradictions=now - KEEP_CONTRADICTIONS)
        words = _over_quota(tx, asker, now)
        if words:
            _note(ctx, tx, rack, words)
            return None
        return Offer(_add(ctx, tx, rack, asker, mac, address), asker.cidr, image["manifest"])


def find(ctx: Context, boot_id: str) -> Enlistment | None:
    """The enlistment with that id on its kernel line, be it over or not."""
    with ctx.db.transaction() as tx:
        return rows.by_boot(tx, boot_id)


def is_open(ctx: Context, known: Enlistment) -> bool:
    """Whether its credentials count still."""
    return known.ended_at is None and known.credentials_expire_at > ctx.clock.now()


def access(ctx: Context, known: Enlistment) -> Access:
    """What the machine needs to go on: of the site it is told nothing but the name of its racks."""
    return Access(
        system_id=known.system_id,
        hostname=known.hostname,
        subnet_name=names.subnet_name(known.cidr, ctx.config.domain),
        consumer_key=known.consumer_key,
        token_key=known.token_key,
        token_secret=ctx.box.decrypt(known.token_secret),
        apt_sources=(),
    )


def require_own_address(ctx: Context, known: Enlistment, address: str, rack: Rack) -> None:
    """It counts at the address that it was made for only, through a rack of that subnet, as long as that was last
    leased to its MAC. Raises Forbidden."""
    with ctx.db.transaction() as tx:
        words = serving.of_rack(tx, rack).refusal(address)
        row = tx.one("boots.enlistment.holder", ip=address)
    if not words and (address != known.address or row is None or row["holder"] != known.mac):
        words = f"{address} spoke for {known.hostname}, which has {known.address}"
    if words:
        raise Forbidden(words)


def _require_lease(asker: Asker, mac: str, address: str) -> None:
    if asker.holder is None:
        # Nobody waits here, as those do that are known: the rack has the loader ask again.
        raise TooEarly(f"no rack has reported a lease of {address} to {mac}; ask again")
    if asker.holder != mac:
        raise NotFound(f"{mac} belongs to no machine, and {address} is leased to another MAC")


def _over_quota(tx: Transaction, asker: Asker, now: datetime) -> str:
    """Why no more may enlist, empty when they may."""
    counts = rows.counts(tx, asker.subnet_id, now)
    if counts.open >= MAX_OPEN:
        return f"{counts.open} machines of {asker.cidr} describe themselves at this moment"
    if counts.unaccepted >= MAX_UNACCEPTED:
        return f"{counts.unaccepted} machines of {asker.cidr} wait for being accepted; accept or delete some"
    if counts.everywhere >= MAX_EVERYWHERE:
        return f"{counts.everywhere} machines of all subnets enlist, or wait for being accepted; accept or delete some"
    return ""


def _note(ctx: Context, tx: Transaction, rack: Rack, words: str) -> None:
    """One warning that nobody is let in, and not again for ten minutes."""
    now = ctx.clock.now()
    seen = tx.one("site.events.count_of_rack", rack_id=rack.id, type=REFUSED, since=now - AGAIN)
    if seen is None or seen["count"] == 0:
        journal.record(tx, now, REFUSED, f"machines cannot enlist: {words}", rack_id=rack.id, level=journal.WARNING)


def _add(ctx: Context, tx: Transaction, rack: Rack, asker: Asker, mac: str, address: str) -> str:
    now, secret, boot_id = ctx.clock.now(), ctx.random.token(32), ctx.random.boot_id()
    row = tx.one(
        "boots.enlistment.add",
        boot_id=boot_id,
        mac=mac,
        address=address,
        subnet_id=asker.subnet_id,
        rack_id=rack.id,
        commission=asker.mode == "commission",
        consumer_key=ctx.random.token(18),
        token_key=ctx.random.token(24),
        token_secret_sha256=secret_hash(secret),
        token_secret=ctx.box.encrypt(secret),
        now=now,
        ends_at=now + LIFETIME,
    )
    assert row is not None
    for name in ephemeral.OF_FACTS:
        tx.run("boots.enlistment.add_script", enlistment_id=row["id"], name=name)
    return boot_id
