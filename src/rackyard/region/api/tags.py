# SPDX-License-Identifier: GPL-3.0-or-later
"""`tags/` and `tags/<name>/`."""

from __future__ import annotations

from typing import Any

from flask import Response

from rackyard.region.api import controllers, devices, machine_lists
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind, Takes, fixed, hold
from rackyard.region.db.machines.registry import MachineFilter
from rackyard.region.db.machines.tags import Tag
from rackyard.region.services.machines import devices as device_services
from rackyard.region.services.machines import tags
from rackyard.region.services.machines.devices import Wanted
from rackyard.region.services.machines.tags import TagWish

collection = Resource("/tags/", "Tags", "All tags.")
one = Resource("/tags/<name>/", "Tag", "One tag.")

_TAG: Takes = {"name": Kind.TEXT, "comment": Kind.TEXT, "kernel_opts": Kind.TEXT, "definition": Kind.TEXT}
# MAAS's racks say which definition they have evaluated.
_NODES: Takes = {"add": Kind.WORDS, "remove": Kind.WORDS, **fixed("definition")}


@collection.read()
def list_tags(call: Call) -> list[dict[str, Any]]:
    """Every tag by name."""
    return [_shape(tag) for tag in tags.find_all(call.ctx)]


@collection.create(takes=_TAG)
def create_tag(call: Call) -> dict[str, Any]:
    """A new tag. `kernel_opts` are added to the kernel lines of the machines that have it. With a `definition` (XPath
    1.0 over what `lshw -xml` says) the machines have it that it describes, soon and from then on."""
    return _shape(tags.create(call.ctx, call.actor, _wish(call)))


@one.read()
def read_tag(call: Call, name: str) -> dict[str, Any]:
    """One tag."""
    return _shape(tags.read(call.ctx, name))


@one.update(takes=_TAG)
def update_tag(call: Call, name: str) -> dict[str, Any]:
    """Change what is given; a renamed tag stays on its machines. An empty `definition` leaves it where it is."""
    return _shape(tags.update(call.ctx, call.actor, name, _wish(call)))


@one.delete()
def delete_tag(call: Call, name: str) -> None:
    """Forget a tag, also where machines have it."""
    tags.delete(call.ctx, call.actor, name)


@one.create("update_nodes", takes=_NODES)
def update_nodes(call: Call, name: str) -> dict[str, int]:
    """Give the tag to the machines, devices, racks and regions of `add` and take it from those of `remove`
    (system_ids). The answer counts those that were named, as in MAAS."""
    hold(call.params, _NODES, dict)
    add, remove = call.params.words("add") or [], call.params.words("remove") or []
    done = tags.update_nodes(call.ctx, call.actor, name, add, remove)
    return {"added": done.added, "removed": done.removed}


@one.create("rebuild")
def rebuild_tag(call: Call, name: str) -> dict[str, str]:
    """Have the tag's definition evaluated for all machines anew."""
    tags.rebuild(call.ctx, call.actor, name)
    return {"rebuilding": name}


@one.read("machines")
def list_machines_of_tag(call: Call, name: str) -> Response:
    """The machines that have the tag, as in the list of machines."""
    tags.read(call.ctx, name)
    return machine_lists.answer(call, MachineFilter(tags=[name]))


@one.read("devices")
def list_devices_of_tag(call: Call, name: str) -> list[dict[str, Any]]:
    """The devices that have the tag, as in the list of devices."""
    tags.read(call.ctx, name)
    return [devices.shape(details) for details in device_services.find_all(call.ctx, Wanted(tags=[name]))]


@one.read("rack_controllers")
def list_racks_of_tag(call: Call, name: str) -> list[dict[str, Any]]:
    """The racks that have the tag, as in the list of racks."""
    tags.read(call.ctx, name)
    return [rack for rack in controllers.racks(call) if name in rack["tag_names"]]


@one.read("region_controllers")
def list_regions_of_tag(call: Call, name: str) -> list[dict[str, Any]]:
    """The regions that have the tag, as in the list of regions."""
    tags.read(call.ctx, name)
    return [region for region in controllers.all_regions(call) if name in region["tag_names"]]


@one.read("nodes")
def list_nodes_of_tag(call: Call, name: str) -> Response:
    """What has the tag: machines, devices, racks and regions, each in its own shape."""
    others = (list_devices_of_tag, list_racks_of_tag, list_regions_of_tag)
    also = [node for listed in others for node in listed(call, name)]
    return machine_lists.answer(call, MachineFilter(tags=[name]), also=also)


def _wish(call: Call) -> TagWish:
    params = call.params
    return TagWish(params.text("name"), params.text("comment"), params.text("kernel_opts"), params.text("definition"))


def _shape(tag: Tag) -> dict[str, Any]:
    return {
        "name": tag.name,
        "comment": tag.comment,
        "definition": tag.definition,
        # Ours: why it is not evaluated any more.
        "definition_fault": tag.definition_fault,
        "kernel_opts": tag.kernel_opts,
        "resource_uri": f"{ROOT}/tags/{tag.name}/",
    }
