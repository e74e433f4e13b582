# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of lists of machines. A misspelt name would show no machine, or all of them where it leaves some out, to
somebody who acts on what is shown: so it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rackyard.region.db.machines import groups as group_rows
from rackyard.region.db.machines import tags as tag_rows
from rackyard.region.db.machines.registry import MachineFilter
from rackyard.region.db.network import picture as network_rows
from rackyard.region.db.network.picture import UNDEFINED
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import users as account_rows
from rackyard.region.errors import Invalid
from rackyard.region.services.site import validation

_STATES = ("on", "off", "unknown", "error")


def require(tx: Transaction, wanted: MachineFilter) -> None:
    """Raises Invalid for names that nothing has; one statement for each kind that is asked about."""
    _check("power_state", lambda: _STATES, power_state=wanted.power_states, not_power_state=wanted.not_power_states)
    _check(
        "zone", lambda: (each.name for each in group_rows.all_of(tx, "zone")),
        zone=wanted.zones, not_in_zone=wanted.not_zones,
    )  # fmt: skip
    _check(
        "resource pool", lambda: (each.name for each in group_rows.all_of(tx, "pool")),
        pool=wanted.pools, not_in_pool=wanted.not_pools,
    )  # fmt: skip
    _check("tag", lambda: (each.name for each in tag_rows.every(tx)), tags=wanted.tags, not_tags=wanted.not_tags)
    _check(
        "fabric", lambda: (each.name for each in network_rows.fabrics(tx)),
        fabrics=wanted.fabrics, not_fabrics=wanted.not_fabrics,
    )  # fmt: skip
    _check(
        "VLAN (by its id)", lambda: (str(each.id) for each in network_rows.vlans(tx)),
        vlans=wanted.vlans, not_vlans=wanted.not_vlans,
    )  # fmt: skip
    _check(
        "space", lambda: (UNDEFINED.name, *(each.name for each in network_rows.spaces(tx))),
        spaces=wanted.spaces, not_spaces=wanted.not_spaces,
    )  # fmt: skip
    _check(
        "account", lambda: (each.username for each in account_rows.every(tx)),
        owner=wanted.owners, not_owner=wanted.not_owners,
    )  # fmt: skip


def _check(word: str, known: Callable[[], Iterable[str]], **asked: Sequence[str] | None) -> None:
    if not any(asked.values()):
        return
    there = set(known())
    wrong = {}
    for field, names in asked.items():
        unknown = [name for name in names or () if name not in there]
        if unknown:
            shown = ", ".join(validation.shown(name) for name in unknown[:10])
            wrong[field] = [f"There is no {word} {shown}; a filter by it would hide that."]
    if wrong:
        raise Invalid(wrong)
