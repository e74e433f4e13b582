# SPDX-License-Identifier: GPL-3.0-or-later
"""How long what happened is kept, and removing the rest: in batches, so that nobody waits for a large deletion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.services.site import settings

BATCH_ROWS = 5000
# A boot takes its twelve steps and a dozen script results with it, and a result may hold megabytes.
BATCH_BOOTS = 200
BATCH_OUTPUTS = 500
# What does not fit in a pass is left to the next one.
PASS_S = 60.0
KEEP_QUERIES = timedelta(hours=1)
# Longer than a user name is refused for.
KEEP_LOGINS = timedelta(hours=1)


@dataclass(frozen=True)
class Rule:
    """What is removed: the query, its batch, and how long things are kept: the name of a setting, or a fixed time.

    `more` is what else the query asks for."""

    query: str
    keep: str | timedelta
    batch: int = BATCH_ROWS
    more: Mapping[str, str] = field(default_factory=dict)


RULES: Sequence[Rule] = (
    Rule("site.retention.queries", KEEP_QUERIES, more={"kind": "power_query"}),
    Rule("site.retention.queries", KEEP_QUERIES, more={"kind": "power_probe"}),
    Rule("site.retention.receipts", "keep_receipts_days"),
    Rule("site.retention.leases", "keep_leases_days"),
    Rule("site.retention.tokens", "keep_tokens_days"),
    Rule("site.retention.logins", KEEP_LOGINS),
    Rule("site.retention.events", "keep_events_days"),
    Rule("site.retention.audit", "keep_audit_days"),
    Rule("site.retention.jobs", "keep_jobs_days"),
    Rule("site.retention.outputs", "keep_script_output", BATCH_OUTPUTS),
    Rule("site.retention.boots", "keep_boots", BATCH_BOOTS),
    Rule("site.retention.operations", "keep_boots", BATCH_BOOTS),
)
_KEPT_BY = {
    "event": "keep_events_days",
    "audit": "keep_audit_days",
    "job": "keep_jobs_days",
    "boot": "keep_boots",
    "script_result": "keep_script_output",
    "lease": "keep_leases_days",
    "receipt": "keep_receipts_days",
}


def tidy(ctx: Context, pass_s: float = PASS_S) -> dict[str, int]:
    """Remove what is long over, batch by batch, for at most `pass_s` seconds; rows removed by query name."""
    give_up_at = ctx.clock.monotonic() + pass_s
    removed: dict[str, int] = {}
    for rule in RULES:
        count = rule.batch
        while count >= rule.batch and ctx.clock.monotonic() < give_up_at:
            with ctx.db.transaction() as tx:
                count = tx.run(rule.query, limit=rule.batch, **rule.more, **_limits(tx, rule, ctx.clock.now()))
            removed[rule.query] = removed.get(rule.query, 0) + count
    with ctx.db.transaction() as tx:
        tx.run("site.processes.delete_old")
    return removed


def overview(ctx: Context) -> dict[str, dict[str, Any]]:
    """What the tables of history hold, and the setting that limits each."""
    with ctx.db.transaction() as tx:
        sizes = tx.all("site.retention.sizes")
        return {
            row["name"]: {
                "rows": row["rows"],
                "mib": round(row["size_bytes"] / 2**20, 1),
                _KEPT_BY[row["name"]]: settings.get(tx, _KEPT_BY[row["name"]]),
            }
            for row in sizes
        }


def _limits(tx: Transaction, rule: Rule, now: datetime) -> dict[str, Any]:
    if isinstance(rule.keep, timedelta):
        return {"before": now - rule.keep}
    value = int(settings.get(tx, rule.keep))
    return {"before": now - timedelta(days=value)} if rule.keep.endswith("_days") else {"keep": value}
