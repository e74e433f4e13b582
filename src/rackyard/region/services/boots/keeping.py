# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rack keeps of the boots in its subnets, to answer their machines while every region is away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.boots import records
from rackyard.region.db.boots.records import BootAtRack
from rackyard.region.db.pool import Transaction
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import BadRequest, NotFound
from rackyard.region.services.boots import access, answer, archive
from rackyard.region.services.boots.access import Access
from rackyard.region.services.boots.answer import BootQuery
from rackyard.region.services.racks import serving
from rackyard.region.services.site import images
from rackyard.region.services.site.images import Paths

MAX_BOOTS = 10_000
# A machine with more interfaces boots from one of the first.
_MAX_MACS, _MAX_ADDRESSES = 32, 16


@dataclass(frozen=True)
class Line:
    """The kernel parameters for a MAC that asks a rack at one of its addresses."""

    mac: str
    local_ip: str
    params: Sequence[str]


@dataclass(frozen=True)
class KeptConfig:
    """What loaders of a machine are told."""

    purpose: str
    files: Paths
    lines: Sequence[Line]


@dataclass(frozen=True)
class Kept:
    """One boot: whom it may be told to, what its loader and its system are told, until when."""

    boot: BootAtRack
    access: Access
    archive: bytes
    config: KeptConfig | None


@dataclass(frozen=True)
class UnderWay:
    """The boots whose machines are in a rack's subnets, and the MACs of all machines whose boot is under way."""

    boots: Sequence[BootAtRack]
    macs: Sequence[str]


def boots(ctx: Context, rack: Rack) -> UnderWay:
    """The boots under way whose machines hold an address in the rack's subnets, at most `MAX_BOOTS`."""
    with ctx.db.transaction() as tx:
        networks = [str(network) for network in serving.of_rack(tx, rack).networks]
        found = records.at_rack(tx, networks, ctx.clock.now(), limit=MAX_BOOTS)
        return UnderWay(found, records.macs_under_way(tx))


def metadata(ctx: Context, rack: Rack, boot_id: str) -> Kept:
    """What the machine of that boot may ask for. Raises NotFound unless the boot is under way in the rack's subnets."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        networks = [str(network) for network in serving.of_rack(tx, rack).networks]
        found = records.at_rack(tx, networks, now, limit=1, boot_id=boot_id)
        if not found:
            raise NotFound(f"no boot {boot_id[:8]} is under way in a subnet of rack {rack.hostname}")
        scripts = archive.of_boot(tx, found[0].id)
        told = access.of_boot(ctx, tx, boot_id, found[0].addresses[0])
        config = _config(ctx, tx, rack, found[0])
    return Kept(found[0], told, scripts, config)


def _config(ctx: Context, tx: Transaction, rack: Rack, kept: BootAtRack) -> KeptConfig | None:
    """What the region itself would answer, at each address at which the rack serves the machine."""
    boot = records.of_mac(tx, kept.macs[0])
    if boot is None or boot.id != kept.id or boot.manifest is None:
        return None
    rows = tx.all("racks.registration.addresses_for", rack_id=rack.id, clients=list(kept.addresses))
    queries = [
        BootQuery(mac, boot.architecture, "", row["client"], row["address"])
        for mac in kept.macs[:_MAX_MACS]
        for row in rows[:_MAX_ADDRESSES]
    ]
    try:
        lines = [Line(query.mac, query.local_ip, answer.line(ctx, tx, boot, query)) for query in queries]
    except BadRequest:
        return None  # a loader that asks a region hears which setting is wrong
    return KeptConfig(boot.purpose or "", images.paths(boot.manifest), lines)
