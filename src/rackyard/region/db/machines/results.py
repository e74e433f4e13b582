# SPDX-License-Identifier: GPL-3.0-or-later
"""Script results as rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class ScriptResult:
    """What one script of one boot did. Outputs are None when they were not asked for."""

    id: int
    boot_id: int
    name: str
    status: int
    exit_status: int | None
    started_at: datetime | None
    ended_at: datetime | None
    runtime_s: float | None
    output: bytes | None = field(default=None, repr=False)
    stdout: bytes | None = field(default=None, repr=False)
    stderr: bytes | None = field(default=None, repr=False)
    result: bytes | None = field(default=None, repr=False)


def of_machine(tx: Transaction, system_id: str, *, with_output: bool) -> list[ScriptResult]:
    """The results of a machine, newest boot first, by name within a boot."""
    name = "machines.results.of_machine_with_output" if with_output else "machines.results.of_machine"
    return [ScriptResult(**row) for row in tx.all(name, system_id=system_id)]
