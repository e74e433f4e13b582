# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains of the site's own, names in them, and their records, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Domain:
    """A domain; times to live are in seconds, None for the default. Regions serve it where they are authoritative."""

    id: int
    name: str
    ttl: int | None
    authoritative: bool


@dataclass(frozen=True)
class Resource:
    """A name in a domain, `@` for the domain itself, with its addresses (A and AAAA)."""

    id: int
    domain_id: int
    domain: str
    name: str
    address_ttl: int | None
    addresses: list[str]

    @property
    def fqdn(self) -> str:
        """The full name, without a final dot."""
        return self.domain if self.name == "@" else f"{self.name}.{self.domain}"


@dataclass(frozen=True)
class Record:
    """Anything else that a name has, as somebody wrote it."""

    id: int
    resource_id: int
    rrtype: str
    rrdata: str
    ttl: int | None


def domains(tx: Transaction) -> list[Domain]:
    """All domains by id, without the internal one."""
    return [Domain(**row) for row in tx.all("network.domains.domains")]


def told(tx: Transaction) -> list[tuple[Domain, int, bool]]:
    """The same, each with how many records it has, and whether it is the default one."""
    return [
        (Domain(row["id"], row["name"], row["ttl"], row["authoritative"]), row["record_count"], row["is_default"])
        for row in tx.all("network.domains.told")
    ]


def default(tx: Transaction) -> Domain | None:
    """The default domain, None when it is the internal one."""
    row = tx.one("network.domains.default")
    return Domain(**row) if row else None


def make_default(tx: Transaction, domain_id: int | None) -> None:
    """Have new machines and devices in this domain, None for the internal one."""
    tx.run("network.domains.forget_default")
    if domain_id is not None:
        tx.run("network.domains.make_default", id=domain_id)


def resources(tx: Transaction, domain_id: int | None = None) -> list[Resource]:
    """All names by id, or those of a domain."""
    return [Resource(**row) for row in tx.all("network.domains.resources", domain_id=domain_id)]


def records(tx: Transaction, domain_id: int | None = None) -> list[Record]:
    """All records by id, or those of a domain's names."""
    return [Record(**row) for row in tx.all("network.domains.records", domain_id=domain_id)]


def add(tx: Transaction, kind: str, **columns: Any) -> int:
    """A new domain, resource or record; its id."""
    row = tx.one(f"network.domains.add_{kind}", **columns)
    assert row is not None
    return int(row["id"])


def update(tx: Transaction, kind: str, row_id: int, **columns: Any) -> None:
    """Write all columns of one row."""
    tx.run(f"network.domains.update_{kind}", id=row_id, **columns)


def delete(tx: Transaction, kind: str, row_id: int) -> None:
    """Remove one row."""
    tx.run(f"network.domains.delete_{kind}", id=row_id)


def wanted_serial(tx: Transaction) -> int | None:
    """What the serial of every zone is at least, None where nobody has said so."""
    row = tx.one("network.domains.wanted_serial")
    return row["serial"] if row else None


def known_serials(tx: Transaction) -> list[int]:
    """That, and the largest that each region's zones have."""
    return [row["serial"] for row in tx.all("network.domains.known_serials")]


def set_serial(tx: Transaction, serial: int) -> None:
    """Have all zones at this serial, or beyond."""
    tx.run("network.domains.set_serial", serial=serial)
