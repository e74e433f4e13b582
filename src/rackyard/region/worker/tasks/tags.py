# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines get the tags whose definitions describe them, and lose the others."""

from __future__ import annotations

from rackyard.region.context import Context
from rackyard.region.services.machines import definitions

# What does not fit in a pass is left to the next one.
PASS_S = 60.0


def evaluate(ctx: Context, pass_s: float = PASS_S) -> int:
    """One pass, portion by portion, for at most `pass_s` seconds; the number of portions."""
    give_up_at, portions = ctx.clock.monotonic() + pass_s, 0
    while ctx.clock.monotonic() < give_up_at and definitions.evaluate_some(ctx):
        portions += 1
    return portions
