# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What commissioning found in a machine, as a short document with units in its names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def hardware_of(machine: Mapping[str, Any]) -> dict[str, Any]:
    """From the API's object of a machine, a rack or a region, of which the latter say nothing of their disks.

    Values that were not found are None; ``details`` holds the rest as strings."""
    # "Unknown" is how MAAS's API says that nothing was found.
    found = machine.get("hardware_info") or {}
    details = {name: value for name, value in found.items() if value not in (None, "", "Unknown")}
    return {
        "cpu_count": machine["cpu_count"],
        "cpu_model": details.get("cpu_model"),
        "memory_mib": machine["memory"],
        "storage_mb": int(machine["storage"]) if "storage" in machine else None,
        "system_vendor": details.get("system_vendor"),
        "system_product": details.get("system_product"),
        "system_serial": details.get("system_serial"),
        "firmware_type": machine.get("bios_boot_method") or None,
        "secure_boot": machine.get("secure_boot"),
        "disks": [disk_of(disk) for disk in machine.get("physicalblockdevice_set", [])],
        "interfaces": [interface_of(nic) for nic in machine["interface_set"]],
        "details": details,
    }


def disk_of(disk: Mapping[str, Any]) -> dict[str, Any]:
    """One disk."""
    return {
        "name": disk["name"],
        "model": disk.get("model") or None,
        "serial": disk.get("serial") or None,
        "size_bytes": disk["size"],
    }


def interface_of(nic: Mapping[str, Any]) -> dict[str, Any]:
    """One network interface; ``lldp`` is the neighbour it hears, empty when there is none."""
    return {
        "name": nic["name"],
        "mac_address": nic["mac_address"],
        "link_connected": nic.get("link_connected"),
        "link_speed_mbps": nic.get("link_speed") or None,
        "product": nic.get("product") or None,
        "lldp": dict(nic.get("lldp") or {}),
    }
