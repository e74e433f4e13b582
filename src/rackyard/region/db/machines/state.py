# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine as the rules of its life see it, locked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Row, Transaction


@dataclass(frozen=True)
class MachineState:
    """A machine, locked in the transaction that read it."""

    id: int
    system_id: str
    hostname: str
    architecture: str
    status: int
    status_message: str
    previous_status: int
    epoch: int
    power_state: str
    power_error_kind: str
    power_type: str
    bmc_id: int | None
    power_address: str | None
    operation_id: int | None
    boot_id: int | None
    boot_mac: str | None
    commissioned_at: datetime | None
    locked: bool
    pool_id: int
    owner_id: int | None


def lock(tx: Transaction, system_id: str) -> MachineState | None:
    """The machine of that system id, locked."""
    return _read(tx, tx.one("machines.state.lock", system_id=system_id))


def lock_by_id(tx: Transaction, machine_id: int) -> MachineState | None:
    """The machine of that row, locked."""
    return _read(tx, tx.one("machines.state.lock_by_id", id=machine_id))


@dataclass(frozen=True)
class Subject:
    """What decides who may do something to a machine."""

    system_id: str
    hostname: str
    status: int
    pool_id: int
    owner_id: int | None


def subjects(tx: Transaction, system_ids: Iterable[str]) -> list[Subject]:
    """Those of these machines that there are; whose they are does not change until the transaction ends."""
    return [Subject(**row) for row in tx.all("machines.state.subjects", system_ids=list(system_ids))]


def beside(tx: Transaction, machine_id: int) -> list[Subject]:
    """The other machines behind a machine's BMC; whose they are does not change until the transaction ends."""
    return [Subject(**row) for row in tx.all("machines.state.beside", id=machine_id)]


def _read(tx: Transaction, locked: Row | None) -> MachineState | None:
    row = None if locked is None else tx.one("machines.state.read", id=locked["id"])
    return None if row is None else MachineState(**row)
