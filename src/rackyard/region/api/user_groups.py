# SPDX-License-Identifier: GPL-3.0-or-later
"""`usergroups/`: accounts that have rights together. MAAS 3.4 has no such groups; all of this is ours."""

from __future__ import annotations

from typing import Any

from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.db.site.rights import Grant, UserGroup
from rackyard.region.services.site import rights

collection = Resource("/usergroups/", "UserGroups", "All groups of users.")
one = Resource("/usergroups/<group>/", "UserGroup", "One group of users, by name.", group="name")

_GROUP: Takes = {"name": Kind.TEXT, "description": Kind.TEXT}
_MEMBERS: Takes = {"username": Kind.TEXTS}
GRANT: Takes = {"role": Kind.TEXT, "pool": Kind.TEXT}


@collection.read()
def list_groups(call: Call) -> list[dict[str, Any]]:
    """Every group by name, for administrators."""
    return [_shape(group) for group in rights.list_groups(call.ctx, call.actor)]


@collection.create(takes=_GROUP)
def create_group(call: Call) -> dict[str, Any]:
    """A new group without members and rights."""
    name, description = call.params.text("name") or "", call.params.text("description") or ""
    return _shape(rights.create_group(call.ctx, call.actor, name, description))


@one.read()
def read_group(call: Call, group: str) -> dict[str, Any]:
    """One group with its members and what they have by it, for administrators."""
    return _shape(rights.read_group(call.ctx, call.actor, group))


@one.update(takes=_GROUP)
def update_group(call: Call, group: str) -> dict[str, Any]:
    """Change what is given; members and rights stay."""
    name, description = call.params.text("name"), call.params.text("description")
    return _shape(rights.update_group(call.ctx, call.actor, group, name, description))


@one.delete()
def delete_group(call: Call, group: str) -> None:
    """Remove a group; its members stay, and lose what they had by it."""
    rights.delete_group(call.ctx, call.actor, group)


@one.create("add_member", takes=_MEMBERS)
def add_member(call: Call, group: str) -> dict[str, Any]:
    """Put accounts (`username`, several times for several) in the group."""
    usernames = call.params.texts("username") or []
    return _shape(rights.set_members(call.ctx, call.actor, group, usernames, member=True))


@one.create("remove_member", takes=_MEMBERS)
def remove_member(call: Call, group: str) -> dict[str, Any]:
    """Take accounts (`username`, several times for several) out of the group."""
    usernames = call.params.texts("username") or []
    return _shape(rights.set_members(call.ctx, call.actor, group, usernames, member=False))


@one.create("grant", takes=GRANT)
def grant(call: Call, group: str) -> dict[str, Any]:
    """Make the members `role` (operator) of the resource pool `pool`, by name, or `*` for all pools."""
    rights.set_of_group(call.ctx, call.actor, group, wished(call), given=True)
    return read_group(call, group)


@one.create("revoke", takes=GRANT)
def revoke(call: Call, group: str) -> dict[str, Any]:
    """Take that from them."""
    rights.set_of_group(call.ctx, call.actor, group, wished(call), given=False)
    return read_group(call, group)


def wished(call: Call) -> Grant:
    """The grant that a request is about."""
    return Grant(call.params.text("role") or "", call.params.text("pool"))


def shown(known: Grant) -> dict[str, str]:
    """A grant as JSON."""
    return {"role": known.role, "pool": known.pool or rights.ALL_POOLS}


def _shape(group: UserGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "description": group.description,
        "members": list(group.members),
        "grants": [shown(known) for known in group.grants],
        "resource_uri": f"{ROOT}/usergroups/{group.name}/",
    }
