# SPDX-License-Identifier: GPL-3.0-or-later
"""Boots, found by the token, MAC or moment that machines and racks know them by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rackyard.region.db.pool import Transaction


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
class BootAtRack:
    """A boot under way, the addresses of its machine in the subnets of a rack, the newest lease first, and its MACs."""

    id: int
    boot_id: str
    ends_at: datetime
    addresses: list[str]
    macs: list[str]


def of_token(tx: Transaction, token_key: str) -> BootOfToken | None:
    """The boot with that OAuth token."""
    row = tx.one("boots.records.by_token", token_key=token_key)
    return None if row is None else BootOfToken(**row)


def of_mac(tx: Transaction, mac: str) -> BootOfMac | None:
    """The machine with that MAC."""
    row = tx.one("boots.records.of_mac", mac=mac)
    return None if row is None else BootOfMac(**row)


def at(tx: Transaction, mac: str, at: datetime) -> BootAt | None:
    """The boot that the machine with that MAC was in at that moment."""
    row = tx.one("boots.records.at", mac=mac, at=at)
    return None if row is None else BootAt(**row)


def at_rack(
    tx: Transaction, networks: list[str], now: datetime, *, limit: int, boot_id: str | None = None
) -> list[BootAtRack]:
    """The boots under way whose machines last held addresses in those networks (CIDR), or the one with that id."""
    rows = tx.all("boots.records.at_rack", networks=networks, now=now, limit=limit, boot_id=boot_id)
    return [BootAtRack(**row) for row in rows]


def macs_under_way(tx: Transaction) -> list[str]:
    """The MACs of all machines whose boot is under way."""
    row = tx.one("boots.records.macs")
    return [] if row is None else list(row["macs"])
