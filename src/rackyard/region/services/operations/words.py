# SPDX-License-Identifier: GPL-3.0-or-later
"""How what a machine sent is put into words that may be stored and shown."""

from __future__ import annotations

from rackyard.region.db.boots.records import BootOfToken

MAX_ERROR = 1000


def machine_via(boot: BootOfToken, via: str) -> str:
    """Who reported: the machine, and the rack that passed it on."""
    return f"{boot.hostname} via {via}"


def clean(text: str) -> str:
    """Text from a machine: no control characters (PostgreSQL takes no NUL), not endless."""
    return "".join(char if char.isprintable() else " " for char in text[:MAX_ERROR]).strip()
