# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones and resource pools. Each machine is in one of both; where nobody said which, in the default one. Devices, racks
and regions are in a zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.machines import groups as rows
from rackyard.region.db.machines import state
from rackyard.region.db.machines.groups import Group
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Conflict, Invalid, NotFound
from rackyard.region.services.operations.kinds import require_unlocked
from rackyard.region.services.site import journal, validation
from rackyard.region.services.site.authorisation import Actor, Permission, Pool, Unknown, authorise

_NAMED = 10
# What can be in a zone, and where it is listed.
MACHINE, DEVICE, RACK, REGION = KINDS = ("machine", "device", "rack", "region")
_LISTINGS = {MACHINE: "machines/", DEVICE: "devices/", RACK: "rackcontrollers/", REGION: "regioncontrollers/"}


@dataclass(frozen=True)
class Kind:
    """Zones or resource pools."""

    name: str
    word: str
    listing: str
    default_id: int


ZONE = Kind("zone", "zone", "zones/", 1)
POOL = Kind("pool", "resource pool", "resourcepools/", 0)


def list_all(ctx: Context, kind: Kind) -> list[Group]:
    """All of the kind by id, the default one among them."""
    with ctx.db.transaction() as tx:
        return rows.all_of(tx, kind.name)


def read(ctx: Context, kind: Kind, specifier: str) -> Group:
    """One by name or id. Raises NotFound."""
    with ctx.db.transaction() as tx:
        return _known(tx, kind, specifier)


def create(ctx: Context, actor: Actor, kind: Kind, name: str | None, description: str | None) -> Group:
    """A new one. Raises Forbidden, Invalid."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_GROUPS)
        if not name:
            raise Invalid.field("name", f"A {kind.word} needs a name; give one.")
        label = _free_name(tx, kind, name)
        return rows.add(tx, kind.name, label, validation.text("description", description or ""))


def update(ctx: Context, actor: Actor, kind: Kind, specifier: str, name: str | None, description: str | None) -> Group:
    """Change what is given. Raises Forbidden, NotFound, Invalid (the default one keeps its name)."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_GROUPS)
        before = _known(tx, kind, specifier)
        label = before.name
        if name is not None and name.strip() != before.name:
            if before.id == kind.default_id:
                raise Invalid.field("name", f"This {kind.word} is the default {kind.word}, it cannot be renamed.")
            label = _free_name(tx, kind, name)
        text = before.description if description is None else validation.text("description", description)
        after = Group(before.id, label, text)
        if after != before:
            rows.update(tx, kind.name, after)
        return after


def delete(ctx: Context, actor: Actor, kind: Kind, specifier: str) -> None:
    """Remove one that is not the default. A zone's machines go to the default zone, as in MAAS; a pool says who may
    have its machines, so it has to be emptied first. Raises Forbidden, NotFound, Invalid, Conflict."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_GROUPS)
        group = _known(tx, kind, specifier)
        if group.id == kind.default_id:
            raise Invalid.field("name", f"This {kind.word} is the default {kind.word}, it cannot be deleted.")
        if kind is ZONE:
            rows.move_zone(tx, group.id, kind.default_id)
        elif inside := rows.members(tx, kind.name, group.id):
            raise Conflict(f"Resource pool {group.name} still has {_listed(inside)}; put them in another pool first.")
        rows.delete(tx, kind.name, group.id)


def set_zone(
    ctx: Context, actor: Actor, system_ids: Sequence[str], specifier: str, kinds: Sequence[str] = KINDS
) -> None:
    """Put what has these system_ids, and is of these kinds, in a zone: all of it or nothing.

    Raises Forbidden, Invalid, Conflict when one of the machines is locked."""
    with ctx.db.transaction() as tx:
        machines = state.subjects(tx, system_ids) if MACHINE in kinds else []
        others = {each: kind for each, kind in rows.kinds(tx, system_ids).items() if kind in kinds}
        for machine in machines:
            authorise(actor, Permission.EDIT_MACHINE, machine)
        # Of what is not there nobody is told that it is not, unless they may change such a thing.
        for kind in sorted(set(others.values())) or (() if machines else kinds[:1]):
            _authorise_kind(actor, kind)
        zone_id = chosen(tx, ZONE, specifier)
        moved = rows.put_in_zone(tx, zone_id, [machine.system_id for machine in machines], ctx.clock.now())
        for system_id, kind in others.items():
            rows.put_other_in_zone(tx, kind, zone_id, system_id, ctx.clock.now())
        missing = sorted({*system_ids}.difference(others, (member.system_id for member in moved)))
        if missing or not system_ids:
            names = _listed([validation.shown(one) for one in missing]) if missing else "none is named"
            what, listing = (f"{kinds[0]}s", _LISTINGS[kinds[0]]) if len(kinds) == 1 else ("nodes", "nodes/")
            raise Invalid.field("nodes", f"There are no such {what}: {names}; list them with GET {listing}.")
        for member in moved:
            require_unlocked(member)
            text = f"Machine {member.hostname} was put in zone {specifier}"
            journal.record(tx, ctx.clock.now(), "NODE_CHANGED", text, machine_id=member.id, username=actor.username)


def put_controller(ctx: Context, actor: Actor, kind: str, system_id: str, specifier: str | None) -> None:
    """Put a rack or a region in a zone; None leaves it where it is. Raises Forbidden, Invalid, NotFound."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.EDIT_CONTROLLER)
        if rows.kinds(tx, [system_id]).get(system_id) != kind:
            raise NotFound(
                f"No {kind} has the system_id {validation.shown(system_id)}; list them with GET {_LISTINGS[kind]}."
            )
        if specifier is not None:
            rows.put_other_in_zone(tx, kind, chosen(tx, ZONE, specifier), system_id, ctx.clock.now())


def _authorise_kind(actor: Actor, kind: str) -> None:
    if kind == MACHINE:
        authorise(actor, Permission.EDIT_MACHINE, Unknown.MACHINE)
    elif kind == DEVICE:
        authorise(actor, Permission.EDIT_DEVICE)
    else:
        authorise(actor, Permission.EDIT_CONTROLLER)


def chosen(tx: Transaction, kind: Kind, specifier: str) -> int:
    """The id of the one that a machine shall be in. Raises Invalid."""
    return _chosen(tx, kind, specifier).id


def pool_for(tx: Transaction, actor: Actor, specifier: str) -> int:
    """The id of the pool that a machine of the actor shall be in. Raises Forbidden, Invalid."""
    authorise(actor, Permission.REGISTER_MACHINE, Unknown.MACHINE)
    pool = _chosen(tx, POOL, specifier)
    authorise(actor, Permission.REGISTER_MACHINE, Pool(pool.id, pool.name))
    return pool.id


def _chosen(tx: Transaction, kind: Kind, specifier: str) -> Group:
    try:
        return _known(tx, kind, specifier)
    except NotFound as error:
        raise Invalid.field(kind.name, error.message) from error


def _known(tx: Transaction, kind: Kind, specifier: str) -> Group:
    for group in rows.all_of(tx, kind.name):
        if specifier in (group.name, str(group.id)):
            return group
    raise NotFound(_none_of(kind, specifier))


def _none_of(kind: Kind, specifier: str) -> str:
    return f"There is no {kind.word} {validation.shown(specifier)}; list them with GET {kind.listing}."


def _free_name(tx: Transaction, kind: Kind, name: str) -> str:
    label = validation.plain_name("name", name)
    if any(group.name == label for group in rows.all_of(tx, kind.name)):
        raise Invalid.field("name", f"{kind.word.capitalize()} {label} exists already; choose another name.")
    return label


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
