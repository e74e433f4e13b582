# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks with what weighs in the choice for a BMC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

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


def candidates(tx: Transaction, machine_id: int, bmc_address: str) -> list[Candidate]:
    """Every unrevoked rack with what weighs in the choice for a machine's BMC."""
    return [
        Candidate(
            rack_id=row["id"],
            hostname=row["hostname"],
            alive=row["alive"],
            interfaces=tuple(RackInterface(name, ip_interface(address)) for name, address in row["interfaces"]),
            open_jobs=row["open_jobs"],
            holds=row["holds"],
            last_success_at=row["last_success_at"],
        )
        for row in tx.all("power.rack_choice.candidates", machine_id=machine_id, bmc=bmc_address)
    ]
