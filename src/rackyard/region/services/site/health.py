# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a region can do its work: for whoever sends requests to it, and before the next host is upgraded."""

from __future__ import annotations

import threading

from rackyard.region.context import Context
from rackyard.region.db import migrations
from rackyard.region.errors import Unavailable

# Who asks waits no longer for others that ask at the same time: a PostgreSQL that hangs holds one thread, and no more.
WAIT_S = 2.0
_asking = threading.Lock()


def serve(ctx: Context) -> None:
    """Return when this process can answer requests: PostgreSQL answers, and takes changes. Raises Unavailable."""
    if not _asking.acquire(timeout=WAIT_S):
        raise Unavailable(f"PostgreSQL of region {ctx.config.name} has not answered for {WAIT_S:.0f} s.")
    try:
        with ctx.db.transaction() as tx:
            row = tx.one("site.health.writable")
    finally:
        _asking.release()
    if row is None or not row["writable"]:
        raise Unavailable(f"PostgreSQL of region {ctx.config.name} is a standby and takes no changes.")


def troubles(ctx: Context) -> list[str]:
    """What keeps this region from its work, in words; empty when all is well. Raises Unavailable without PostgreSQL."""
    serve(ctx)
    found = []
    missing = migrations.missing(ctx.db)
    if missing:
        lacking = ", ".join(map(str, missing))
        found.append(f"the database lacks migration {lacking}; run `rackyard-region migrate`")
    with ctx.db.transaction() as tx:
        beating = {row["port"] for row in tx.all("site.health.beats", name=ctx.config.name)}
    silent = sorted(set(ctx.config.rpc_ports) - beating)
    if silent:
        ports = ", ".join(map(str, silent))
        found.append(
            f"the worker has said nothing of RPC port {ports} for 90 s; "
            "look at `systemctl status rackyard-region-worker`"
        )
    return found
