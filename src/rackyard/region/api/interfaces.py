# SPDX-License-Identifier: GPL-3.0-or-later
"""`nodes/<system_id>/interfaces/…`: the NICs of a machine as people set them, and how they are linked to subnets; and
those of a device, which are made, changed, linked and deleted."""

from __future__ import annotations

from typing import Any

from rackyard.region.api import devices, machine_shapes, machines, nodes
from rackyard.region.api.dispatch import Call
from rackyard.region.api.takes import Kind, Takes, fixed, hold
from rackyard.region.services.machines import devices as device_services
from rackyard.region.services.machines import interfaces, links, registry, virtual_interfaces
from rackyard.region.services.machines.interfaces import NicWish
from rackyard.region.services.machines.link_wishes import LinkWish
from rackyard.region.services.machines.virtual_interfaces import BOND, BRIDGE, PARAMETERS

_NIC: Takes = {
    "name": Kind.TEXT,
    "mac_address": Kind.TEXT,
    "tags": Kind.WORDS,
    "vlan": Kind.TEXT,
    "mtu": Kind.TEXT,
    "enabled": Kind.FLAG,
    "link_connected": Kind.FLAG,
    "link_speed": Kind.TEXT,
    **fixed("interface_speed", "accept_ra", "autoconf"),
}
_BOND: Takes = dict.fromkeys(PARAMETERS[BOND], Kind.TEXT)
_BRIDGE: Takes = dict.fromkeys(PARAMETERS[BRIDGE], Kind.TEXT)
_CHANGED: Takes = {**_NIC, **_BOND, **_BRIDGE, **fixed("parents", "parent")}
_LINK: Takes = {
    "mode": Kind.TEXT,
    "subnet": Kind.TEXT,
    "ip_address": Kind.TEXT,
    "default_gateway": Kind.FLAG,
    "force": Kind.FLAG,
}


@nodes.interfaces.create("create_physical", takes=_NIC)
def create_physical(call: Call, system_id: str) -> dict[str, Any]:
    """A NIC that commissioning has not found, or one of a device: its `mac_address`, and what else is known of it."""
    if device_services.is_one(call.ctx, system_id):
        return devices.create_interface(call, system_id)
    hold(call.params, _NIC, lambda: {"accept_ra": False, "autoconf": False})
    return _shown(call, system_id, interfaces.create_physical(call.ctx, call.actor, system_id, _wish(call)))


@nodes.interfaces.create("create_bond", takes={**_NIC, **_BOND, "parents": Kind.WORDS})
def create_bond(call: Call, system_id: str) -> dict[str, Any]:
    """A bond of NICs of one VLAN: `parents`, by id."""
    parents = call.params.words("parents") or []
    made = virtual_interfaces.create_bond(call.ctx, call.actor, system_id, _wish(call), parents, _params(call, _BOND))
    return _shown(call, system_id, made)


@nodes.interfaces.create("create_bridge", takes={**_NIC, **_BRIDGE, "parent": Kind.TEXT})
def create_bridge(call: Call, system_id: str) -> dict[str, Any]:
    """A bridge with a NIC, bond or VLAN in it: `parent`, by id."""
    parent = call.params.text("parent") or ""
    made = virtual_interfaces.create_bridge(
        call.ctx, call.actor, system_id, _wish(call), parent, _params(call, _BRIDGE)
    )
    return _shown(call, system_id, made)


@nodes.interfaces.create("create_vlan", takes={**_NIC, "parent": Kind.TEXT})
def create_vlan(call: Call, system_id: str) -> dict[str, Any]:
    """A tagged VLAN (`vlan`, by id) on a NIC, bond or bridge (`parent`, by id)."""
    parent = call.params.text("parent") or ""
    return _shown(call, system_id, virtual_interfaces.create_vlan(call.ctx, call.actor, system_id, _wish(call), parent))


@nodes.one_interface.update(takes=_CHANGED)
def update_interface(call: Call, system_id: str, interface: str) -> dict[str, Any]:
    """Change a NIC. Its name and VLAN stay so when the machine is commissioned again. What a bond, bridge or VLAN is
    made of stays as it is. Of a NIC of a device, name, MAC, VLAN and tags can be changed."""
    if device_services.is_one(call.ctx, system_id):
        return devices.update_interface(call, system_id, interface)

    def has() -> dict[str, Any]:
        details = registry.read(call.ctx, system_id)
        nic = interfaces.find(details.machine.hostname, details.interfaces, interface)
        parents = [{"id": each.id, "name": each.name} for each in details.interfaces if each.name in nic.parents]
        own = {"interface_speed": nic.link_speed_mbps or 0, "accept_ra": False, "autoconf": False}
        return {**own, "parents": parents, "parent": parents}

    hold(call.params, _CHANGED, has)
    given = _params(call, {**_BOND, **_BRIDGE})
    changed = interfaces.update(
        call.ctx, call.actor, system_id, interface, _wish(call),
        lambda nic: virtual_interfaces.changed_params(nic, given),
    )  # fmt: skip
    return _shown(call, system_id, changed)


@nodes.one_interface.delete()
def delete_interface(call: Call, system_id: str, interface: str) -> None:
    """Remove a NIC with its links, but for the one that the machine boots from, and a device's last one."""
    if device_services.is_one(call.ctx, system_id):
        devices.delete_interface(call, system_id, interface)
        return
    interfaces.delete(call.ctx, call.actor, system_id, interface)


@nodes.one_interface.create("add_tag", takes={"tag": Kind.TEXT})
def add_interface_tag(call: Call, system_id: str, interface: str) -> dict[str, Any]:
    """Give a NIC a tag."""
    tag = call.params.text("tag")
    nic_id = interfaces.change_tags(call.ctx, call.actor, system_id, interface, add=tag)
    return _shown(call, system_id, nic_id)


@nodes.one_interface.create("remove_tag", takes={"tag": Kind.TEXT})
def remove_interface_tag(call: Call, system_id: str, interface: str) -> dict[str, Any]:
    """Take a tag from a NIC."""
    tag = call.params.text("tag")
    nic_id = interfaces.change_tags(call.ctx, call.actor, system_id, interface, remove=tag)
    return _shown(call, system_id, nic_id)


@nodes.one_interface.create("link_subnet", takes=_LINK)
def link_subnet(call: Call, system_id: str, interface: str) -> dict[str, Any]:
    """Link a NIC: `mode` auto (the lowest free address of `subnet`), static (`ip_address`, or the lowest free one),
    dhcp or link_up. Racks keep an address for the NIC at once. A device takes no `default_gateway`."""
    params = call.params
    wish = LinkWish(
        mode=params.text("mode") or "",
        subnet=params.text("subnet") or "",
        ip_address=params.text("ip_address") or "",
        default_gateway=bool(params.flag("default_gateway")),
        force=bool(params.flag("force")),
    )
    if device_services.is_one(call.ctx, system_id):
        return devices.link_interface(call, system_id, interface, wish)
    return _shown(call, system_id, links.link_subnet(call.ctx, call.actor, system_id, interface, wish))


@nodes.one_interface.create("unlink_subnet", takes={"id": Kind.TEXT})
def unlink_subnet(call: Call, system_id: str, interface: str) -> dict[str, Any]:
    """Remove a link, by its `id`."""
    link_id = call.params.text("id") or ""
    if device_services.is_one(call.ctx, system_id):
        return devices.unlink_interface(call, system_id, interface, link_id)
    return _shown(call, system_id, links.unlink_subnet(call.ctx, call.actor, system_id, interface, link_id))


@nodes.one_interface.create("disconnect")
def disconnect(call: Call, system_id: str, interface: str) -> dict[str, Any]:
    """Take a NIC out of its VLAN, with all its links."""
    return _shown(call, system_id, links.disconnect(call.ctx, call.actor, system_id, interface))


@nodes.one_interface.create("set_default_gateway", takes={"link_id": Kind.TEXT})
def set_default_gateway(call: Call, system_id: str, interface: str) -> dict[str, Any]:
    """The machine's default route is that of this link's subnet; `link_id` where the NIC has several that could be."""
    link_id = call.params.text("link_id") or ""
    return _shown(call, system_id, links.set_default_gateway(call.ctx, call.actor, system_id, interface, link_id))


@machines.one.create("clear_default_gateways")
def clear_default_gateways(call: Call, system_id: str) -> dict[str, Any]:
    """No link is the machine's default route any more."""
    links.clear_default_gateways(call.ctx, call.actor, system_id)
    return machines.read_machine(call, system_id)


def _wish(call: Call) -> NicWish:
    params = call.params
    return NicWish(
        name=params.text("name"),
        mac=params.text("mac_address"),
        vlan=params.text("vlan"),
        tags=params.words("tags"),
        enabled=params.flag("enabled"),
        mtu=params.text("mtu"),
        link_connected=params.flag("link_connected"),
        link_speed=params.text("link_speed") or None,
    )


def _params(call: Call, takes: Takes) -> dict[str, str]:
    """What was given of a bond or bridge."""
    texts = {name: call.params.text(name) for name in takes}
    return {name: text for name, text in texts.items() if text}


def _shown(call: Call, system_id: str, nic_id: int) -> dict[str, Any]:
    details = registry.read(call.ctx, system_id)
    nic = next(nic for nic in details.interfaces if nic.id == nic_id)
    return machine_shapes.interface(system_id, nic, details)
