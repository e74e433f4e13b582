# SPDX-License-Identifier: GPL-3.0-or-later
"""The boot timeline of a machine: recording its twelve steps and telling its story."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import NotFound
from rackyard.region.services.boots import steps
from rackyard.region.services.boots.steps import Clues, Names, Recorded

# Room for what each of several racks had to say.
_MAX_DETAIL = 2000


def record(
    tx: Transaction, boot_id: int, step: int, by_whom: str, at: datetime, detail: str = "", outcome: str = "done"
) -> bool:
    """Record evidence for a step of a boot (row id); the first one counts. True when it was news, which gives the
    boot's operation new time."""
    news = tx.run(
        "boots.timeline.record",
        boot_id=boot_id,
        step=step,
        by_whom=by_whom,
        at=at,
        outcome=outcome,
        detail=detail[:_MAX_DETAIL],
    )
    if news and outcome == "done":
        tx.run("operations.records.progress", boot_id=boot_id, now=at, patience_s=None)
    return bool(news)


def other_rack(tx: Transaction, boot_id: int, rack_id: int | None, words: str) -> None:
    """The rack that was chosen to switch the machine on is not the one after all: which rack it is now (None: it is
    looked for), and why, in the step that tells of the choice."""
    tx.run("boots.timeline.amend", boot_id=boot_id, step=steps.RACK_CHOSEN, words=words, limit=_MAX_DETAIL)
    tx.run("boots.records.power_rack", id=boot_id, rack_id=rack_id)


def again(tx: Transaction, boot_id: int, step: int, words: str) -> None:
    """What was done in a step was done once more."""
    tx.run("boots.timeline.amend", boot_id=boot_id, step=step, words=words, limit=_MAX_DETAIL)


def rack_found(tx: Transaction, boot_id: int, rack_id: int, by_whom: str, at: datetime, words: str) -> None:
    """A search has found the rack that is to switch the machine on."""
    if not record(tx, boot_id, steps.RACK_CHOSEN, by_whom, at, words):
        tx.run("boots.timeline.amend", boot_id=boot_id, step=steps.RACK_CHOSEN, words=words, limit=_MAX_DETAIL)
    tx.run("boots.records.power_rack", id=boot_id, rack_id=rack_id)


def switched_off(tx: Transaction, boot_id: int, by_whom: str, at: datetime, detail: str) -> None:
    """The last step of a boot that was done; whoever reads the BMC first records it. One that had failed, because
    nobody could switch the machine off or see that it was, is done with that, and says both."""
    if _last(tx, boot_id, by_whom, at, detail, "done") == "failed":
        words = f"off at {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, by {by_whom}: {detail}"
        tx.run("boots.timeline.mend", boot_id=boot_id, step=steps.STORED, words=words, limit=_MAX_DETAIL)


def still_on(tx: Transaction, boot_id: int, by_whom: str, at: datetime, detail: str) -> None:
    """The last step of a boot that was done failed: whoever follows the boot need not wait for it any longer."""
    _last(tx, boot_id, by_whom, at, detail, "failed")


def _last(tx: Transaction, boot_id: int, by_whom: str, at: datetime, detail: str, outcome: str) -> str | None:
    """Records the last step of a boot that was done, unless that has an outcome already, which is returned."""
    row = tx.one("boots.timeline.outcome_of_done", boot_id=boot_id, step=steps.STORED)
    if row is None:
        return None
    if row["outcome"] is None:
        record(tx, boot_id, steps.STORED, by_whom, at, f"facts stored; {detail}", outcome)
    return None if row["outcome"] is None else str(row["outcome"])


def recorded(tx: Transaction, boot_id: int) -> list[Recorded]:
    """The recorded steps of a boot (row id), in order."""
    return [Recorded(**row) for row in tx.all("boots.timeline.steps", boot_id=boot_id)]


def read(ctx: Context, system_id: str) -> dict[str, object]:
    """The timeline of the machine's latest boot, as the API shows it. Raises NotFound for an unknown machine."""
    with ctx.db.transaction() as tx:
        row = tx.one("boots.records.latest", system_id=system_id)
        if row is None:
            raise NotFound(f"no machine has the system id {system_id}")
        rows = recorded(tx, row["id"]) if row["id"] is not None else []
    now = ctx.clock.now()
    # A commissioned machine still has to be switched off; that is the boot's last step.
    unfinished = row["outcome"] in ("running", "done")
    clues = clues_of(row)
    waiting = steps.pending(rows, clues) if unfinished else None
    diagnosis = ""
    if row["id"] is None:
        diagnosis = f"{row['hostname']} was never commissioned; start it with `op=commission`."
    elif waiting is not None and now > waiting.due:
        diagnosis = steps.diagnose(waiting, now, names(row))
    elif row["outcome"] == "failed":
        diagnosis = row["status_message"]
    return {
        "system_id": row["system_id"],
        "hostname": row["hostname"],
        "boot_id": (row["boot_id"] or "")[:8],
        "purpose": row["purpose"] or "",
        "outcome": row["outcome"] or "",
        "started": _iso(row["requested_at"]),
        "ended": _iso(row["ended_at"]),
        "steps": steps.arrange(rows, unfinished, now, clues),
        "diagnosis": diagnosis,
    }


def clues_of(row: Mapping[str, Any]) -> Clues:
    """What an operation's row says about when its boot is overdue."""
    limits = {int(step): int(seconds) for step, seconds in (row["limits"] or {}).items()}
    return Clues(limits, row["progress_at"])


def names(row: dict[str, object]) -> Names:
    """The names that a diagnosis mentions, from a row with machine, rack and BMC."""
    return Names(
        machine=str(row["hostname"]),
        rack=str(row["rack"] or "the rack"),
        bmc=str(row["power_address"] or "the machine's BMC"),
        mac=str(row["boot_mac"] or "its boot interface"),
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None
