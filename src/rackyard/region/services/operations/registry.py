# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of operation with what it does when its machine speaks, or does not. A new kind is one more entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.boots.records import BootOfToken
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Transaction
from rackyard.region.services.operations import commissioning_report, script_report, testing_report
from rackyard.region.services.operations.kinds import COMMISSION, TEST, Kind


@dataclass(frozen=True)
class Entry:
    """A kind and its functions, each called in the transaction that holds the machine's lock.

    `on_ok` and `on_failed` take the machine's last word (`op=signal` with OK; FAILED or TIMEDOUT), `on_result` hears
    that a script's result was stored, which may be after that word, `on_deadline` takes the diagnosis when the end
    never came."""

    kind: Kind
    on_ok: Callable[[Context, Transaction, BootOfToken, MachineState, str], None]
    on_result: Callable[[Context, Transaction, BootOfToken, MachineState, str], None]
    on_failed: Callable[[Context, Transaction, BootOfToken, MachineState, str, str, str], None]
    on_deadline: Callable[[Context, Transaction, MachineState, str], None]


ENTRIES: Mapping[str, Entry] = {
    entry.kind.name: entry
    for entry in (
        Entry(
            COMMISSION,
            on_ok=commissioning_report.succeeded,
            on_result=commissioning_report.completed,
            on_failed=script_report.failed,
            on_deadline=script_report.overdue,
        ),
        Entry(
            TEST,
            on_ok=testing_report.succeeded,
            on_result=testing_report.completed,
            on_failed=script_report.failed,
            on_deadline=script_report.overdue,
        ),
    )
}
