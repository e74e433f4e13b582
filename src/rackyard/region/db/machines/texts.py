# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts by name at a machine, as the columns that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rackyard.region.db.pool import Transaction


def read(tx: Transaction, column: str, machine_id: int) -> dict[str, str]:
    """The texts of a machine, whose row is locked."""
    row = tx.one("machines.texts.read", id=machine_id)
    return {} if row is None else dict(row[column])


def write(tx: Transaction, column: str, machine_id: int, texts: Mapping[str, str], now: datetime) -> None:
    """All of them anew."""
    tx.run(f"machines.texts.write_{column}", id=machine_id, texts=dict(texts), now=now)
