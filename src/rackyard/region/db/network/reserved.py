# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that people have reserved, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Row, Transaction
from rackyard.region.db.site.accounts import Account


@dataclass(frozen=True)
class Reserved:
    """An address that somebody has reserved: what leads to it (domain 0 is the internal one), and the MAC that DHCP
    gives it to; each None where there is none."""

    id: int
    ip: str
    subnet_id: int
    owner: Account
    hostname: str | None
    domain_id: int
    mac: str | None
    created_at: datetime


def select(
    tx: Transaction, *, account_id: int | None = None, subnet_id: int | None = None, ip: str | None = None
) -> list[Reserved]:
    """Those of an account, in a subnet, or that address; all of them if nothing is said; in order."""
    return [_reserved(row) for row in tx.all("network.reserved.all", account_id=account_id, subnet_id=subnet_id, ip=ip)]


def find(tx: Transaction, ip: str) -> Reserved | None:
    """One address, if somebody has reserved it."""
    return next(iter(select(tx, ip=ip)), None)


def names(tx: Transaction) -> list[tuple[int, str, str]]:
    """Domain (0 is the internal one), hostname and address of each that has a name."""
    return [(row["domain_id"], row["hostname"], row["address"]) for row in tx.all("network.reserved.names")]


def namesakes(tx: Transaction, hostname: str, domain_id: int) -> list[Account]:
    """Who has reserved addresses of this name in that domain (0 is the internal one)."""
    return [Account(**row) for row in tx.all("network.reserved.namesakes", hostname=hostname, domain_id=domain_id)]


def names_in(tx: Transaction, domain_id: int) -> list[str]:
    """The names of reserved addresses in a domain of the site's own."""
    return [row["hostname"] for row in tx.all("network.reserved.names_in", domain_id=domain_id)]


def add(tx: Transaction, made: Reserved) -> None:
    """Reserve an address for its owner; it has no id yet."""
    tx.run(
        "network.reserved.add", ip=made.ip, subnet_id=made.subnet_id, account_id=made.owner.id, hostname=made.hostname,
        domain_id=made.domain_id, mac=made.mac, now=made.created_at,
    )  # fmt: skip


def update(tx: Transaction, known: Reserved) -> None:
    """Write what may change: name and MAC."""
    tx.run("network.reserved.update", id=known.id, hostname=known.hostname, domain_id=known.domain_id, mac=known.mac)


def delete(tx: Transaction, reserved_id: int) -> None:
    """Release an address."""
    tx.run("network.reserved.delete", id=reserved_id)


def _reserved(row: Row) -> Reserved:
    return Reserved(
        row["id"], row["ip"], row["subnet_id"],
        Account(row["account_id"], row["username"], row["is_admin"], row["email"]),
        row["hostname"], row["domain_id"], row["mac"], row["created_at"],
    )  # fmt: skip
