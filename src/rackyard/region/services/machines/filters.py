# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of lists of machines. A misspelt name would show no machine, or all of them where it leaves some out, to
somebody who acts on what is shown: so it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from rackyard.region.context import Context
from rackyard.region.db.machines import groups as group_rows
from rackyard.region.db.machines import tags as tag_rows
from rackyard.region.db.machines.registry import MachineFilter
from rackyard.region.db.network import domains as domain_rows
from rackyard.region.db.network import picture as network_rows
from rackyard.region.db.network.domains import Domain
from rackyard.region.db.network.picture import UNDEFINED
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import users as account_rows
from rackyard.region.errors import BadRequest, Invalid, NotFound
from rackyard.region.services.network import domains, picture
from rackyard.region.services.site import validation
from rackyard.region.status import SIMPLE

_STATES = ("on", "off", "unknown", "error")


def named(ctx: Context, wanted: MachineFilter) -> MachineFilter:
    """`resolved`, for lists of what is no machine and is asked about in the same words."""
    with ctx.db.reading() as tx:
        return resolved(ctx, tx, wanted)


def resolved(ctx: Context, tx: Transaction, wanted: MachineFilter) -> MachineFilter:
    """The same with ids for what it says of subnets and domains. Raises Invalid for names that nothing has. As many
    statements as it takes to know each kind of thing that is asked about, however many are named."""
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
        "class of fabrics", lambda: (each.class_type for each in network_rows.fabrics(tx) if each.class_type),
        fabric_classes=wanted.fabric_classes, not_fabric_classes=wanted.not_fabric_classes,
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
    if wanted.domains or wanted.not_domains:
        known = [domains.internal(ctx), *domain_rows.domains(tx)]
        wanted = replace(
            wanted,
            domains=_domain_ids(known, "domain", wanted.domains),
            not_domains=_domain_ids(known, "not_domain", wanted.not_domains),
        )
    if not wanted.subnets and not wanted.not_subnets:
        return wanted
    found = _subnets(tx, subnets=wanted.subnets, not_subnets=wanted.not_subnets)
    return replace(wanted, subnets=found["subnets"], not_subnets=found["not_subnets"])


def parse_simple_statuses(names: Iterable[str], field: str) -> list[int]:
    """Status numbers from MAAS's short words, such as `failed`. Raises Invalid."""
    numbers: list[int] = []
    for name in names:
        key = name.strip().lower().replace(" ", "_")
        if key not in SIMPLE:
            raise Invalid.field(field, f"{validation.shown(name)} is no such status; use one of {', '.join(SIMPLE)}.")
        numbers.extend(SIMPLE[key])
    return numbers


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


def _domain_ids(known: Sequence[Domain], field: str, names: Sequence[str] | None) -> list[str] | None:
    if not names:
        return None
    ids = {name: next((str(each.id) for each in known if domains.is_called(each, name)), None) for name in names}
    unknown = [validation.shown(name) for name in ids if ids[name] is None]
    if unknown:
        raise Invalid.field(field, f"There is no domain {', '.join(unknown[:10])}; a filter by it would hide that.")
    return [each for each in ids.values() if each is not None]


def _subnets(tx: Transaction, **asked: Sequence[str] | None) -> dict[str, list[str] | None]:
    """The ids (each once) of subnets that are named in any of the ways in which a URL may name one."""
    network = picture.load(tx)
    found: dict[str, list[str] | None] = {}
    for field, specifiers in asked.items():
        try:
            ids = [str(network.subnet(specifier).id) for specifier in specifiers or ()]
        except (NotFound, BadRequest) as error:
            raise Invalid.field(field, error.message) from error
        found[field] = list(dict.fromkeys(ids)) or None
    return found
