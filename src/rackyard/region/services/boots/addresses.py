# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine has which address now, as the leases say, and which rack, as racks say."""

from __future__ import annotations

from rackyard.region.context import Context


def of_machines(ctx: Context) -> dict[str, str]:
    """Host names of registered machines by the address that they hold a lease of."""
    with ctx.db.transaction() as tx:
        return {row["ip"]: row["hostname"] for row in tx.all("boots.leases.of_machines", now=ctx.clock.now())}


def of_racks(ctx: Context) -> set[str]:
    """Addresses of all racks that were not revoked."""
    with ctx.db.transaction() as tx:
        return {row["address"] for row in tx.all("racks.desired.all_rack_addresses")}
