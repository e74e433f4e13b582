# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose MACs are known."""

from __future__ import annotations

from rackyard.region.db.pool import Transaction


def is_known(tx: Transaction, mac: str) -> bool:
    """Whether a machine, a device or an enrolled rack has a NIC of this MAC."""
    row = tx.one("machines.macs.is_known", mac=mac)
    return row is not None and bool(row["is_known"])
