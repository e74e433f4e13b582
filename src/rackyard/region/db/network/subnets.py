# SPDX-License-Identifier: GPL-3.0-or-later
"""Subnets, found by an address in them."""

from __future__ import annotations

from dataclasses import dataclass

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Subnet:
    """A managed subnet."""

    id: int
    cidr: str


def containing(tx: Transaction, address: str) -> Subnet | None:
    """The managed subnet that contains an address."""
    row = tx.one("network.subnets.containing", ip=address)
    return None if row is None else Subnet(**row)
