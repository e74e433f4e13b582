# SPDX-License-Identifier: GPL-3.0-or-later
"""`spaces/`."""

from __future__ import annotations

from typing import Any

from rackyard.region.api import shapes
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.db.network.picture import UNDEFINED
from rackyard.region.services.network import picture, spaces

space_collection = Resource("/spaces/", "Spaces", "All spaces.")
one_space = Resource("/spaces/<space>/", "Space", "One space, by id or name.", space="id")

_SPACE: Takes = {"name": Kind.TEXT, "description": Kind.TEXT}


@space_collection.read()
def list_spaces(call: Call) -> list[dict[str, Any]]:
    """Every space with its VLANs and subnets, and at last that of VLANs without one."""
    known = picture.read(call.ctx)
    return [shapes.space(space, known) for space in (*known.spaces, UNDEFINED)]


@space_collection.create(takes=_SPACE)
def create_space(call: Call) -> dict[str, Any]:
    """A new space without VLANs."""
    name, description = call.params.text("name"), call.params.text("description")
    made = spaces.create(call.ctx, call.actor, name, description)
    return shapes.space(made, picture.read(call.ctx))


@one_space.read()
def read_space(call: Call, space: str) -> dict[str, Any]:
    """One space, by id or name."""
    known = picture.read(call.ctx)
    return shapes.space(known.space(space), known)


@one_space.update(takes=_SPACE)
def update_space(call: Call, space: str) -> dict[str, Any]:
    """Change name or description."""
    name, description = call.params.text("name"), call.params.text("description")
    changed = spaces.update(call.ctx, call.actor, space, name, description)
    return shapes.space(changed, picture.read(call.ctx))


@one_space.delete()
def delete_space(call: Call, space: str) -> None:
    """Remove a space; its VLANs have none then."""
    spaces.delete(call.ctx, call.actor, space)
