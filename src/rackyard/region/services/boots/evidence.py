# SPDX-License-Identifier: GPL-3.0-or-later
"""What racks saw: leases and daemon log lines, turned into steps of the boot they belong to.

Batches may be replayed and arrive late or out of order: each item has a key that is taken once, and its own time.
What a rack dates into the future is dated now: a lease of a clock that ran ahead would outlive its correction.
Items are judged one by one: what cannot be taken is refused with a reason, and keeps no other item back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from rackyard.region.context import Context
from rackyard.region.db.boots import leases as lease_rows
from rackyard.region.db.boots import records
from rackyard.region.db.boots.records import BootAt
from rackyard.region.db.pool import Transaction
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import BadRequest, Conflict, Forbidden
from rackyard.region.services.boots import claims, steps, timeline
from rackyard.region.services.boots.claims import Claim
from rackyard.region.services.racks import serving
from rackyard.region.services.site import journal

DAEMONS = {"in.tftpd": "tftpd-hpa", "dhcpd": "dhcpd", "nginx": "nginx", "boot": "boot service"}
STEPS = {"loader": steps.LOADER, "boot-config": steps.CONFIG_GIVEN, "image": steps.IMAGE, "metadata": steps.METADATA}
_STEP_EVENTS = {
    "loader": ("NODE_TFTP_REQUEST", "boot loader"),
    "boot-config": ("PERFORMING_PXE_BOOT", "boot configuration"),
    "image": ("LOADING_EPHEMERAL", "system image"),
    "metadata": ("GATHERING_INFO", "metadata"),
}
_SQUASHFS = re.compile(r"\bfilesystem\.squashfs\b")
# A rack's own answers: to a machine that it sent to its disk, and to any while it reached no region.
_LOCAL, _AWAY = re.compile(r": local\b"), "while no region answered"
Item = TypeVar("Item", "Lease", "Sighting")


@dataclass(frozen=True)
class Lease:
    """One lease event of a rack's dhcpd."""

    key: str
    at: datetime
    action: str
    ip: str
    mac: str
    lease_s: int


@dataclass(frozen=True)
class Sighting:
    """One daemon log line of a rack about a machine's boot."""

    key: str
    at: datetime
    kind: str
    ip: str | None
    mac: str | None
    detail: str
    daemon: str


@dataclass(frozen=True)
class Refusal:
    """An item that was not taken, by its key (empty when it had none that can be read), and why."""

    key: str
    error: str


@dataclass(frozen=True)
class Verdict:
    """How many items were new, and which were refused."""

    taken: int
    refused: Sequence[Refusal]


def take_leases(ctx: Context, rack: Rack, leases: Sequence[Lease]) -> Verdict:
    """Store lease events and what they prove."""

    def take(tx: Transaction, lease: Lease) -> None:
        lease = replace(lease, at=min(lease.at, ctx.clock.now()))
        tx.run(
            "boots.leases.put", ip=lease.ip, mac=lease.mac, rack_id=rack.id, state=lease.action, at=lease.at,
            expires_at=lease.at + timedelta(seconds=lease.lease_s) if lease.lease_s else None,
        )  # fmt: skip
        if lease.action == "commit":
            _leased(tx, rack, lease)

    return _judge(ctx, rack, leases, take)


def take_sightings(ctx: Context, rack: Rack, sightings: Sequence[Sighting]) -> Verdict:
    """Record the steps that log lines prove."""

    def take(tx: Transaction, sighting: Sighting) -> None:
        sighting = replace(sighting, at=min(sighting.at, ctx.clock.now()))
        boot = _boot_of(ctx, tx, rack, sighting)
        if boot is not None:
            _saw(tx, rack, sighting, boot)

    return _judge(ctx, rack, sightings, take)


def _judge(ctx: Context, rack: Rack, items: Sequence[Item], take: Callable[[Transaction, Item], None]) -> Verdict:
    taken, refused = 0, []
    with ctx.db.transaction() as tx:
        served = serving.of_rack(tx, rack)
        for item in items:
            words = served.refusal(item.ip) if item.ip is not None else ""
            if words:
                refused.append(Refusal(item.key, words))
                continue
            try:
                with tx.savepoint():
                    if tx.run("boots.evidence.take_receipt", rack_id=rack.id, key=item.key, now=ctx.clock.now()):
                        take(tx, item)
                        taken += 1
            except (BadRequest, Conflict, Forbidden) as error:
                refused.append(Refusal(item.key, error.message))
        if refused:
            _note_refusals(ctx, tx, rack, refused)
    return Verdict(taken, refused)


def _note_refusals(ctx: Context, tx: Transaction, rack: Rack, refused: Sequence[Refusal]) -> None:
    """One warning for a rack whose reports are refused, and not again for ten minutes; the rack keeps them all."""
    now, kind = ctx.clock.now(), "RACK_REPORT_REFUSED"
    seen = tx.one("site.events.count_of_rack", rack_id=rack.id, type=kind, since=now - claims.NOTE_AGAIN)
    if seen is None or seen["count"] == 0:
        words = f"{len(refused)} reports of rack {rack.hostname} were refused; the first: {refused[0].error}"
        journal.record(tx, now, kind, words, rack_id=rack.id, level=journal.WARNING)


def _leased(tx: Transaction, rack: Rack, lease: Lease) -> None:
    boot = records.at(tx, lease.mac, lease.at)
    if boot is None:
        return
    detail = f"{lease.ip} to {lease.mac}"
    if timeline.record(tx, boot.id, steps.LEASED, f"{rack.hostname} (dhcpd)", lease.at, detail):
        journal.record(
            tx, lease.at, "NODE_DHCP_LEASE", f"{rack.hostname} leased {detail}", machine_id=boot.machine_id,
            rack_id=rack.id,
        )  # fmt: skip
    tx.run("boots.records.answered", id=boot.id, rack_id=rack.id, client_ip=lease.ip)
    # Whoever asked for something before this lease was known is waiting for it.
    tx.one("machines.state.announce", system_id=boot.system_id)


def _boot_of(ctx: Context, tx: Transaction, rack: Rack, sighting: Sighting) -> BootAt | None:
    """The boot that a sighting belongs to: of the machine that the address is leased to.

    A MAC that the asker gave is believed only when it has the address: it stands in a file name that anybody can ask
    for."""
    if sighting.mac is None:
        row = None if sighting.ip is None else tx.one("boots.leases.holder_of_ip", ip=sighting.ip)
        return None if row is None else records.at(tx, row["mac"], sighting.at)
    boot = records.at(tx, sighting.mac, sighting.at)
    if boot is None or sighting.ip is None:
        return boot
    holding = lease_rows.holding(tx, boot.machine_id, sighting.ip, sighting.at)
    if not holding.proved:
        claim = Claim(boot.machine_id, boot.system_id, boot.hostname, sighting.ip, rack)
        claims.note_stranger(ctx, tx, claim, holding, sighting.kind)
        return None
    return boot


def _saw(tx: Transaction, rack: Rack, sighting: Sighting, boot: BootAt) -> None:
    if sighting.kind == "image" and not _SQUASHFS.search(sighting.detail):
        # Kernel and initrd come first; the root file system is what the step is about.
        return
    by_whom = f"{rack.hostname} ({DAEMONS[sighting.daemon]})"
    if _recorded(tx, sighting, boot, by_whom):
        kind, words = _STEP_EVENTS[sighting.kind]
        journal.record(
            tx, sighting.at, kind, f"{words} from {by_whom}: {sighting.detail}", machine_id=boot.machine_id,
            rack_id=rack.id,
        )  # fmt: skip


def _recorded(tx: Transaction, sighting: Sighting, boot: BootAt, by_whom: str) -> bool:
    """Whether it was news, and worth an event."""
    if sighting.kind != "boot-config":
        return timeline.record(tx, boot.id, STEPS[sighting.kind], by_whom, sighting.at, sighting.detail)
    if _LOCAL.search(sighting.detail):
        return sighting.detail.endswith(_AWAY)
    # A rack that answers by itself has asked no region, which would have recorded that.
    timeline.record(tx, boot.id, steps.CONFIG_ASKED, by_whom, sighting.at, sighting.detail)
    if timeline.record(tx, boot.id, steps.CONFIG_GIVEN, by_whom, sighting.at, sighting.detail):
        return True
    if sighting.detail.endswith(_AWAY):
        timeline.again(tx, boot.id, steps.CONFIG_GIVEN, f"again by {by_whom}: {sighting.detail}")
        return True
    return False
