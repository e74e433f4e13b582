# SPDX-License-Identifier: GPL-3.0-or-later
"""`devices/` and `devices/<system_id>/`. Their NICs are at `nodes/<system_id>/interfaces/`, as those of machines."""

from __future__ import annotations

from typing import Any

from flask import Response

from rackyard.region.api import bson, placing, shapes
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.params import Params
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.db.machines.devices import DeviceInterface
from rackyard.region.db.machines.registry import Link
from rackyard.region.services.machines import device_links, devices, groups, texts
from rackyard.region.services.machines.devices import DeviceDetails, DeviceWish, InterfaceWish, Wanted
from rackyard.region.services.machines.link_wishes import LinkWish
from rackyard.region.services.site import validation

collection = Resource("/devices/", "Devices", "All devices.")
one = Resource("/devices/<system_id>/", "Device", "One device.")

_WISH: Takes = {
    "hostname": Kind.TEXT,
    "domain": Kind.TEXT,
    "description": Kind.TEXT,
    "mac_addresses": Kind.WORDS,
    "parent": Kind.TEXT,
    "zone": Kind.TEXT,
}
_FILTER: Takes = {
    "id": Kind.TEXTS,
    "hostname": Kind.TEXTS,
    "mac_address": Kind.TEXTS,
    "domain": Kind.TEXTS,
    "zone": Kind.TEXTS,
    "pool": Kind.TEXTS,
    "agent_name": Kind.TEXTS,
    "parent": Kind.TEXTS,
}
INTERFACE: Takes = {"name": Kind.TEXT, "mac_address": Kind.TEXT, "vlan": Kind.TEXT, "tags": Kind.WORDS}
# Each parameter is one text.
_ANY: Takes = {"*": Kind.TEXT}


@collection.read(takes=_FILTER)
def list_devices(call: Call) -> list[dict[str, Any]]:
    """Devices by hostname that match what is given: one of the values of each filter. A device has neither a pool nor
    an `agent_name`: none is in what these say."""
    return [shape(details) for details in devices.find_all(call.ctx, _wanted(call.params))]


@collection.create(takes=_WISH)
def create_device(call: Call) -> dict[str, Any]:
    """A new device with its MACs. `parent` is the system_id of the machine that it is part of, with which it goes."""
    return shape(devices.create(call.ctx, call.actor, _wish(call.params)))


@collection.create("set_zone", takes=placing.TAKES)
def set_zone(call: Call) -> None:
    """Put devices (`nodes`, by system_id) in a zone: all of them or none."""
    placing.set_zone(call, groups.DEVICE)


@one.read()
def read_device(call: Call, system_id: str) -> dict[str, Any]:
    """One device."""
    return shape(devices.read(call.ctx, system_id))


@one.read("power_parameters")
def show_power_parameters(call: Call, system_id: str) -> dict[str, str]:
    """The power settings of a device: it has none here. Raises NotFound."""
    devices.read(call.ctx, system_id)
    return {}


@one.read("details")
def show_details(call: Call, system_id: str) -> Response:
    """As of machines, in BSON: both null, as nothing looks into a device. Raises NotFound."""
    devices.read(call.ctx, system_id)
    return bson.details(None)


@one.update(takes=_WISH)
def update_device(call: Call, system_id: str) -> dict[str, Any]:
    """Change what is given. Ours: `mac_addresses` are all that it has then."""
    return shape(devices.update(call.ctx, call.actor, system_id, _wish(call.params)))


@one.delete()
def delete_device(call: Call, system_id: str) -> None:
    """Forget a device."""
    devices.delete(call.ctx, call.actor, system_id)


@one.create("set_owner_data", takes=_ANY)
def set_owner_data(call: Call, system_id: str) -> dict[str, Any]:
    """Set texts of the device's owner by name, any name; an empty text takes its name away."""
    return _set_texts(call, system_id, texts.Kind.OWNER)


@one.create("set_workload_annotations", takes=_ANY)
def set_workload_annotations(call: Call, system_id: str) -> dict[str, Any]:
    """Set texts about what runs on the device by name, any name; an empty text takes its name away."""
    return _set_texts(call, system_id, texts.Kind.WORKLOAD)


def list_interfaces(call: Call, system_id: str) -> list[dict[str, Any]]:
    """The NICs of a device. Raises NotFound."""
    details = devices.read(call.ctx, system_id)
    return [_interface(nic, details) for nic in details.interfaces]


def read_interface(call: Call, system_id: str, specifier: str) -> dict[str, Any]:
    """One NIC of a device, by id or name. Raises NotFound."""
    details = devices.read(call.ctx, system_id)
    return _interface(devices.interface_of(details.device, details.interfaces, specifier), details)


def create_interface(call: Call, system_id: str) -> dict[str, Any]:
    """One more NIC of a device."""
    return _of_interface(*devices.add_interface(call.ctx, call.actor, system_id, _interface_wish(call.params)))


def update_interface(call: Call, system_id: str, specifier: str) -> dict[str, Any]:
    """Change what is given of a NIC of a device."""
    wish = _interface_wish(call.params)
    return _of_interface(*devices.change_interface(call.ctx, call.actor, system_id, specifier, wish))


def delete_interface(call: Call, system_id: str, specifier: str) -> None:
    """Remove a NIC of a device."""
    devices.delete_interface(call.ctx, call.actor, system_id, specifier)


def link_interface(call: Call, system_id: str, specifier: str, wish: LinkWish) -> dict[str, Any]:
    """Link a NIC of a device to a subnet."""
    return _of_interface(*device_links.link_subnet(call.ctx, call.actor, system_id, specifier, wish))


def unlink_interface(call: Call, system_id: str, specifier: str, link_id: str) -> dict[str, Any]:
    """Remove a link of a NIC of a device."""
    return _of_interface(*device_links.unlink_subnet(call.ctx, call.actor, system_id, specifier, link_id))


def shape(details: DeviceDetails) -> dict[str, Any]:
    """A device, with every field that MAAS's clients read."""
    known, domain = details.device, details.domain.domain
    return {
        "system_id": known.system_id,
        "hostname": known.hostname,
        "description": known.description,
        "domain": shapes.domain(details.domain),
        "fqdn": f"{known.hostname}.{domain.name}",
        "owner": known.owner,
        "owner_data": known.owner_data,
        "parent": known.parent,
        "tag_names": known.tag_names,
        "address_ttl": None,
        "ip_addresses": sorted({address for nic in details.interfaces for address in _addresses(nic)}),
        "interface_set": [_interface(nic, details) for nic in details.interfaces],
        "zone": shapes.zone(known.zone),
        "node_type": 1,
        "node_type_name": "Device",
        "workload_annotations": known.workload_annotations,
        "resource_uri": f"{ROOT}/devices/{known.system_id}/",
    }


def _interface(nic: DeviceInterface, details: DeviceDetails) -> dict[str, Any]:
    """One NIC of a device, with the fields of a machine's. What nobody can know of it is null or nothing. A NIC that
    nobody has linked is shown as one that gets its address by DHCP, once it has one."""
    vlan = details.vlans.get(nic.vlan_id) if nic.vlan_id else None
    system_id = details.device.system_id
    addresses = [_address(ip, details) for ip in nic.ips]
    return {
        "system_id": system_id,
        "id": nic.id,
        "name": nic.name,
        "type": "physical",
        "vlan": shapes.vlan(vlan) if vlan else None,
        "mac_address": nic.mac,
        "parents": [],
        "children": [],
        "tags": nic.tags,
        "enabled": True,
        "links": [_link(link, details) for link in nic.links]
        or [{"id": nic.id, "mode": "dhcp", **address} for address in addresses],
        "params": "",
        "discovered": addresses,
        "effective_mtu": vlan.mtu if vlan else 1500,
        "vendor": None,
        "product": None,
        "firmware_version": None,
        "link_connected": None,
        "interface_speed": 0,
        "link_speed": 0,
        "numa_node": None,
        "sriov_max_vf": 0,
        "resource_uri": f"{ROOT}/nodes/{system_id}/interfaces/{nic.id}/",
    }


def _addresses(nic: DeviceInterface) -> list[str]:
    """What it leases, and what it is to have."""
    return [*nic.ips, *(link.ip for link in nic.links if link.ip)]


def _link(known: Link, details: DeviceDetails) -> dict[str, Any]:
    shown = {"id": known.id, "mode": known.mode}
    if known.ip:
        return {**shown, **_address(known.ip, details)}
    subnet = next((subnet for _network, subnet in details.subnets if subnet.id == known.subnet_id), None)
    return {**shown, "subnet": shapes.subnet(subnet, details.vlans[subnet.vlan_id])} if subnet else shown


def _address(ip: str, details: DeviceDetails) -> dict[str, Any]:
    subnet = details.subnet_of(ip)
    # gomaasapi takes an address without a subnet, and none with null.
    on = {"subnet": shapes.subnet(subnet, details.vlans[subnet.vlan_id])} if subnet else {}
    return {"ip_address": ip, **on}


def _of_interface(details: DeviceDetails, interface_id: int) -> dict[str, Any]:
    return next(_interface(nic, details) for nic in details.interfaces if nic.id == interface_id)


def _wanted(params: Params) -> Wanted:
    macs = params.texts("mac_address") or None
    return Wanted(
        system_ids=params.texts("id") or None,
        hostnames=params.texts("hostname") or None,
        macs=None if macs is None else [validation.mac("mac_address", text) for text in macs],
        domains=params.texts("domain") or None,
        zones=params.texts("zone") or None,
        parents=params.texts("parent") or None,
        pools=params.texts("pool") or None,
        agent_names=params.texts("agent_name") or None,
    )


def _wish(params: Params) -> DeviceWish:
    return DeviceWish(
        hostname=params.text("hostname"),
        domain=params.text("domain"),
        description=params.text("description"),
        macs=params.words("mac_addresses"),
        parent=params.text("parent"),
        zone=params.text("zone"),
    )


def _interface_wish(params: Params) -> InterfaceWish:
    return InterfaceWish(params.text("name"), params.text("mac_address"), params.text("vlan"), params.words("tags"))


def _set_texts(call: Call, system_id: str, kind: texts.Kind) -> dict[str, Any]:
    # A client may say the operation in the body as well.
    given = {name: call.params.text(name) or "" for name in call.params.names() if name != "op"}
    return shape(devices.set_texts(call.ctx, call.actor, system_id, kind, given))
