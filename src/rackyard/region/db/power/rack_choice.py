# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks with what weighs in the choice for a BMC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class RackInterface:
    """An address of a rack: interface name and address with prefix."""

    name: str
    address: IPv4Interface | IPv6Interface


@dataclass(frozen=True)
class Candidate:
    """A rack with what the choice weighs; `holds` when it works on the machine right now."""

    rack_id: int
    hostname: str
    alive: bool
    interfaces: tuple[RackInterface, ...]
    open_jobs: int
    holds: bool
    last_success_at: datetime | None


def racks(tx: Transaction) -> list[Candidate]:
    """Every unrevoked rack; `candidates` knows what they have to do with a machine."""
    return [
        Candidate(
            rack_id=row["id"],
            hostname=row["hostname"],
            alive=row["alive"],
            interfaces=tuple(RackInterface(name, ip_interface(address)) for name, address in row["interfaces"]),
            open_jobs=row["open_jobs"],
            holds=False,
            last_success_at=None,
        )
        for row in tx.all("power.rack_choice.racks")
    ]


def contacts(tx: Transaction, bmc_ids: Sequence[int]) -> dict[tuple[int, int], datetime]:
    """When racks last reached these BMCs, by BMC and rack."""
    rows = tx.all("power.rack_choice.contacts", bmc_ids=list(bmc_ids))
    return {(row["bmc_id"], row["rack_id"]): row["succeeded_at"] for row in rows}


def candidates(tx: Transaction, machine: MachineState) -> list[Candidate]:
    """Every unrevoked rack with what weighs in the choice for the BMC of a machine that has one."""
    assert machine.bmc_id is not None
    reached = contacts(tx, [machine.bmc_id])
    holding = {row["rack_id"] for row in tx.all("power.rack_choice.holding", machine_id=machine.id)}
    return [
        replace(rack, holds=rack.rack_id in holding, last_success_at=reached.get((machine.bmc_id, rack.rack_id)))
        for rack in racks(tx)
    ]
