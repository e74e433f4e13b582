# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON of a machine, with every field of MAAS's DISPLAYED_MACHINE_FIELDS and of gomaasapi's strict schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackyard.region.api import shapes
from rackyard.region.api.shapes import ROOT, moment
from rackyard.region.db.machines.registry import BlockDevice, Interface, Machine
from rackyard.region.services.boots import steps
from rackyard.region.services.machines.registry import MachineDetails
from rackyard.region.status import FAILURES, Status, label

# What MAAS has and Rackyard does not (yet): present, empty, and of the right type.
_ABSENT: dict[str, Any] = {
    "owner_data": {},
    "locked": False,
    "cache_sets": [],
    "bcaches": [],
    "min_hwe_kernel": "",
    "hwe_kernel": "",
    "swap_size": None,
    "osystem": "",
    "distro_series": "",
    "ephemeral_deploy": False,
    "tag_names": [],
    "address_ttl": None,
    "disable_ipv4": False,
    "constraints_by_type": {},
    "virtualblockdevice_set": [],
    "volume_groups": [],
    "raids": [],
    "special_filesystems": [],
    "parent": None,
    "default_gateways": {
        "ipv4": {"gateway_ip": None, "link_id": None},
        "ipv6": {"gateway_ip": None, "link_id": None},
    },
    "current_testing_result_id": None,
    "current_installation_result_id": None,
    "testing_status": -1,
    "testing_status_name": "",
    **{f"{part}_test_status": -1 for part in ("cpu", "memory", "network", "storage", "other", "interface")},
    **{f"{part}_test_status_name": "" for part in ("cpu", "memory", "network", "storage", "other", "interface")},
    "numanode_set": [],
    "workload_annotations": {},
    "last_sync": None,
    "sync_interval": None,
    "next_sync": None,
    "enable_hw_sync": False,
    "enable_kernel_crash_dump": False,
    "is_dpu": False,
}

# Script set status of the last commissioning, by the machine's status (MAAS SCRIPT_STATUS).
_COMMISSIONING_STATUS: Mapping[int, tuple[int, str]] = {
    Status.COMMISSIONING: (1, "Running"),
    Status.READY: (2, "Passed"),
    Status.FAILED_COMMISSIONING: (3, "Failed"),
}
_TROUBLED = frozenset({Status.BROKEN, *FAILURES.values()})
_HARDWARE_KEYS = (
    "system_vendor",
    "system_product",
    "system_family",
    "system_version",
    "system_sku",
    "system_serial",
    "cpu_model",
    "mainboard_vendor",
    "mainboard_product",
    "mainboard_serial",
    "mainboard_version",
    "mainboard_firmware_vendor",
    "mainboard_firmware_date",
    "mainboard_firmware_version",
    "chassis_vendor",
    "chassis_type",
    "chassis_serial",
    "chassis_version",
)


def machine(details: MachineDetails, domain: str) -> dict[str, Any]:
    """One machine. Memory in MiB, storage in MB, block devices in bytes, as MAAS has them."""
    known = details.machine
    commissioning = _COMMISSIONING_STATUS.get(known.status, (-1, ""))
    interfaces = [interface(known.system_id, nic, details) for nic in details.interfaces]
    disks = [block_device(known.system_id, disk) for disk in details.disks]
    return {
        **_ABSENT,
        "system_id": known.system_id,
        "hostname": known.hostname,
        "fqdn": f"{known.hostname}.{domain}",
        "domain": shapes.domain(domain),
        "description": known.description,
        "architecture": known.architecture,
        "owner": known.owner,
        "zone": shapes.ZONE,
        "pool": shapes.POOL,
        "status": known.status,
        "status_name": label(known.status),
        "status_message": known.status_message,
        "status_action": "",
        "error_description": known.status_message if known.status in _TROUBLED else "",
        "node_type": 0,
        "node_type_name": "Machine",
        "netboot": True,
        "power_type": known.power_type,
        "power_state": known.power_state,
        "bios_boot_method": known.firmware_type or None,
        "cpu_count": known.cpu_count,
        "cpu_speed": known.cpu_speed_mhz,
        "memory": known.memory_mib,
        "storage": float(known.storage_mb),
        "hardware_uuid": known.hardware.get("hardware_uuid"),
        "hardware_info": _hardware_info(known),
        "ip_addresses": sorted({nic.ip for nic in details.interfaces if nic.ip}),
        "interface_set": interfaces,
        "boot_interface": next((shown for shown in interfaces if shown["is_boot"]), None),
        "blockdevice_set": disks,
        "physicalblockdevice_set": disks,
        "boot_disk": disks[0] if disks else None,
        "current_commissioning_result_id": known.boot_id,
        "commissioning_status": commissioning[0],
        "commissioning_status_name": commissioning[1],
        "resource_uri": f"{ROOT}/machines/{known.system_id}/",
        **_ours(known),
    }


def _ours(known: Machine) -> dict[str, Any]:
    """Fields that MAAS does not have."""
    commissioning = known.status == Status.COMMISSIONING
    step = known.last_step if commissioning else None
    return {
        "secure_boot": known.secure_boot,
        "power_state_at": moment(known.power_state_at),
        "power_error": known.power_error,
        "status_changed_at": moment(known.status_changed_at),
        "commissioned_at": moment(known.commissioned_at),
        "deadline": moment(known.deadline_at),
        "current_step": {"step": step, "title": steps.RULES[step].title} if step else None,
        "created_at": moment(known.created_at),
        "updated_at": moment(known.updated_at),
    }


def _hardware_info(known: Machine) -> dict[str, str]:
    """Strings only, as gomaasapi insists; what is not known is "Unknown", as MAAS says."""
    found = {name: str(known.hardware.get(name) or "Unknown") for name in _HARDWARE_KEYS}
    extra = {name: str(value) for name, value in known.hardware.items() if isinstance(value, str | int | float)}
    return {**found, **extra, "cpu_model": known.cpu_model or "Unknown"}


def interface(system_id: str, nic: Interface, details: MachineDetails) -> dict[str, Any]:
    """One NIC. `is_boot`, `driver` and `lldp` are ours."""
    vlan = details.vlans.get(nic.vlan_id) if nic.vlan_id else None
    return {
        "system_id": system_id,
        "id": nic.id,
        "name": nic.name,
        "type": "physical",
        "vlan": shapes.vlan(vlan) if vlan else None,
        "mac_address": nic.mac,
        "parents": [],
        "children": [],
        "tags": [],
        "enabled": True,
        "links": [{"id": nic.id, "mode": "dhcp", "ip_address": nic.ip}] if nic.ip else [],
        "params": "",
        "discovered": [{"ip_address": nic.ip}] if nic.ip else [],
        "effective_mtu": vlan.mtu if vlan else 1500,
        "vendor": nic.vendor or None,
        "product": nic.product or None,
        "firmware_version": nic.firmware_version or None,
        "link_connected": nic.link_connected,
        "interface_speed": nic.link_speed_mbps or 0,
        "link_speed": nic.link_speed_mbps or 0,
        "numa_node": 0,
        "sriov_max_vf": 0,
        "is_boot": nic.is_boot,
        "driver": nic.driver or None,
        "lldp": nic.lldp,
        "resource_uri": f"{ROOT}/nodes/{system_id}/interfaces/{nic.id}/",
    }


def block_device(system_id: str, disk: BlockDevice) -> dict[str, Any]:
    """One disk, sizes in bytes."""
    return {
        "system_id": system_id,
        "id": disk.id,
        "name": disk.name,
        "uuid": None,
        "type": "physical",
        "path": disk.path or f"/dev/disk/by-dname/{disk.name}",
        "id_path": disk.id_path or None,
        "model": disk.model,
        "serial": disk.serial,
        "size": disk.size_bytes,
        "block_size": disk.block_size_bytes,
        "available_size": disk.size_bytes,
        "used_size": 0,
        "used_for": "Unused",
        "tags": [] if disk.rotary is None else ["rotary"] if disk.rotary else ["ssd"],
        "filesystem": None,
        "partition_table_type": None,
        "partitions": [],
        "firmware_version": disk.firmware_version or None,
        "storage_pool": None,
        "numa_node": 0,
        "resource_uri": f"{ROOT}/nodes/{system_id}/blockdevices/{disk.id}/",
    }
