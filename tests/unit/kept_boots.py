# SPDX-License-Identifier: GPL-3.0-or-later
"""Boots as a region gives them to a rack to keep."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from exact import sent

ONE, OTHER = "1" * 32, "2" * 32
MAC, OTHERS_MAC, IDLE_MAC = (f"52:54:00:00:00:0{number}" for number in (1, 2, 3))
ADDRESS, RACK_IP, OTHER_RACK_IP = "10.20.0.101", "10.20.0.2", "10.20.0.3"
IMAGE = "/images/" + "a" * 64
RACKS_NAME = "10-20-0-0--24.rackyard.internal"


def answer(boot_id: str = ONE, ends_in_s: float = 600, **changes: Any) -> dict[str, Any]:
    documents = {name: b64encode(name.encode()).decode() for name in ("preseed", "user-data", "maas-scripts")}
    macs = [MAC if boot_id == ONE else OTHERS_MAC]
    document = {
        "boot_id": boot_id, "system_id": "abcdef", "hostname": "m1", "addresses": [ADDRESS], "macs": macs,
        "ends_at": (datetime.now(UTC) + timedelta(seconds=ends_in_s)).isoformat(), "consumer_key": "consumer",
        "token_key": f"token{boot_id[:4]}", "token_secret": "hush-hush", "documents": documents,
        "config": config(macs[0], RACK_IP), **changes,
    }  # fmt: skip
    return dict(sent("boot-metadata-answer", document))


def config(mac: str, *local_ips: str) -> dict[str, Any]:
    """What loaders of a boot are told at these addresses of the rack."""
    preseed = f"cloud-config-url=http://{RACKS_NAME}:5248/MAAS/metadata/latest/by-id/{ONE}/?op=get_preseed"
    lines = [
        {"mac": mac, "local_ip": each, "params": [f"fetch=http://{each}:5248{IMAGE}", preseed, f"log_host={each}"]}
        for each in local_ips
    ]
    paths = {"kernel": f"{IMAGE}/vmlinuz", "initrd": f"{IMAGE}/initrd.img", "squashfs": f"{IMAGE}/filesystem.squashfs"}
    return {"purpose": "commissioning", **paths, "lines": lines}
