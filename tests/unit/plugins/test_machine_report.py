# SPDX-License-Identifier: GPL-3.0-or-later
"""The plain-text reports of plugins/filter/machine_report.py."""

from __future__ import annotations

import pytest

from ansible_collections.rackyard.metal.plugins.filter import machine_report

MACHINE = {
    "hostname": "m1",
    "cpu_count": 2,
    "memory": 2048,
    "power_state": "off",
    "bios_boot_method": "uefi",
    "secure_boot": True,
    "hardware_info": {"cpu_model": "QEMU Virtual CPU", "system_serial": "SN-1"},
    "physicalblockdevice_set": [{"name": "sda", "size": 4 * 1024**3, "serial": "D1", "model": "disk"}],
    "interface_set": [
        {
            "name": "eth0",
            "mac_address": "52:54:00:00:00:01",
            "link_connected": True,
            "link_speed": 1000,
            "product": "e1000",
            "lldp": {"chassis_name": "switch", "port_id": "port7"},
        },
        {"name": "eth1", "mac_address": "52:54:00:00:00:02", "link_connected": False, "lldp": None},
    ],
}


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(4 * 1024**3, "4 GiB"), (2684354560, "2.5 GiB"), (512 * 1024**2, "512 MiB"), (100, "100 B")],
)
def test_sizes_are_as_exact_as_a_disk_label(size_bytes: int, text: str) -> None:
    assert machine_report.human_size(size_bytes) == text


def test_hardware_report_shows_disk_serials_links_and_neighbours() -> None:
    text = machine_report.hardware(MACHINE)
    assert "Secure Boot on" in text
    assert "serial SN-1" in text
    disk = next(line for line in text.splitlines() if line.startswith("sda"))
    assert disk.split() == ["sda", "4", "GiB", "D1", "disk"]
    first, second = (line for line in text.splitlines() if line.startswith("eth"))
    assert "up 1000 Mbit/s" in first
    assert "switch port port7" in first
    assert "down" in second


def test_timeline_has_a_row_for_each_step_and_the_diagnosis_last() -> None:
    steps = [
        {
            "step": n,
            "title": f"title {n}",
            "by": None,
            "at": None,
            "took_seconds": None,
            "outcome": "waiting",
            "detail": "",
        }
        for n in range(1, 13)
    ]
    steps[0] |= {"by": "admin", "at": "2026-01-01T10:00:05.123+00:00", "outcome": "done", "took_seconds": 1.25}
    timeline = {
        "hostname": "m1",
        "system_id": "abcdef",
        "purpose": "commissioning",
        "outcome": "failed",
        "steps": steps,
        "diagnosis": "step 5 did not happen",
    }
    lines = machine_report.boot_timeline(timeline).splitlines()
    assert len(lines) == 1 + 2 + 12 + 1
    assert lines[3].split("  ")[0:1] == ["1"]
    assert "10:00:05" in lines[3]
    assert lines[-1] == "diagnosis: step 5 did not happen"
