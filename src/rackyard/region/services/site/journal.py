# SPDX-License-Identifier: GPL-3.0-or-later
"""The event log, as written by what machines and racks do."""

from __future__ import annotations

from datetime import datetime

from rackyard.region.db.pool import Transaction

AUDIT, DEBUG, INFO, WARNING, ERROR = 0, 10, 20, 30, 40
MAX_DESCRIPTION = 2000


def record(
    tx: Transaction,
    now: datetime,
    kind: str,
    description: str,
    *,
    machine_id: int | None = None,
    rack_id: int | None = None,
    level: int = INFO,
    username: str = "",
) -> None:
    """One event, in the transaction of what it tells about.

    What somebody changes is in the audit trail by itself, with its values; AUDIT is for what is no change."""
    tx.run(
        "site.events.record",
        machine_id=machine_id,
        rack_id=rack_id,
        level=level,
        type=kind,
        description=description[:MAX_DESCRIPTION],
        username=username,
        now=now,
    )
