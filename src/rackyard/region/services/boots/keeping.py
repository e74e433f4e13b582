# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rack keeps of the boots in its subnets, to answer their machines while every region is away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rackyard.region import ephemeral
from rackyard.region.context import Context
from rackyard.region.db.boots import records
from rackyard.region.db.boots.records import BootAtRack
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import NotFound
from rackyard.region.services.boots import access
from rackyard.region.services.boots.access import Access
from rackyard.region.services.racks import serving

MAX_BOOTS = 10_000


@dataclass(frozen=True)
class Kept:
    """One boot: whom it may be told to, what it is told, until when."""

    boot: BootAtRack
    access: Access
    archive: bytes


def boots(ctx: Context, rack: Rack) -> Sequence[BootAtRack]:
    """The boots under way whose machines hold an address in the rack's subnets, at most `MAX_BOOTS`."""
    with ctx.db.transaction() as tx:
        networks = [str(network) for network in serving.of_rack(tx, rack).networks]
        return records.at_rack(tx, networks, ctx.clock.now(), limit=MAX_BOOTS)


def metadata(ctx: Context, rack: Rack, boot_id: str) -> Kept:
    """What the machine of that boot may ask for. Raises NotFound unless the boot is under way in the rack's subnets."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        networks = [str(network) for network in serving.of_rack(tx, rack).networks]
        found = records.at_rack(tx, networks, now, limit=1, boot_id=boot_id)
        if not found:
            raise NotFound(f"no boot {boot_id[:8]} is under way in a subnet of rack {rack.hostname}")
        ids = {row["name"]: int(row["id"]) for row in tx.all("operations.signals.ids", boot_id=found[0].id)}
        told = access.of_boot(ctx, tx, boot_id, found[0].addresses[0])
    return Kept(found[0], told, ephemeral.build_archive(ids))
