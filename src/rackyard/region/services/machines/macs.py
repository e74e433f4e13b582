# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether somebody has a MAC already."""

from __future__ import annotations

from rackyard.region.context import Context
from rackyard.region.db.machines import macs as rows
from rackyard.region.services.site import validation


def is_registered(ctx: Context, text: str) -> bool:
    """Whether a machine, a device or an enrolled rack has a NIC of this MAC. Raises Invalid for what is none."""
    mac = validation.mac("mac_address", text)
    with ctx.db.transaction() as tx:
        return rows.is_known(tx, mac)
