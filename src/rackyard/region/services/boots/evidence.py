# SPDX-License-Identifier: GPL-3.0-or-later
"""What racks saw: leases and daemon log lines, turned into steps of the boot they belong to.

Batches may be replayed and arrive late or out of order: each item has a key that is taken once, and its own time.
What a rack dates into the future is dated now: a lease of a clock that ran ahead would outlive its correction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rackyard.region.context import Context
from rackyard.region.db.boots import records
from rackyard.region.db.boots.records import BootAt
from rackyard.region.db.pool import Transaction
from rackyard.region.db.racks.identity import Rack
from rackyard.region.services.boots import steps, timeline
from rackyard.region.services.site import journal

DAEMONS = {"in.tftpd": "tftpd-hpa", "dhcpd": "dhcpd", "nginx": "nginx", "boot": "boot service"}
STEPS = {"loader": steps.LOADER, "boot-config": steps.CONFIG_GIVEN, "image": steps.IMAGE}
_STEP_EVENTS = {
    "loader": ("NODE_TFTP_REQUEST", "boot loader"),
    "boot-config": ("PERFORMING_PXE_BOOT", "boot configuration"),
    "image": ("LOADING_EPHEMERAL", "system image"),
}
_SQUASHFS = re.compile(r"\bfilesystem\.squashfs\b")


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


def take_leases(ctx: Context, rack: Rack, leases: Sequence[Lease]) -> int:
    """Store lease events and what they prove; the number of new ones."""
    now = ctx.clock.now()
    taken = 0
    with ctx.db.transaction() as tx:
        for lease in leases:
            if not tx.run("boots.evidence.take_receipt", rack_id=rack.id, key=lease.key, now=now):
                continue
            taken += 1
            lease = replace(lease, at=min(lease.at, now))
            tx.run(
                "boots.leases.put", ip=lease.ip, mac=lease.mac, rack_id=rack.id, state=lease.action, at=lease.at,
                expires_at=lease.at + timedelta(seconds=lease.lease_s) if lease.lease_s else None,
            )  # fmt: skip
            if lease.action == "commit":
                _leased(ctx, tx, rack, lease)
    return taken


def take_sightings(ctx: Context, rack: Rack, sightings: Sequence[Sighting]) -> int:
    """Record the steps that log lines prove; the number of new ones."""
    now = ctx.clock.now()
    taken = 0
    with ctx.db.transaction() as tx:
        for sighting in sightings:
            if not tx.run("boots.evidence.take_receipt", rack_id=rack.id, key=sighting.key, now=now):
                continue
            taken += 1
            sighting = replace(sighting, at=min(sighting.at, now))
            boot = _boot_of(tx, sighting)
            if boot is not None:
                _saw(tx, rack, sighting, boot)
    return taken


def _leased(ctx: Context, tx: Transaction, rack: Rack, lease: Lease) -> None:
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
    # Whoever asked for the preseed before this lease was known is waiting for it.
    tx.one("machines.state.announce", system_id=boot.system_id)


def _boot_of(tx: Transaction, sighting: Sighting) -> BootAt | None:
    mac = sighting.mac
    if mac is None and sighting.ip is not None:
        row = tx.one("boots.leases.holder_of_ip", ip=sighting.ip)
        mac = row["mac"] if row else None
    return None if mac is None else records.at(tx, mac, sighting.at)


def _saw(tx: Transaction, rack: Rack, sighting: Sighting, boot: BootAt) -> None:
    if sighting.kind == "image" and not _SQUASHFS.search(sighting.detail):
        # Kernel and initrd come first; the root file system is what the step is about.
        return
    by_whom = f"{rack.hostname} ({DAEMONS.get(sighting.daemon, sighting.daemon)})"
    if timeline.record(tx, boot.id, STEPS[sighting.kind], by_whom, sighting.at, sighting.detail):
        kind, words = _STEP_EVENTS[sighting.kind]
        journal.record(
            tx, sighting.at, kind, f"{words} from {by_whom}: {sighting.detail}", machine_id=boot.machine_id,
            rack_id=rack.id,
        )  # fmt: skip
