# SPDX-License-Identifier: GPL-3.0-or-later
"""`zones/` and `resourcepools/`. One pool is at `resourcepool/`: so MAAS has it."""

from __future__ import annotations

from typing import Any

from rackyard.region.api import shapes
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.services.machines import groups
from rackyard.region.services.machines.groups import POOL, ZONE

zone_collection = Resource("/zones/", "Zones", "All zones.")
one_zone = Resource("/zones/<zone>/", "Zone", "One zone, by name or id.", zone="name")
pool_collection = Resource("/resourcepools/", "ResourcePools", "All resource pools.")
one_pool = Resource("/resourcepool/<pool>/", "ResourcePool", "One resource pool, by id or name.", pool="id")

_GROUP: Takes = {"name": Kind.TEXT, "description": Kind.TEXT}


@zone_collection.read()
def list_zones(call: Call) -> list[dict[str, Any]]:
    """Every zone: what fails together."""
    return [shapes.zone(known) for known in groups.list_all(call.ctx, ZONE)]


@zone_collection.create(takes=_GROUP)
def create_zone(call: Call) -> dict[str, Any]:
    """A new zone."""
    return shapes.zone(groups.create(call.ctx, call.actor, ZONE, *_wish(call)))


@one_zone.read()
def read_zone(call: Call, zone: str) -> dict[str, Any]:
    """One zone."""
    return shapes.zone(groups.read(call.ctx, ZONE, zone))


@one_zone.update(takes=_GROUP)
def update_zone(call: Call, zone: str) -> dict[str, Any]:
    """Change what is given; the default zone keeps its name."""
    return shapes.zone(groups.update(call.ctx, call.actor, ZONE, zone, *_wish(call)))


@one_zone.delete()
def delete_zone(call: Call, zone: str) -> None:
    """Remove a zone; its machines go to the default one."""
    groups.delete(call.ctx, call.actor, ZONE, zone)


@pool_collection.read()
def list_pools(call: Call) -> list[dict[str, Any]]:
    """Every resource pool: what is given out together."""
    return [shapes.pool(known) for known in groups.list_all(call.ctx, POOL)]


@pool_collection.create(takes=_GROUP)
def create_pool(call: Call) -> dict[str, Any]:
    """A new resource pool."""
    return shapes.pool(groups.create(call.ctx, call.actor, POOL, *_wish(call)))


@one_pool.read()
def read_pool(call: Call, pool: str) -> dict[str, Any]:
    """One resource pool."""
    return shapes.pool(groups.read(call.ctx, POOL, pool))


@one_pool.update(takes=_GROUP)
def update_pool(call: Call, pool: str) -> dict[str, Any]:
    """Change what is given; the default pool keeps its name."""
    return shapes.pool(groups.update(call.ctx, call.actor, POOL, pool, *_wish(call)))


@one_pool.delete()
def delete_pool(call: Call, pool: str) -> None:
    """Remove a resource pool that has no machine."""
    groups.delete(call.ctx, call.actor, POOL, pool)


def _wish(call: Call) -> tuple[str | None, str | None]:
    return call.params.text("name"), call.params.text("description")
