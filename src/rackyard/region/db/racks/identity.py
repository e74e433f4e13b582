# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks as their certificates and addresses identify them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Rack:
    """A rack as its certificate identifies it."""

    id: int
    system_id: str
    hostname: str
    revoked_at: datetime | None = None


def by_certificate(tx: Transaction, sha256: str) -> Rack | None:
    """The rack whose certificate has this SHA-256 (hex)."""
    row = tx.one("racks.enrolment.by_certificate", sha256=sha256)
    return None if row is None else Rack(**row)


def lock(tx: Transaction, system_id: str) -> Rack | None:
    """The rack of that system id, locked."""
    row = tx.one("racks.enrolment.lock", system_id=system_id)
    return None if row is None else Rack(**row)


def lock_by_hostname(tx: Transaction, hostname: str) -> Rack | None:
    """The rack of that name, locked."""
    row = tx.one("racks.enrolment.lock_by_hostname", hostname=hostname)
    return None if row is None else Rack(**row)


def by_address(tx: Transaction, address: str) -> Rack | None:
    """The unrevoked rack that reported this address as its own."""
    row = tx.one("racks.registration.by_address", address=address)
    return None if row is None else Rack(**row)
