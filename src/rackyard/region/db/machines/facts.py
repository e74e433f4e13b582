# SPDX-License-Identifier: GPL-3.0-or-later
"""What commissioning learned of a machine, written to its rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rackyard.region.db.pool import Transaction
from rackyard.region.ephemeral.hardware import HardwareFacts


@dataclass(frozen=True)
class Gone:
    """A NIC that is no longer in its machine, or what was made of it, with what people had said of it. Links are in
    words."""

    type: str
    name: str
    mac: str
    tags: list[str]
    declared: list[str]
    links: list[str]


@dataclass(frozen=True)
class Counted:
    """What people count of a machine's hardware. A disk is its model with its serial number, or with its name; NICs
    that people have told of stay known whether they are found or not."""

    cpu_count: int
    memory_mib: int
    system_serial: str
    macs: list[str]
    declared_macs: list[str]
    disks: list[str]


def known(tx: Transaction, machine_id: int) -> Counted | None:
    """What the commissioning before found, None when there was none."""
    row = tx.one("machines.facts.known", machine_id=machine_id)
    return None if row is None else Counted(**row)


def counted(found: HardwareFacts) -> Counted:
    """The same of what commissioning finds now."""
    return Counted(
        found.cpu.count,
        found.memory.total_mib,
        found.firmware.system_serial,
        [nic.mac for nic in found.nics],
        [],
        [" ".join(filter(None, (disk.model, disk.serial or disk.name))) for disk in found.disks],
    )


def store(tx: Transaction, machine_id: int, found: HardwareFacts, now: datetime) -> list[Gone]:
    """Write what commissioning learned: the machine, its NICs (by MAC) and its disks (all anew).

    What people have said of a NIC stays as long as the NIC does. Returned are those that are gone."""
    tx.run(
        "machines.facts.store_machine",
        machine_id=machine_id,
        cpu_count=found.cpu.count,
        cpu_model=found.cpu.model,
        cpu_speed_mhz=found.cpu.mhz,
        memory_mib=found.memory.total_mib,
        storage_mb=found.storage_mb,
        firmware_type=found.firmware.firmware_type,
        secure_boot=found.firmware.secure_boot,
        hardware=_hardware(found),
        now=now,
    )
    macs = [nic.mac for nic in found.nics]
    tx.run("racks.desired.changed_by_new_macs", macs=macs)
    gone = [Gone(**row) for row in tx.all("machines.facts.gone", machine_id=machine_id, macs=macs)]
    if tx.run("machines.facts.forget_interfaces", machine_id=machine_id, macs=macs):
        tx.run("racks.desired.changed")
    while orphans := tx.all("machines.facts.forget_orphans", machine_id=machine_id):
        gone += [Gone(**row) for row in orphans]
    declared = {row["name"]: row["mac"] for row in tx.all("machines.facts.declared_names", machine_id=machine_id)}
    for nic in found.nics:
        neighbour = found.neighbour_of(nic.name)
        tx.run(
            "machines.facts.store_interface",
            machine_id=machine_id,
            # A name that somebody has given to another NIC is taken; this one is as systemd calls it by its address.
            name=nic.name if declared.get(nic.name, nic.mac) == nic.mac else f"enx{nic.mac.replace(':', '')}",
            mac=nic.mac,
            addresses=list(nic.addresses),
            vendor=nic.vendor,
            product=nic.product,
            driver=nic.driver,
            firmware_version=nic.firmware_version,
            link_connected=nic.link_connected,
            link_speed_mbps=nic.link_speed_mbps,
            lldp=None if neighbour is None else _without(asdict(neighbour), "nic"),
        )
    tx.run("machines.facts.forget_disks", machine_id=machine_id)
    for disk in found.disks:
        tx.run(
            "machines.facts.store_disk",
            machine_id=machine_id,
            name=disk.name,
            path=disk.path,
            id_path=disk.id_path,
            model=disk.model,
            serial=disk.serial,
            size_bytes=disk.size_bytes,
            block_size_bytes=disk.block_size_bytes,
            rotary=disk.rotary,
            firmware_version=disk.firmware_version,
        )
    return gone


def _hardware(found: HardwareFacts) -> dict[str, Any]:
    """Names as in MAAS's `hardware_info`; what is empty is left out."""
    firmware = asdict(found.firmware)
    names = {name: f"mainboard_firmware_{name}" for name in ("vendor", "version", "date")}
    names["system_uuid"] = "hardware_uuid"
    texts = {names.get(name, name): text for name, text in firmware.items() if isinstance(text, str) and text}
    cpu = _without(asdict(found.cpu), "count", "model", "mhz")
    return {
        **_without(texts, "firmware_type"),
        "cpu_model": found.cpu.model,
        "cpu": cpu,
        "memory_modules": [asdict(module) for module in found.memory.modules],
        "boot_order": firmware["boot"],
        "bmc": None if found.bmc is None else asdict(found.bmc),
        # NICs that were registered stay when they are gone; this is what was there.
        "macs": [nic.mac for nic in found.nics],
    }


def _without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}
