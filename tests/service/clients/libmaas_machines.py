# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines, controllers and devices, as an operator's program has them from python-libmaas."""

from __future__ import annotations

from typing import Any

from libmaas_checks import calls, check, client, it
from maas.client.enum import InterfaceType, LinkMode


@check("Machines.create", ["m9", "m9.rackyard.internal", "amd64/generic", "ipmi", ["52:54:00:20:01:01"]])
def _() -> Any:
    power = {"power_address": "172.16.9.11", "power_user": "maas", "power_pass": "s3cret-pass"}
    made = client.machines.create("amd64/generic", ["52:54:00:20:01:01"], "ipmi", power, hostname="m9")
    it.machine = client.machines.get(made.system_id)
    macs = [nic.mac_address for nic in it.machine.interfaces]
    return [it.machine.hostname, it.machine.fqdn, it.machine.architecture, it.machine.power_type, macs]


# Who adds a machine has it commissioned.
check("Machine.read", "Commissioning")(lambda: it.machine.status_name)
check("Machine.abort", "New")(lambda: it.machine.abort(comment="not yet").status_name)
check("Machine.power_parameters", "172.16.9.11")(lambda: it.machine.get_power_parameters()["power_address"])
check("Machines.power_parameters", ["172.16.9.11"])(
    lambda: [
        each["power_address"] for each in client.machines.get_power_parameters_for([it.machine.system_id]).values()
    ]
)


@check("Machine.update", [["default", "default"], ["m2", "east", "web"]])
def _() -> Any:
    before = [it.machine.zone.name, it.machine.pool.name]
    it.machine.zone, it.machine.pool, it.machine.hostname = it.zone, it.pool, "m2"
    it.machine.save()
    moved = client.machines.get(it.machine.system_id)
    return [before, [moved.hostname, moved.zone.name, moved.pool.name]]


check("Machine.update of power", "manual")(lambda: it.machine.set_power("manual") or it.machine.power_type)
check("Machines.read", ["m1", "m2"])(lambda: [known.hostname for known in client.machines.list()])
check("Machines.read by hostname", ["m2"])(
    lambda: [known.hostname for known in client.machines.list(hostnames=["m2", "m3"])]
)


@check("Machine.lock, unlock", [True, True, False])
def _() -> Any:
    (it.known,) = client.machines.list(hostnames=["m1"])
    it.known.lock(comment="in use")
    locked = [it.known.locked, client.machines.get(it.known.system_id).locked]
    it.known.unlock()
    return [*locked, it.known.locked]


@check("Machine.mark_broken, mark_fixed", ["Broken", "fan 3 is loud", "Ready"])
def _() -> Any:
    it.known.mark_broken(comment="fan 3 is loud")
    broken = [it.known.status_name, it.known.status_message]
    it.known.mark_fixed()
    return [*broken, it.known.status_name]


@check("Machine.set_owner_data", {"team": "storage"})
def _() -> Any:
    it.known.owner_data["team"] = "storage"
    it.known.save()
    return client.machines.get(it.known.system_id).owner_data


check("Machine.power_on", "Ready")(lambda: it.known.power_on(comment="a look").status_name)
check("Machine.query_power_state", "on")(lambda: it.known.query_power_state().value)
check("Machine.power_off", "Ready")(lambda: it.known.power_off(comment="enough").status_name)
check("Machine.details", {"lshw", "lldp"})(lambda: set(it.known.get_details()))
check("Machine.clear_default_gateways", "m1")(lambda: it.known.clear_default_gateways().hostname)
check("Machine.commission", ["Commissioning", "Ready"])(
    lambda: [
        it.known.commission(enable_ssh=False, skip_networking=True, skip_storage=True, testing_scripts=[]).status_name,
        it.known.abort().status_name,
    ]
)
check("Nodes.read", ["m1", "m2", "rack1", "region1"])(lambda: sorted(each["hostname"] for each in calls.Nodes.read()))
check("Nodes.read by hostname", ["rack1"])(lambda: [each["hostname"] for each in calls.Nodes.read(hostname=["rack1"])])
check("RackControllers.read", [["rack1", "on", int, int, str]])(
    lambda: [
        [each.hostname, each.power_state.value, type(each.cpus), type(each.memory), type(each.osystem)]
        for each in client.rack_controllers.list()
    ]
)
check("RackControllers.read by hostname", 0)(lambda: len(client.rack_controllers.list(hostnames=["rack2"])))
check("RackController.read", "RACK_CONTROLLER")(
    lambda: client.rack_controllers.get(client.rack_controllers.list()[0].system_id).node_type.name
)
check("RegionControllers.read", ["region1"])(
    lambda: [each.hostname for each in client.region_controllers.list(hostnames=["region1"])]
)
check("Events.query", ["m1", True])(
    lambda: (lambda found: [found[0].hostname, found[0].created.year >= 2026])(
        list(client.events.query(hostnames=["m1"], limit=2))
    )
)


@check("Interface.link_subnet, unlink_subnet", [["static", "10.20.0.50", "pxe-b"], "10.20.0.2"])
def _() -> Any:
    it.nic = it.machine.interfaces[0]
    kept = it.nic.links.create(LinkMode.STATIC, subnet=it.subnet, ip_address="10.20.0.50")
    chosen = it.nic.links.create(LinkMode.AUTO, subnet=it.subnet)
    kept.delete()
    return [[kept.mode.value, kept.ip_address, kept.subnet.name], chosen.ip_address]


check("Interface.set_default_gateway", None)(lambda: it.nic.links[0].set_as_default_gateway())


@check("Interface.update", ["front0", ["fast"], ["10.20.0.2"]])
def _() -> Any:
    it.nic.name, it.nic.tags = "front0", ["fast"]
    it.nic.save()
    shown = client.machines.get(it.machine.system_id).interfaces.by_name["front0"]
    return [shown.name, shown.tags, [each.ip_address for each in shown.links]]


@check(
    "Interfaces.create_physical, create_bond, create_bridge",
    [
        ["back0", "physical", []],
        ["bond0", "bond", ["back0"]],
        ["br0", "bridge", ["bond0"]],
        ["front0", "physical", []],
    ],
)
def _() -> Any:
    nics = it.machine.interfaces
    second = nics.create(name="back0", mac_address="52:54:00:20:01:02", vlan=it.subnet.vlan)
    bond = nics.create(InterfaceType.BOND, name="bond0", parents=[second], bond_mode="802.3ad")
    nics.create(InterfaceType.BRIDGE, name="br0", parent=bond)
    it.nics = {each.name: each for each in client.machines.get(it.machine.system_id).interfaces}
    return sorted([each.name, each.type.value, [up.name for up in each.parents]] for each in it.nics.values())


@check("Interfaces.create_vlan", ["vlan", 30])
def _() -> Any:
    tagged = it.fabric.vlans.create(30, name="tagged")
    made = it.machine.interfaces.create(InterfaceType.VLAN, vlan=tagged, parent=it.nic)
    shown = [made.type.value, made.vlan.vid]
    made.delete()  # what lies on a NIC keeps it connected
    return shown


@check("Interface.delete, disconnect", [False, 0])
def _() -> Any:
    it.nics["br0"].delete()
    it.nics["front0"].disconnect()
    left = client.machines.get(it.machine.system_id).interfaces.by_name
    return ["br0" in left, len(left["front0"].links)]


check("BlockDevices.read", [["sda", 1_000_000_000, 512, "Example", "S1", []]])(
    lambda: [
        [disk.name, disk.size, disk.block_size, disk.model, disk.serial, disk.tags]
        for disk in client.machines.get(it.known.system_id).block_devices
    ]
)
check("BlockDevice.read", "sda")(
    lambda: calls.BlockDevice.read(
        system_id=it.known.system_id, id=client.machines.get(it.known.system_id).block_devices[0].id
    )["name"]
)


@check("Tags.create, read", [["gpu", "has an accelerator", "", "iommu=pt"], ["gpu"]])
def _() -> Any:
    it.tag = client.tags.create("gpu", comment="has an accelerator", definition="", kernel_opts="iommu=pt")
    shown = [it.tag.name, it.tag.comment, it.tag.definition, it.tag.kernel_opts]
    return [shown, [known.name for known in client.tags.list()]]


@check("Tag.update_nodes, delete", [["gpu"], [], 0])
def _() -> Any:
    it.machine.tags.add(it.tag)
    has = [known.name for known in client.machines.get(it.machine.system_id).tags]
    it.machine.tags.remove(it.tag)
    bare = [known.name for known in client.machines.get(it.machine.system_id).tags]
    client.tags.get("gpu").delete()
    return [has, bare, len(client.tags.list())]


@check("Devices.create, Device.read", ["sw1.lab.example.com", "east", "DEVICE", ["eth0"]])
def _() -> Any:
    it.lab = client.domains.create("lab.example.com")
    made = client.devices.create(["52:54:00:30:00:01"], hostname="sw1", domain=it.lab.id, zone=it.zone)
    it.switch = client.devices.get(made.system_id)
    nics = [nic.name for nic in it.switch.interfaces]
    return [it.switch.fqdn, it.switch.zone.name, it.switch.node_type.name, nics]


@check("Interfaces of a device", [["eth0", "mgmt0"], ["52:54:00:30:00:01"]])
def _() -> Any:
    client._origin.Interfaces.create(it.switch, name="mgmt0", mac_address="52:54:00:30:00:02")
    nics = client.devices.get(it.switch.system_id).interfaces
    names = [nic.name for nic in nics]
    nics.by_name["mgmt0"].delete()
    return [names, [nic.mac_address for nic in client.devices.get(it.switch.system_id).interfaces]]


@check("Devices.read, Device.update, delete", [["sw2.lab.example.com"], 0])
def _() -> Any:
    it.switch.hostname = "sw2"
    it.switch.save()
    client.devices.create(["52:54:00:30:00:03"])
    found = [known.fqdn for known in client.devices.list(hostnames=["sw2"])]
    for known in client.devices.list():
        known.delete()
    it.lab.delete()
    return [found, len(client.devices.list())]
