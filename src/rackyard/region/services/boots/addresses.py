# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine has which address now, as the leases say."""

from __future__ import annotations

from rackyard.region.context import Context


def of_machines(ctx: Context) -> dict[str, str]:
    """Host names of registered machines by the address that they hold a lease of."""
    with ctx.db.transaction() as tx:
        return {row["ip"]: row["hostname"] for row in tx.all("boots.leases.of_machines", now=ctx.clock.now())}
