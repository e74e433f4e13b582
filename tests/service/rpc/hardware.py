# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commissioning scripts print on a small machine."""

from __future__ import annotations

import json
from typing import Any

MAC, SECOND_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"


def _nic(name: str, mac: str, addresses: list[str]) -> dict[str, Any]:
    return {
        "name": name, "mac": mac, "driver": "virtio_net", "vendor": "Red Hat, Inc.", "product": "Virtio network device",
        "bus": "0000:00:03.0", "firmware_version": "", "link_connected": True, "link_speed_mbps": 1000, "mtu": 1500,
        "addresses": addresses,
    }  # fmt: skip


def outputs() -> dict[str, bytes]:
    """Standard output by script name."""
    documents: dict[str, Any] = {
        "10-firmware": {
            "system": {
                "vendor": "QEMU", "product": "Standard PC", "version": "pc-q35-7.2", "serial": "SN-M1", "family": "",
                "uuid": "5f0e2a38-5b1a-4f7e-9d2f-0c3f5a1f7b11", "sku": "",
            },
            "mainboard": {"vendor": "", "product": "", "version": "", "serial": ""},
            "chassis": {"vendor": "QEMU", "type": "1", "version": "", "serial": ""},
            "firmware": {
                "vendor": "SeaBIOS", "version": "1.16.2", "date": "04/01/2014", "type": "bios", "secure_boot": False,
            },
        },
        "20-cpu": {
            "architecture": "x86_64", "model": "QEMU TCG CPU version 2.5+", "vendor": "AuthenticAMD", "count": 2,
            "sockets": 1, "cores": 2, "threads_per_core": 1, "mhz": 2400, "numa_nodes": 1,
        },
        "20-memory": {"kernel_mib": 1950, "installed_mib": 2048, "modules": []},
        "20-network": {
            "boot_mac": MAC,
            "nics": [_nic("ens3", MAC, ["10.20.0.101/24"]), _nic("ens4", SECOND_MAC, [])],
        },
        "20-storage": {
            "disks": [
                {
                    "name": "sda", "path": "/dev/sda", "id_path": "/dev/disk/by-id/ata-QEMU_DISK1",
                    "model": "QEMU HARDDISK", "serial": "DISK1", "size_bytes": 8589934592,
                    "block_size_bytes": 512, "rotary": True, "removable": False, "transport": "sata",
                    "firmware_version": "2.5+",
                }
            ]
        },
        "30-bmc": {"present": False},
        "30-lldp": {
            "neighbours": [
                {
                    "nic": "ens3", "protocol": "LLDP", "chassis_name": "switch-a", "chassis_id": "02:00:00:00:00:0a",
                    "port_id": "tap-m1-0", "port_description": "m1 first port", "management_addresses": [],
                    "vlan": None,
                }
            ]
        },
    }  # fmt: skip
    return {name: json.dumps(document).encode() for name, document in documents.items()}
