# SPDX-License-Identifier: GPL-3.0-or-later
"""Single addresses of subnets: who has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Used:
    """An address that something has, in words. What has a fixed one keeps it; another may be given to a machine or
    device by name, and is not chosen for one."""

    ip: str
    what: str
    is_fixed: bool
    purpose: str


@dataclass(frozen=True)
class Listed:
    """An address of a subnet, and whose it is: nothing is known of a stranger with a lease. The domain is None for
    the internal one; `username` is who has reserved it."""

    ip: str
    alloc_type: int
    created: datetime | None
    system_id: str | None
    hostname: str | None
    interface: str | None
    node_type: int
    domain: str | None
    username: str | None


@dataclass(frozen=True)
class Kept:
    """A machine or device (`kind`) that is linked to a subnet, and the address that is kept for it there; empty where
    there is none."""

    kind: str
    hostname: str
    interface: str
    ip: str

    def __str__(self) -> str:
        return f"{self.hostname} ({' '.join(filter(None, (self.interface, self.ip)))})"


@dataclass(frozen=True)
class Misplaced:
    """An address that is kept for somebody (`whose`, in words) and not where it may be: the field of the network to
    blame, what is wrong, and how the address becomes free (`remedy`)."""

    ip: str
    whose: str
    remedy: str
    subnet: str
    field: str
    words: str


def used(tx: Transaction, cidr: str, now: datetime) -> list[Used]:
    """Addresses in a network that something has, in order; one that several have is there several times."""
    return [Used(**row) for row in tx.all("network.addresses.used", cidr=cidr, now=now)]


def listed(tx: Transaction, subnet_id: int, now: datetime) -> list[Listed]:
    """Who has which address of a subnet, in order."""
    return [Listed(**row) for row in tx.all("network.addresses.listed", subnet_id=subnet_id, now=now)]


def kept_in(tx: Transaction, subnet_id: int) -> list[Kept]:
    """Some of the machines and devices that are linked to a subnet."""
    return [Kept(**row) for row in tx.all("network.addresses.kept_in", subnet_id=subnet_id)]


def misplaced(tx: Transaction) -> list[Misplaced]:
    """Addresses of machines and devices, and of people, that do not fit the network."""
    return [Misplaced(**row) for row in tx.all("network.addresses.misplaced")]
