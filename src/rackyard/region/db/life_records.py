# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine and its boot as the rules of commissioning and power see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
    boot_id: int | None
    boot_mac: str | None
    deadline_at: datetime | None
    commissioned_at: datetime | None


@dataclass(frozen=True)
class BootOfToken:
    """The boot whose credentials a machine presents."""

    id: int
    boot_id: str
    outcome: str
    ended_at: datetime | None
    consumer_key: str
    token_key: str
    token_secret_sha256: bytes
    credentials_expire_at: datetime
    started_at: datetime
    machine_id: int
    system_id: str
    hostname: str
    status: int


@dataclass(frozen=True)
class BootOfMac:
    """A machine found by MAC, and its running boot if it has one."""

    machine_id: int
    system_id: str
    hostname: str
    status: int
    architecture: str
    id: int | None
    boot_id: str | None
    purpose: str | None
    manifest: dict[str, Any] | None


@dataclass(frozen=True)
class BootAt:
    """The boot of a machine that was under way at some moment."""

    machine_id: int
    system_id: str
    hostname: str
    id: int
    boot_id: str


@dataclass(frozen=True)
class Subnet:
    """A managed subnet."""

    id: int
    cidr: str


def lock_machine(tx: Transaction, system_id: str) -> MachineState | None:
    """The machine of that system id, locked."""
    row = tx.one("life.lock_machine", system_id=system_id)
    return None if row is None else MachineState(**row)


def lock_machine_by_id(tx: Transaction, machine_id: int) -> MachineState | None:
    """The machine of that row, locked."""
    row = tx.one("life.lock_machine_by_id", id=machine_id)
    return None if row is None else MachineState(**row)


def boot_of_token(tx: Transaction, token_key: str) -> BootOfToken | None:
    """The boot with that OAuth token."""
    row = tx.one("life.boot_by_token", token_key=token_key)
    return None if row is None else BootOfToken(**row)


def boot_of_mac(tx: Transaction, mac: str) -> BootOfMac | None:
    """The machine with that MAC."""
    row = tx.one("life.boot_of_mac", mac=mac)
    return None if row is None else BootOfMac(**row)


def boot_at(tx: Transaction, mac: str, at: datetime) -> BootAt | None:
    """The boot that the machine with that MAC was in at that moment."""
    row = tx.one("life.boot_at", mac=mac, at=at)
    return None if row is None else BootAt(**row)


def subnet_of(tx: Transaction, address: str) -> Subnet | None:
    """The managed subnet that contains an address."""
    row = tx.one("life.subnet_of", ip=address)
    return None if row is None else Subnet(**row)
