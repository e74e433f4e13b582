# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawing identifiers that nobody has yet."""

from __future__ import annotations

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Unavailable

# Six characters are 5 x 10^8 identifiers: with 10,000 machines one draw in 50,000 meets another one.
TRIES = 3


def free_system_id(ctx: Context, tx: Transaction) -> str:
    """A system id that no machine, device, rack or region has. Raises Unavailable when three draws are taken."""
    for _turn in range(TRIES):
        system_id = ctx.random.system_id()
        if tx.one("site.identifiers.owner", system_id=system_id) is None:
            return system_id
    raise Unavailable("Three identifiers that were drawn belong to other machines; try again.")
