# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scripts of a machine's boots did, boot by boot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from rackyard.region.context import Context
from rackyard.region.db.machines import registry as machine_rows
from rackyard.region.db.machines import results as rows
from rackyard.region.db.machines.results import ScriptResult
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Invalid, NotFound
from rackyard.region.services.machines import registry
from rackyard.region.services.site import validation

# In base64 that is 32 MiB of JSON; our own client takes 64.
MAX_OUTPUT_BYTES = 24 * 2**20
# MAAS SCRIPT_STATUS
PENDING, RUNNING, PASSED, FAILED, TIMED_OUT, ABORTED, DEGRADED = range(7)
STATUS_NAMES = {
    PENDING: "Pending",
    RUNNING: "Running",
    PASSED: "Passed",
    FAILED: "Failed",
    TIMED_OUT: "Timed out",
    ABORTED: "Aborted",
    DEGRADED: "Degraded",
    7: "Installing dependencies",
    8: "Failed installing dependencies",
    9: "Skipped",
    10: "Applying custom network configuration",
    11: "Failed to apply custom network configuration",
}
# The first of these that any script has is what the whole set has.
_GRAVITY = (RUNNING, FAILED, TIMED_OUT, ABORTED, PENDING, DEGRADED)


@dataclass(frozen=True)
class ResultSet:
    """The results of one boot. `runtime_s` is from the first start to the last end."""

    boot_id: int
    purpose: str
    status: int
    started_at: datetime | None
    ended_at: datetime | None
    results: Sequence[ScriptResult]

    @property
    def runtime_s(self) -> float | None:
        """Seconds from the first start to the last end, None while it runs."""
        return (self.ended_at - self.started_at).total_seconds() if self.started_at and self.ended_at else None


def of_machine(ctx: Context, system_id: str, *, with_output: bool = False) -> list[ResultSet]:
    """Result sets, newest boot first. Raises NotFound.

    Outputs are given for the newest boots, as many as fit into MAX_OUTPUT_BYTES, and for the newest in any case."""
    with ctx.db.transaction() as tx:
        if machine_rows.find(tx, system_id) is None:
            raise registry.not_found(system_id)
        known = rows.of_machine(tx, system_id)
        boots = [list(members) for _boot, members in groupby(known, key=lambda result: result.boot_id)]
        if with_output:
            boots = _with_outputs(tx, boots)
    return [_set(members[0].boot_id, members) for members in boots]


def of_boot(ctx: Context, system_id: str, boot_id: int, names: Collection[str] = ()) -> ResultSet:
    """The results of one boot with their outputs, those of scripts of these names (all by default).

    Raises NotFound for no such boot, Invalid for no such script."""
    with ctx.db.transaction() as tx:
        if machine_rows.find(tx, system_id) is None:
            raise registry.not_found(system_id)
        members = [each for each in rows.of_machine(tx, system_id) if each.boot_id == boot_id]
        if not members:
            raise NotFound(
                f"Machine {system_id} has no result {boot_id}; list them with GET nodes/{system_id}/results/."
            )
        for name in names:
            if all(each.name != name for each in members):
                there = ", ".join(each.name for each in members)
                raise Invalid.field("filters", f"No script {validation.shown(name)} was there; give some of {there}.")
        wanted = [each for each in members if not names or each.name in names]
        return _set(boot_id, rows.with_outputs(tx, wanted))


def _with_outputs(tx: Transaction, boots: Sequence[list[ScriptResult]]) -> list[list[ScriptResult]]:
    told: list[list[ScriptResult]] = []
    total_bytes = 0
    for members in boots:
        total_bytes += sum(member.output_bytes for member in members)
        fits = not told or total_bytes <= MAX_OUTPUT_BYTES
        told.append(rows.with_outputs(tx, members) if fits else members)
    return told


def _set(boot_id: int, members: Sequence[ScriptResult]) -> ResultSet:
    statuses = {member.status for member in members}
    status = next((candidate for candidate in _GRAVITY if candidate in statuses), PASSED)
    starts = [member.started_at for member in members if member.started_at]
    ends = [member.ended_at for member in members if member.ended_at]
    running = bool({PENDING, RUNNING} & statuses)
    return ResultSet(
        boot_id=boot_id,
        purpose=members[0].purpose,
        status=status,
        started_at=min(starts, default=None),
        ended_at=None if running else max(ends, default=None),
        results=members,
    )
