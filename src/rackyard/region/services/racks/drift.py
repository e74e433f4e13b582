# SPDX-License-Identifier: GPL-3.0-or-later
"""Which daemons of which racks do not serve what the region wants of them, by what the racks last said.

A rack counts as one generation of its desired state what it has checked and loaded. What somebody writes by hand into
a file there is no part of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rackyard.region.context import Context
from rackyard.region.db.pool import Row
from rackyard.region.services.machines.differences import Difference

SAME, DIFFERS, UNKNOWN = "same", "differs", "unknown"


@dataclass(frozen=True)
class RackDrift:
    """One rack: `unknown` is one that is not heard of, or has said nothing of its daemons yet; it has None in place of
    differences, each of which names a daemon."""

    system_id: str
    hostname: str
    state: str
    last_seen_at: datetime | None
    differences: Sequence[Difference] | None


def find_all(ctx: Context) -> list[RackDrift]:
    """Every enrolled rack by hostname."""
    by_rack: dict[str, list[Row]] = defaultdict(list)
    with ctx.db.transaction() as tx:
        for row in tx.all("racks.health.all_daemons"):
            by_rack[row["system_id"]].append(row)
    return [_drift(rows) for rows in by_rack.values()]


def _drift(rows: Sequence[Row]) -> RackDrift:
    rack = rows[0]
    known = rack["alive"] and rack["name"] is not None
    differences = [_difference(row) for row in rows if not row["as_wanted"]] if known else None
    state = UNKNOWN if differences is None else DIFFERS if differences else SAME
    return RackDrift(rack["system_id"], rack["hostname"], state, rack["last_seen_at"], differences)


def _difference(row: Row) -> Difference:
    # After a refusal it goes on with what it had before, whichever that was.
    served: dict[str, Any] = {"generation": row["generation"] if row["ok"] else None}
    if row["message"]:
        served["message"] = row["message"]
    return Difference(row["name"], {"generation": row["wanted"]}, served)
