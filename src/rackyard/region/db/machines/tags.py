# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags and the machines that they are on, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rackyard.region.db.pool import Row, Transaction


@dataclass(frozen=True)
class Tag:
    """A tag. `kernel_opts` are words for the kernel lines of the machines that have it; with a `definition`, machines
    have it that it describes; `definition_fault` is why that is not evaluated any more."""

    id: int
    name: str
    comment: str
    kernel_opts: str
    definition: str
    definition_fault: str


def every(tx: Transaction) -> list[Tag]:
    """All tags by name."""
    return [Tag(**row) for row in tx.all("machines.tags.all")]


def find(tx: Transaction, name: str) -> Tag | None:
    """The tag of that name."""
    return _tag(tx.one("machines.tags.find", name=name))


def lock(tx: Transaction, name: str) -> Tag | None:
    """The tag of that name, locked until the transaction ends; before any machine, so that nobody waits in a circle."""
    return _tag(tx.one("machines.tags.lock", name=name))


def unknown(tx: Transaction, system_ids: Sequence[str]) -> list[str]:
    """Which of these system_ids nothing has."""
    return [row["system_id"] for row in tx.all("machines.tags.unknown", system_ids=list(system_ids))]


def kernel_opts(tx: Transaction, machine_id: int) -> list[str]:
    """What each tag of a machine adds to its kernel line."""
    return [row["kernel_opts"] for row in tx.all("machines.tags.kernel_opts", machine_id=machine_id)]


def _tag(row: Row | None) -> Tag | None:
    return None if row is None else Tag(**row)
