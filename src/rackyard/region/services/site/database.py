# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers of PostgreSQL that this region knows: which one takes writes, since when, and how far the others are."""

from __future__ import annotations

from typing import Any

from rackyard.region.context import Context
from rackyard.region.db.site import servers
from rackyard.region.db.site.servers import Server


def members(ctx: Context) -> list[dict[str, Any]]:
    """Each server as it answers now: `state` is writable, standby or away."""
    found = servers.ask_all(ctx.config.dsn)
    with ctx.db.transaction() as tx:
        row = tx.one("site.servers.writable_since")
    began = row["since"] if row else None
    ahead = max((each.position_bytes for each in found if not each.follows and not each.error), default=None)
    return [_member(each, began, ahead) for each in found]


def note_timeline(ctx: Context) -> None:
    """Note when another server has begun to take writes; nothing is written as long as none has."""
    with ctx.db.transaction() as tx:
        tx.run("site.servers.note_timeline")


def _member(server: Server, began: Any, ahead: int | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"server": server.address, "state": "away", "since": None, "lag_bytes": None, "lag_s": None}
    if server.error or server.started_at is None:
        return {**shown, "error": server.error}
    since = server.started_at
    if not server.follows:
        # It took writes from the start, or since it was made the one that does.
        since = max(since, began) if began else since
        return {**shown, "state": "writable", "since": since.isoformat(), "error": ""}
    lag_bytes = None if ahead is None else max(0, ahead - server.position_bytes)
    # Where nothing is behind, the age of the last change says only how quiet the site is.
    lag_s = 0.0 if lag_bytes == 0 else server.repeated_s
    return {
        **shown, "state": "standby", "since": since.isoformat(), "lag_bytes": lag_bytes,
        "lag_s": None if lag_s is None else round(lag_s, 1), "error": "",
    }  # fmt: skip
