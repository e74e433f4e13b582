# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class RackController:
    """An enrolled rack."""

    id: int
    system_id: str
    hostname: str
    version: str
    alive: bool
    last_seen_at: datetime | None
    registered_at: datetime | None
    cert_not_after: datetime | None
    desired_generation: int


@dataclass(frozen=True)
class RackInterface:
    """One address of a rack, with its prefix length."""

    rack_id: int
    name: str
    mac: str | None
    address: str
    subnet_id: int | None


@dataclass(frozen=True)
class RackService:
    """How one of a rack's services is: its state, and whether the last desired state was applied."""

    rack_id: int
    name: str
    state: str
    info: str


def all_racks(tx: Transaction) -> list[RackController]:
    """Every enrolled rack by hostname."""
    return [RackController(**row) for row in tx.all("racks.view.racks")]


def interfaces(tx: Transaction) -> list[RackInterface]:
    """Every address of every enrolled rack."""
    return [RackInterface(**row) for row in tx.all("racks.view.interfaces")]


def services(tx: Transaction) -> list[RackService]:
    """Every service of every enrolled rack."""
    return [RackService(**row) for row in tx.all("racks.view.services")]
