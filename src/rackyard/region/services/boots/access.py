# SPDX-License-Identifier: GPL-3.0-or-later
"""What a booting machine may know: its preseed, and steps of its boot that show in its questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.boots.records import BootOfToken
from rackyard.region.db.network import subnets
from rackyard.region.db.pool import Transaction
from rackyard.region.db.racks.identity import Rack
from rackyard.region.db.site import package_repositories
from rackyard.region.db.site.package_repositories import AptSource
from rackyard.region.errors import Forbidden, NotFound
from rackyard.region.services.boots import claims, deliveries, steps, timeline
from rackyard.region.services.boots.claims import Claim
from rackyard.region.services.boots.deliveries import Delivery
from rackyard.region.services.racks import names
from rackyard.region.services.site import journal

MAX_STAGE_EVENTS = 40
_STAGES = frozenset({"init-local", "init-network", "modules-config", "modules-final"})


@dataclass(frozen=True)
class Access:
    """What a machine needs to go on: credentials of its boot, the name of its racks, and package repositories."""

    system_id: str
    hostname: str
    subnet_name: str
    consumer_key: str
    token_key: str
    token_secret: str
    apt_sources: Sequence[AptSource]


def access(ctx: Context, boot_id: str, address: str, rack: Rack) -> Access:
    """Credentials of a running boot, for the address that is leased to that machine and nobody else.

    Raises NotFound when no such boot is under way, Forbidden for any other address (an event is recorded), TooMany."""
    with ctx.db.transaction() as tx:
        row = tx.one("boots.records.by_public_id", boot_id=boot_id)
    if row is None or row["outcome"] != "running" or row["credentials_expire_at"] <= ctx.clock.now():
        raise NotFound("no boot with that id is under way; commission the machine again")
    claims.require_lease(ctx, Claim(row["machine_id"], row["system_id"], row["hostname"], address, rack))
    with ctx.db.transaction() as tx:
        return of_boot(ctx, tx, boot_id, address)


def again(ctx: Context, boot: BootOfToken, address: str) -> Access:
    """The same for a machine that has proved itself by its credentials (for its user data)."""
    with ctx.db.transaction() as tx:
        return of_boot(ctx, tx, boot.boot_id, address)


def of_boot(ctx: Context, tx: Transaction, boot_id: str, address: str) -> Access:
    """What the machine of that boot gets at an address; whoever calls has seen to it that it may."""
    row = tx.one("boots.records.by_public_id", boot_id=boot_id)
    assert row is not None
    return Access(
        system_id=row["system_id"],
        hostname=row["hostname"],
        subnet_name=_subnet_name(ctx, tx, row["hostname"], address),
        consumer_key=row["consumer_key"],
        token_key=row["token_key"],
        token_secret=ctx.box.decrypt(row["token_secret"]),
        apt_sources=package_repositories.of_boot(tx, boot_id),
    )


def require_own_address(ctx: Context, boot: BootOfToken, address: str, rack: Rack) -> None:
    """Credentials count at the machine's own address only. Raises Forbidden elsewhere (an event is recorded)."""
    claims.require_last_lease(ctx, Claim(boot.machine_id, boot.system_id, boot.hostname, address, rack))


def pulled(ctx: Context, boot: BootOfToken, address: str, rack: Rack) -> None:
    """The machine has fetched the last piece of its metadata."""
    now = ctx.clock.now()
    by_whom = f"{ctx.config.name} via {rack.hostname} (nginx)"
    with ctx.db.transaction() as tx:
        if timeline.record(tx, boot.id, steps.METADATA, by_whom, now, f"by {address}"):
            journal.record(
                tx, now, "GATHERING_INFO", f"metadata pulled by {address} through {rack.hostname}",
                machine_id=boot.machine_id, rack_id=rack.id,
            )  # fmt: skip


def stage(ctx: Context, boot: BootOfToken, delivery: Delivery, event_type: str, name: str, result: str) -> None:
    """A report of cloud-init: its main stages become events, as few as they are; the other sixty are not kept."""
    if name not in _STAGES or event_type not in ("start", "finish") or boot.ended_at is not None:
        return
    failed = event_type == "finish" and result not in ("", "SUCCESS")
    with ctx.db.transaction() as tx:
        if not deliveries.is_new(ctx, tx, boot, delivery):
            return
        row = tx.one("site.events.count", machine_id=boot.machine_id, type="CLOUD_INIT", since=boot.started_at)
        if row is not None and row["count"] < MAX_STAGE_EVENTS:
            journal.record(
                tx, delivery.at(ctx, boot), "CLOUD_INIT", f"{event_type} {name}" + (" with errors" if failed else ""),
                machine_id=boot.machine_id, level=journal.WARNING if failed else journal.DEBUG,
            )  # fmt: skip


def _subnet_name(ctx: Context, tx: Transaction, hostname: str, address: str) -> str:
    subnet = subnets.containing(tx, address)
    if subnet is None:
        raise Forbidden(
            f"{hostname} is at {address}, which is in no managed subnet; declare that subnet with the playbook "
            "rackyard.metal.network"
        )
    return names.subnet_name(subnet.cidr, ctx.config.domain)
