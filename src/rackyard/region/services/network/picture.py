# SPDX-License-Identifier: GPL-3.0-or-later
"""The network as a whole: reading it, and changing it so that its parts fit together afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rackyard.region.context import Context
from rackyard.region.db.network import addresses as address_rows
from rackyard.region.db.network import picture as rows
from rackyard.region.db.pool import Transaction
from rackyard.region.services.network import checks
from rackyard.region.services.network.network import Network
from rackyard.region.services.site.authorisation import Actor, Permission, authorise


def load(tx: Transaction) -> Network:
    """The network inside a transaction: six statements."""
    return Network(
        rows.spaces(tx), rows.fabrics(tx), rows.vlans(tx), rows.subnets(tx), rows.ranges(tx), rows.routes(tx)
    )


def read(ctx: Context) -> Network:
    """The network now."""
    with ctx.db.transaction() as tx:
        return load(tx)


@contextmanager
def changing(ctx: Context, actor: Actor) -> Iterator[tuple[Transaction, Network]]:
    """A transaction in which nobody else changes the network, with the network as it is before the change.

    Raises Forbidden when the actor may not change it; Invalid at its end, and changes nothing, when the parts of the
    network do not fit together any more."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_NETWORK)
        rows.lock(tx)
        before, misplaced = load(tx), address_rows.misplaced(tx)
        yield tx, before
        checks.check(before, load(tx), rows.rack_addresses(tx))
        checks.check_addresses(misplaced, address_rows.misplaced(tx))
