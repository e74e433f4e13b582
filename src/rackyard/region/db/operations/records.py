# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations: what a machine is going through, as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Operation:
    """One operation of a machine. `limits`: step number (as text) → seconds after which that step is overdue."""

    id: int
    machine_id: int
    kind: str
    epoch: int
    requested_by: str
    requested_at: datetime
    patience_s: int
    progress_at: datetime
    deadline_at: datetime
    ends_at: datetime
    limits: dict[str, Any]
    ended_at: datetime | None
    outcome: str


def read(tx: Transaction, operation_id: int) -> Operation | None:
    """The operation of that row."""
    row = tx.one("operations.records.read", id=operation_id)
    return None if row is None else Operation(**row)
