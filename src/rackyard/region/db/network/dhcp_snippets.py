# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators' own lines in dhcpd's configuration as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Scope:
    """What a snippet is for: one of these, or everything when all are None. The machine is named, with its MACs."""

    subnet_id: int | None = None
    ip_range_id: int | None = None
    machine_id: int | None = None
    system_id: str | None = None
    hostname: str | None = None
    macs: tuple[str, ...] = ()

    @property
    def is_global(self) -> bool:
        """Whether it is for everything."""
        return self.subnet_id is None and self.ip_range_id is None and self.machine_id is None


@dataclass(frozen=True)
class Snippet:
    """A snippet; `id` is 0 for one that is not kept yet."""

    id: int
    name: str
    description: str
    enabled: bool
    value: str
    scope: Scope


@dataclass(frozen=True)
class Version:
    """What a snippet said from that time on."""

    id: int
    snippet_id: int
    value: str
    created_at: datetime


def all_of(tx: Transaction) -> list[Snippet]:
    """All snippets, the oldest first."""
    return [
        Snippet(
            row["id"], row["name"], row["description"], row["enabled"], row["value"],
            Scope(
                row["subnet_id"], row["ip_range_id"], row["machine_id"], row["system_id"], row["hostname"],
                tuple(row["macs"]),
            ),
        )
        for row in tx.all("network.dhcp_snippets.all")
    ]  # fmt: skip


def history(tx: Transaction) -> list[Version]:
    """What all snippets have said, the newest first."""
    return [Version(**row) for row in tx.all("network.dhcp_snippets.history")]


def machine(tx: Transaction, system_id: str) -> Scope | None:
    """The machine of that system id."""
    row = tx.one("network.dhcp_snippets.machine", system_id=system_id)
    if row is None:
        return None
    return Scope(
        machine_id=row["machine_id"], system_id=row["system_id"], hostname=row["hostname"], macs=tuple(row["macs"])
    )


def lock(tx: Transaction) -> None:
    """One change at a time, so that what was checked still holds at the commit."""
    tx.run("network.dhcp_snippets.lock")


def add(tx: Transaction, snippet: Snippet, now: datetime) -> int:
    """A new snippet; its id."""
    row = tx.one("network.dhcp_snippets.add", **_columns(snippet))
    assert row is not None
    tx.run("network.dhcp_snippets.add_value", id=row["id"], value=snippet.value, now=now)
    return int(row["id"])


def update(tx: Transaction, snippet: Snippet) -> None:
    """Write all columns of one row."""
    tx.run("network.dhcp_snippets.update", id=snippet.id, **_columns(snippet))


def add_value(tx: Transaction, snippet: Snippet, now: datetime) -> None:
    """The snippet says something else from now on."""
    tx.run("network.dhcp_snippets.add_value", id=snippet.id, value=snippet.value, now=now)


def delete(tx: Transaction, snippet_id: int) -> None:
    """Remove one with its history."""
    tx.run("network.dhcp_snippets.delete", id=snippet_id)


def _columns(snippet: Snippet) -> dict[str, object]:
    return {
        "name": snippet.name,
        "description": snippet.description,
        "enabled": snippet.enabled,
        "value": snippet.value,
        "subnet_id": snippet.scope.subnet_id,
        "ip_range_id": snippet.scope.ip_range_id,
        "machine_id": snippet.scope.machine_id,
    }
