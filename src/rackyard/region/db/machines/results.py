# SPDX-License-Identifier: GPL-3.0-or-later
"""Script results as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class ScriptResult:
    """What one script of one boot did. Outputs are None when they were not read."""

    id: int
    boot_id: int
    purpose: str
    name: str
    status: int
    exit_status: int | None
    started_at: datetime | None
    ended_at: datetime | None
    runtime_s: float | None
    parameters: Mapping[str, Any]
    output_bytes: int
    output: bytes | None = field(default=None, repr=False)
    stdout: bytes | None = field(default=None, repr=False)
    stderr: bytes | None = field(default=None, repr=False)
    result: bytes | None = field(default=None, repr=False)


def of_machine(tx: Transaction, system_id: str) -> list[ScriptResult]:
    """The results of a machine without their outputs, newest boot first, by name within a boot."""
    return [ScriptResult(**row) for row in tx.all("machines.results.of_machine", system_id=system_id)]


def with_outputs(tx: Transaction, known: Sequence[ScriptResult]) -> list[ScriptResult]:
    """The same results with their outputs; one that was removed meanwhile is left as it is."""
    rows = {row.pop("id"): row for row in tx.all("machines.results.outputs", ids=[result.id for result in known])}
    return [replace(result, **rows.get(result.id, {})) for result in known]
