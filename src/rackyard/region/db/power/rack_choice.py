# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks with what weighs in the choice for a BMC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """A rack with what the choice weighs: `holds` when it works on the BMC right now, `drained` while its host is
    upgraded, when it last reached the BMC, and when and why it last did not."""

    rack_id: int
    hostname: str
    alive: bool
    interfaces: tuple[RackInterface, ...]
    open_jobs: int
    holds: bool = False
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    failure: str = ""
    drained: bool = False


@dataclass(frozen=True)
class Contact:
    """When a rack last reached a BMC, and when and why it last did not."""

    succeeded_at: datetime | None
    failed_at: datetime | None
    error: str


@dataclass(frozen=True)
class History:
    """What racks have to do with some BMCs, each by BMC and rack: their contacts, and who works there now."""

    contacts: Mapping[tuple[int, int], Contact]
    holding: frozenset[tuple[int, int]]


@dataclass(frozen=True)
class Reach:
    """How many BMCs a rack reached when it last tried, and how many it did not."""

    reached: int = 0
    unreached: int = 0


def racks(tx: Transaction) -> list[Candidate]:
    """Every unrevoked rack; `beside` adds what they have to do with a BMC."""
    return [
        Candidate(
            rack_id=row["id"],
            hostname=row["hostname"],
            alive=row["alive"],
            interfaces=tuple(RackInterface(name, ip_interface(address)) for name, address in row["interfaces"]),
            open_jobs=row["open_jobs"],
            drained=row["drained"],
        )
        for row in tx.all("power.rack_choice.racks")
    ]


def history(tx: Transaction, bmc_ids: Sequence[int]) -> History:
    """What racks have to do with these BMCs, in two statements."""
    contacts = tx.all("power.rack_choice.contacts", bmc_ids=list(bmc_ids))
    holding = tx.all("power.rack_choice.holding", bmc_ids=list(bmc_ids))
    return History(
        {
            (row["bmc_id"], row["rack_id"]): Contact(row["succeeded_at"], row["failed_at"], row["error"])
            for row in contacts
        },
        frozenset((row["bmc_id"], row["rack_id"]) for row in holding),
    )


def beside(bmc_id: int, racks: Sequence[Candidate], known: History) -> list[Candidate]:
    """The racks with what they have to do with that BMC."""
    nothing = Contact(None, None, "")
    return [
        replace(
            rack,
            holds=(bmc_id, rack.rack_id) in known.holding,
            last_success_at=contact.succeeded_at,
            last_failure_at=contact.failed_at,
            failure=contact.error,
        )
        for rack in racks
        for contact in [known.contacts.get((bmc_id, rack.rack_id), nothing)]
    ]


def candidates(tx: Transaction, machine: MachineState) -> list[Candidate]:
    """Every unrevoked rack with what weighs in the choice for the BMC of a machine that has one."""
    assert machine.bmc_id is not None
    return beside(machine.bmc_id, racks(tx), history(tx, [machine.bmc_id]))


def reach(tx: Transaction) -> dict[int, Reach]:
    """How many BMCs each rack that ever tried one reaches, by the rack's id."""
    rows = tx.all("power.rack_choice.reach")
    return {row["rack_id"]: Reach(row["reached"], row["unreached"]) for row in rows}


def remember_failure(tx: Transaction, bmc_id: int, rack_id: int, now: datetime, error: str) -> None:
    """A rack did not reach a BMC; why is shown to whoever asks for that BMC next."""
    tx.run("power.rack_choice.failed", bmc_id=bmc_id, rack_id=rack_id, now=now, error=error)
