# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine as the rules of its life see it, locked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Transaction


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
    power_address: str | None
    operation_id: int | None
    boot_id: int | None
    boot_mac: str | None
    commissioned_at: datetime | None


def lock(tx: Transaction, system_id: str) -> MachineState | None:
    """The machine of that system id, locked."""
    row = tx.one("machines.state.lock", system_id=system_id)
    return None if row is None else MachineState(**row)


def lock_by_id(tx: Transaction, machine_id: int) -> MachineState | None:
    """The machine of that row, locked."""
    row = tx.one("machines.state.lock_by_id", id=machine_id)
    return None if row is None else MachineState(**row)
