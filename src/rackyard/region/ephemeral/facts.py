# SPDX-License-Identifier: GPL-3.0-or-later
"""The hardware of a machine, read from the output of the commissioning scripts.

Every byte comes from a machine that nobody trusts yet: sizes, depths, lengths and ranges are limited, and whatever may
land in a configuration (MACs, names, addresses) has a strict grammar. The first violation raises FactsError.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rackyard.region.ephemeral.document import FactsError, Node, parse_document
from rackyard.region.ephemeral.hardware import (
    BmcFacts,
    BootEntry,
    BootOrder,
    Cpu,
    Disk,
    Firmware,
    HardwareFacts,
    LldpNeighbour,
    Memory,
    MemoryModule,
    Nic,
)

__all__ = ["FactsError", "HardwareFacts", "parse_results"]  # what readers of results need

MAX_DISKS = 1024
MAX_NICS = 256
MAX_MODULES = 512
MAX_NEIGHBOURS = 512
MAX_ADDRESSES = 64
MAX_BOOT_ENTRIES = 128
MIB_LIMIT = 1 << 28  # 256 TiB

_NIC_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,14}", re.ASCII)  # IFNAMSIZ is 16 with the final NUL
_DISK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_!/-]{0,63}", re.ASCII)
_DEVICE_PATH = re.compile(r"/dev/(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9_!/:.+=#@\\-]{0,250}", re.ASCII)
_BOOT_NUMBER = re.compile(r"[0-9A-Fa-f]{4}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)


def _firmware(top: Node) -> Firmware:
    system, mainboard, chassis, firmware = top["system"], top["mainboard"], top["chassis"], top["firmware"]
    return Firmware(
        system_vendor=system["vendor"].text(),
        system_product=system["product"].text(),
        system_version=system["version"].text(),
        system_serial=system["serial"].text(),
        system_uuid=system["uuid"].or_empty(system["uuid"].uuid),
        system_family=system["family"].text(),
        system_sku=system["sku"].text(),
        mainboard_vendor=mainboard["vendor"].text(),
        mainboard_product=mainboard["product"].text(),
        mainboard_version=mainboard["version"].text(),
        mainboard_serial=mainboard["serial"].text(),
        chassis_vendor=chassis["vendor"].text(),
        chassis_type=chassis["type"].text(),
        chassis_version=chassis["version"].text(),
        chassis_serial=chassis["serial"].text(),
        vendor=firmware["vendor"].text(),
        version=firmware["version"].text(),
        date=firmware["date"].text(),
        firmware_type=firmware["type"].one_of("bios", "uefi"),
        secure_boot=firmware["secure_boot"].flag(),
        boot=_boot_order(top["boot"]) if top.has("boot") and top["boot"].has("order") else None,
    )


def _boot_order(node: Node) -> BootOrder:
    current = node["current"]

    def number(entry: Node) -> str:
        return entry.matching(_BOOT_NUMBER, "four hex digits").upper()

    return BootOrder(
        current=current.or_empty(lambda: number(current)),
        order=tuple(number(entry) for entry in node["order"].items(MAX_BOOT_ENTRIES)),
        entries=tuple(
            BootEntry(number(entry["id"]), entry["name"].text(), entry["active"].flag(), entry["path"].text())
            for entry in node["entries"].items(MAX_BOOT_ENTRIES)
        ),
    )


def _cpu(top: Node) -> Cpu:
    return Cpu(
        architecture=top["architecture"].matching(_WORD, "an architecture"),
        model=top["model"].text(),
        vendor=top["vendor"].text(),
        count=top["count"].integer(1, 65536),
        sockets=top["sockets"].integer(1, 4096),
        cores=top["cores"].integer(1, 65536),
        threads_per_core=top["threads_per_core"].integer(1, 64),
        mhz=top["mhz"].integer(0, 100_000),
        numa_nodes=top["numa_nodes"].integer(1, 4096),
    )


def _memory(top: Node) -> Memory:
    modules = tuple(
        MemoryModule(
            size_mib=module["size_mib"].integer(1, MIB_LIMIT),
            locator=module["locator"].text(),
            kind=module["type"].text(),
            speed=module["speed"].text(),
            manufacturer=module["manufacturer"].text(),
            part_number=module["part_number"].text(),
            serial=module["serial"].text(),
        )
        for module in top["modules"].items(MAX_MODULES)
    )
    return Memory(top["kernel_mib"].integer(1, MIB_LIMIT), top["installed_mib"].integer(0, MIB_LIMIT), modules)


def _disk(node: Node) -> Disk:
    id_path = node["id_path"]
    return Disk(
        name=node["name"].matching(_DISK_NAME, "a disk name"),
        path=node["path"].matching(_DEVICE_PATH, "a device path"),
        id_path=id_path.or_empty(lambda: id_path.matching(_DEVICE_PATH, "a device path")),
        model=node["model"].text(),
        serial=node["serial"].text(),
        size_bytes=node["size_bytes"].integer(1, 1 << 60),
        block_size_bytes=node["block_size_bytes"].integer(1, 1 << 20),
        rotary=node["rotary"].flag(),
        removable=node["removable"].flag(),
        transport=node["transport"].text(),
        firmware_version=node["firmware_version"].text(),
    )


def _nic(node: Node) -> Nic:
    return Nic(
        name=node["name"].matching(_NIC_NAME, "an interface name"),
        mac=node["mac"].mac(),
        driver=node["driver"].text(),
        vendor=node["vendor"].text(),
        product=node["product"].text(),
        firmware_version=node["firmware_version"].text(),
        link_connected=node["link_connected"].flag(),
        link_speed_mbps=node["link_speed_mbps"].integer(0, 10_000_000),
        addresses=tuple(entry.interface_address() for entry in node["addresses"].items(MAX_ADDRESSES)),
    )


def _neighbour(node: Node) -> LldpNeighbour:
    return LldpNeighbour(
        nic=node["nic"].matching(_NIC_NAME, "an interface name"),
        protocol=node["protocol"].text(),
        chassis_name=node["chassis_name"].text(),
        chassis_id=node["chassis_id"].text(),
        port_id=node["port_id"].text(),
        port_description=node["port_description"].text(),
        management_addresses=tuple(entry.address() for entry in node["management_addresses"].items(MAX_ADDRESSES)),
        vlan=node["vlan"].integer(0, 4095) if node.has("vlan") else None,
    )


def _bmc(top: Node) -> BmcFacts | None:
    if not top["present"].flag():
        return None
    lan = top["lan"]

    def of_lan(name: str) -> Node:
        return lan[name] if lan.has(name) else Node(lan.script, f"lan.{name}", "")

    address, netmask, gateway, mac = (of_lan(name) for name in ("address", "netmask", "gateway", "mac"))
    return BmcFacts(
        address=address.or_empty(address.address),
        netmask=netmask.or_empty(netmask.address),
        gateway=gateway.or_empty(gateway.address),
        mac=mac.or_empty(mac.mac),
        address_source=of_lan("source").text(),
        channel=lan["channel"].integer(0, 15) if lan.has("channel") else None,
        firmware_version=top["firmware_version"].text(),
        ipmi_version=top["ipmi_version"].text(),
        manufacturer=top["manufacturer"].text(),
        product=top["product"].text(),
    )


def _unique(script: str, field: str, values: list[str]) -> None:
    """Names and MACs identify: twice the same is a lie or a broken machine."""
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise FactsError(script, field, f"the same value twice: {', '.join(twice)}")


def parse_results(outputs: Mapping[str, bytes]) -> HardwareFacts:
    """Turn standard outputs, by script name, into facts.

    The scripts for firmware, CPU, memory, storage and network are required; BMC and LLDP may be missing. Results of
    other scripts are ignored. Raises FactsError naming script and field.
    """

    def document(script: str) -> Node:
        if script not in outputs:
            raise FactsError(script, "", "the machine sent no result of this script")
        return parse_document(script, outputs[script])

    network = document("20-network")
    nics = tuple(_nic(node) for node in network["nics"].items(MAX_NICS))
    _unique("20-network", "nics.name", [nic.name for nic in nics])
    _unique("20-network", "nics.mac", [nic.mac for nic in nics])
    boot_mac = network["boot_mac"]

    disks = tuple(_disk(node) for node in document("20-storage")["disks"].items(MAX_DISKS))
    _unique("20-storage", "disks.name", [disk.name for disk in disks])

    heard: tuple[LldpNeighbour, ...] = ()
    if "30-lldp" in outputs:
        names = {nic.name for nic in nics}
        found = (_neighbour(node) for node in document("30-lldp")["neighbours"].items(MAX_NEIGHBOURS))
        # lldpd also listens on ports that are not hardware, such as bonds
        heard = tuple(neighbour for neighbour in found if neighbour.nic in names)

    return HardwareFacts(
        firmware=_firmware(document("10-firmware")),
        cpu=_cpu(document("20-cpu")),
        memory=_memory(document("20-memory")),
        disks=disks,
        nics=nics,
        neighbours=heard,
        bmc=_bmc(document("30-bmc")) if "30-bmc" in outputs else None,
        boot_mac=boot_mac.or_empty(boot_mac.mac),
    )
