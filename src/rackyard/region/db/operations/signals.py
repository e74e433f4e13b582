# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scripts of a boot reported."""

from __future__ import annotations

from dataclasses import dataclass

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class ScriptResult:
    """What one script reported. Statuses: 0 pending, 1 running, 2 passed, 3 failed, 4 timed out, 5 aborted,
    6 degraded, 9 skipped."""

    name: str
    status: int
    exit_status: int | None
    stdout: bytes
    result: bytes


def results(tx: Transaction, boot_id: int) -> list[ScriptResult]:
    """The results of a boot's scripts by name."""
    return [ScriptResult(**row) for row in tx.all("operations.signals.of_boot", boot_id=boot_id)]
