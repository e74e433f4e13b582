# SPDX-License-Identifier: GPL-3.0-or-later
"""`op=is_registered` of all collections of what has a MAC."""

from __future__ import annotations

from rackyard.region.api import controllers, devices, machines, nodes
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.takes import Kind
from rackyard.region.services.machines import registry


def is_registered(call: Call) -> bool:
    """Whether a machine or a device, of whatever kind was asked for, has the `mac_address`."""
    return registry.is_registered(call.ctx, call.params.text("mac_address") or "")


def _mount(*collections: Resource) -> None:
    for collection in collections:
        collection.read("is_registered", takes={"mac_address": Kind.TEXT})(is_registered)


_mount(
    machines.collection,
    nodes.collection,
    devices.collection,
    controllers.collection,
    controllers.region_collection,
)
