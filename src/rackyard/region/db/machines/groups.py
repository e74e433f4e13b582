# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones and resource pools as rows. `kind` is zone or pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Group:
    """A zone or a resource pool."""

    id: int
    name: str
    description: str


@dataclass(frozen=True)
class Member:
    """A machine that was put somewhere."""

    id: int
    system_id: str
    hostname: str
    locked: bool


def all_of(tx: Transaction, kind: str) -> list[Group]:
    """All of the kind by id."""
    return [Group(**row) for row in tx.all(f"machines.groups.all_{kind}")]


def add(tx: Transaction, kind: str, name: str, description: str) -> Group:
    """A new one."""
    row = tx.one(f"machines.groups.add_{kind}", name=name, description=description)
    assert row is not None
    return Group(**row)


def update(tx: Transaction, kind: str, group: Group) -> None:
    """Write name and description."""
    tx.run(f"machines.groups.update_{kind}", id=group.id, name=group.name, description=group.description)


def delete(tx: Transaction, kind: str, group_id: int) -> None:
    """Remove one that no machine is in."""
    tx.run(f"machines.groups.delete_{kind}", id=group_id)


def members(tx: Transaction, kind: str, group_id: int) -> list[str]:
    """The host names of its machines."""
    return [row["hostname"] for row in tx.all(f"machines.groups.members_of_{kind}", id=group_id)]


def move_zone(tx: Transaction, zone_id: int, to: int) -> None:
    """Every machine, device, rack and region of a zone goes to another."""
    tx.run("machines.groups.move_zone", id=zone_id, to=to)
    tx.run("machines.devices.move_zone", id=zone_id, to=to)
    tx.run("machines.groups.move_zone_of_racks", id=zone_id, to=to)
    tx.run("machines.groups.move_zone_of_regions", id=zone_id, to=to)


def put_in_zone(tx: Transaction, zone_id: int, system_ids: Sequence[str], now: datetime) -> list[Member]:
    """These machines go to a zone; those of them that there are."""
    rows = tx.all("machines.groups.put_in_zone", id=zone_id, system_ids=list(system_ids), now=now)
    return [Member(**row) for row in rows]


def kinds(tx: Transaction, system_ids: Sequence[str]) -> dict[str, str]:
    """What has these system_ids beside machines: device, rack or region, by system_id."""
    rows = tx.all("machines.groups.kinds", system_ids=list(system_ids))
    return {row["system_id"]: row["kind"] for row in rows}


def put_other_in_zone(tx: Transaction, kind: str, zone_id: int, system_id: str, now: datetime) -> bool:
    """A device, rack or region goes to a zone; whether there is one."""
    moment = {"now": now} if kind == "device" else {}
    return bool(tx.run(f"machines.groups.put_{kind}_in_zone", id=zone_id, system_id=system_id, **moment))
