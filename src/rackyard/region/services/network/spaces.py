# SPDX-License-Identifier: GPL-3.0-or-later
"""Spaces: names for VLANs that reach each other. VLANs without one are in MAAS's undefined space."""

from __future__ import annotations

import itertools

from rackyard.region.context import Context
from rackyard.region.db.network import picture as rows
from rackyard.region.db.network.picture import UNDEFINED, Space
from rackyard.region.errors import BadRequest, Invalid
from rackyard.region.services.network import picture
from rackyard.region.services.network.network import Network
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor


def create(ctx: Context, actor: Actor, name: str | None, description: str | None) -> Space:
    """A new space without VLANs. Raises Forbidden, Invalid."""
    with picture.changing(ctx, actor) as (tx, before):
        label = _free_name(before, name or _next_name(before))
        text = validation.text("description", description or "")
        space_id = rows.add(tx, "space", name=label, description=text)
        return picture.load(tx).space(str(space_id))


def update(ctx: Context, actor: Actor, specifier: str, name: str | None, description: str | None) -> Space:
    """Change what is given. Raises Forbidden, NotFound, Invalid, BadRequest for the undefined space."""
    with picture.changing(ctx, actor) as (tx, before):
        space = _real(before.space(specifier), "changed")
        label = space.name if name is None or name == space.name else _free_name(before, name)
        text = space.description if description is None else validation.text("description", description)
        rows.update(tx, "space", space.id, name=label, description=text)
        return picture.load(tx).space(str(space.id))


def delete(ctx: Context, actor: Actor, specifier: str) -> None:
    """Remove a space; its VLANs stay, without one, as in MAAS. Raises Forbidden, NotFound, BadRequest for the undefined
    space."""
    with picture.changing(ctx, actor) as (tx, before):
        space = _real(before.space(specifier), "deleted")
        rows.delete(tx, "space", space.id)


def _real(space: Space, done: str) -> Space:
    if space == UNDEFINED:
        raise BadRequest(
            f"The space {UNDEFINED.name} is where VLANs without a space are shown, and cannot be {done}; "
            "give a VLAN its space with PUT vlans/<id>/."
        )
    return space


def _next_name(before: Network) -> str:
    taken = {space.name for space in before.spaces}
    numbers = itertools.count(1 + max((space.id for space in before.spaces), default=0))
    return next(name for number in numbers if (name := f"space-{number}") not in taken)


def _free_name(before: Network, name: str) -> str:
    label = validation.name("name", name)
    if label.isdecimal():
        raise Invalid.field("name", f"{validation.shown(label)} would be taken for an id; use a name with a letter.")
    if label == UNDEFINED.name:
        raise Invalid.field("name", f"{label} is where VLANs without a space are shown; choose another name.")
    if any(space.name == label for space in before.spaces):
        raise Invalid.field("name", f"Space {label} exists already; choose another name or change that space.")
    return label
