# SPDX-License-Identifier: GPL-3.0-or-later
"""How long each step of a boot normally takes here, learned from the site's own boots of the same image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rackyard.region.db.pool import Transaction

# Fewer boots than that say nothing about the next one.
ENOUGH_BOOTS = 5
RECENT_BOOTS = 50
SHORTEST_S = 30


@dataclass(frozen=True)
class Pace:
    """A step over some boots: its median and how far apart the 10th and the 90th percentile are, in seconds."""

    step: int
    boots: int
    median_s: float
    spread_s: float


def limit_s(pace: Pace) -> int:
    """After how many seconds such a step is overdue: well beyond what boots here take, and never nervous."""
    return max(SHORTEST_S, round(2 * pace.median_s + 3 * pace.spread_s))


def limits(tx: Transaction, image_id: int, purpose: str) -> Mapping[int, int]:
    """Step → seconds after which it is overdue, for the steps of which enough boots of that image for that purpose are
    known."""
    rows = tx.all("boots.timeline.pace", image_id=image_id, purpose=purpose, recent=RECENT_BOOTS)
    known = [Pace(**row) for row in rows]
    return {pace.step: limit_s(pace) for pace in known if pace.boots >= ENOUGH_BOOTS}
