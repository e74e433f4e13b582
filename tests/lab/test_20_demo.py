# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job on fresh hosts, and every fact it found held against what QEMU was given."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest
import used_disk
from lab_site import STATE, Lab, ask_dns, bmc_password, given

MACHINES = ("m1", "m2")


@pytest.fixture(scope="module")
def used_disks(lab: Lab) -> dict[Path, str]:
    """The disks of both machines with something on them, before anything is commissioned; the SHA-256 of each file."""
    for name in MACHINES:
        raw = lab.work / f"{name}.raw"
        used_disk.write(raw, given(name)["disks"][0]["size_mib"])
        target = str(STATE / "machines" / name / "disk0.qcow2")
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), target], check=True)
        raw.unlink()
    return {path: sha256(path) for name in MACHINES for path in (STATE / "machines" / name).glob("disk*.qcow2")}


def sha256(path: Path) -> str:
    with path.open("rb") as image:
        return hashlib.file_digest(image, "sha256").hexdigest()


@pytest.fixture(scope="module")
def demo(lab: Lab, used_disks: dict[Path, str]) -> str:
    for bridge in ("ry-pxe-a", "ry-bmc-a"):
        lab.capture(bridge)
    return lab.run("demo")


def test_demo_prints_timeline_hardware_durations_and_what_to_type_next(demo: str) -> None:
    report = demo[demo.rindex("m1 (") :]
    assert len(re.findall(r"^(?:[1-9]|1[0-2]) {2,3}\S.* done ", report, flags=re.MULTILINE)) == 24
    for text in (
        "LLDP neighbour",
        "serial",
        "took",
        "ansible-doc",
        "./run lab down",
        "admin.apikey",
        "http://10.10.0.11:5240/MAAS",
    ):
        assert text in demo


@pytest.mark.parametrize("name", MACHINES)
def test_machine_is_ready_and_the_bmc_says_off(lab: Lab, demo: str, name: str) -> None:
    machine = lab.machine(name)
    assert machine["status_name"] == "Ready"
    assert machine["power_state"] == "off"
    bmc = given(name)["bmc"]
    command = (
        f"IPMI_PASSWORD='{bmc_password(name)}' ipmitool -I lanplus -E -H {bmc['address']} -U {bmc['user']} power status"
    )
    assert "is off" in lab.ssh(
        "rack1", f"command -v ipmitool >/dev/null || apt-get -qq install -y ipmitool >/dev/null; {command}"
    )


@pytest.mark.parametrize("name", MACHINES)
def test_hardware_found_is_the_hardware_given(lab: Lab, demo: str, name: str) -> None:
    machine, truth = lab.machine(name), given(name)
    assert machine["cpu_count"] == truth["cpus"]
    assert machine["memory"] == pytest.approx(truth["memory_mib"], rel=0.05)
    found = {disk["serial"]: disk["size"] for disk in machine["physicalblockdevice_set"]}
    assert found == {disk["serial"]: disk["size_mib"] * 1024**2 for disk in truth["disks"]}
    assert {nic["mac_address"] for nic in machine["interface_set"]} == {nic["mac"] for nic in truth["nics"]}
    assert machine["hardware_info"]["system_serial"] == truth["system"]["serial"]
    for nic in machine["interface_set"]:
        assert nic["link_connected"], nic["name"]


def test_commissioning_writes_nothing_to_disks_that_hold_raid_lvm_and_bcache(
    lab: Lab, demo: str, used_disks: dict[Path, str]
) -> None:
    """m1 boots Debian 12 and m2 Debian 13, both with mdadm, lvm2 and bcache-tools in the image."""
    assert len(used_disks) == 3
    assert {path: sha256(path) for path in used_disks} == used_disks
    for name, release in (("m1", "12"), ("m2", "13")):
        system_id = lab.machine(name)["system_id"]
        results = lab.region().get(f"nodes/{system_id}/results/", include_output="1")
        (support,) = [one for result in results for one in result["results"] if one["name"] == "50-support-info"]
        info = json.loads(base64.b64decode(support["stdout"]))
        assert f'VERSION_ID="{release}"' in info["release"]
        devices = info["block_devices"]
        assert {"linux_raid_member", "LVM2_member", "bcache", "swap"} <= set(devices.split()), "it has seen them all"
        assert {line.split()[1] for line in devices.splitlines()[1:]} <= {"disk", "part", "loop"}, devices


def test_logs_of_machines_can_be_kept_below_their_share(lab: Lab, demo: str) -> None:
    """The unit that removes the oldest ones may read them, whatever sandbox the units beside it have."""
    lab.ssh("region1", "systemctl start rackyard-syslog-trim.service")


@pytest.mark.parametrize("name", MACHINES)
def test_every_nic_knows_its_switch_port(lab: Lab, demo: str, name: str) -> None:
    ports = set()
    for nic in lab.machine(name)["interface_set"]:
        assert nic["lldp"], f"{name} {nic['name']} has no LLDP neighbour"
        assert nic["lldp"]["chassis_name"] == "rackyard-lab-switch-a"
        ports.add(nic["lldp"]["port_id"])
    assert len(ports) == len(given(name)["nics"]), "each NIC sits on a port of its own"


def test_firmware_and_secure_boot_are_as_given(lab: Lab, demo: str) -> None:
    assert lab.machine("m1")["bios_boot_method"] == "bios"
    assert not lab.machine("m1")["secure_boot"]
    assert lab.machine("m2")["bios_boot_method"] == "uefi"
    assert lab.machine("m2")["secure_boot"] is True


def test_boot_entries_of_uefi_firmware_are_facts(lab: Lab, demo: str) -> None:
    assert lab.machine("m1")["boot_order"] is None
    boot = lab.machine("m2")["boot_order"]
    names = {entry["number"]: entry["name"] for entry in boot["entries"]}
    assert "PXEv4" in names[boot["current"]], "it was commissioned over the network"
    assert boot["order"][0] == boot["current"]


@pytest.mark.parametrize("name", MACHINES)
def test_twelve_steps_are_done_in_order_and_say_by_whom(lab: Lab, demo: str, name: str) -> None:
    system_id = lab.machine(name)["system_id"]
    timeline = lab.region().get(f"machines/{system_id}/", op="boot_timeline")
    steps = timeline["steps"]
    assert [step["step"] for step in steps] == list(range(1, 13))
    assert {step["outcome"] for step in steps} == {"done"}
    times = [step["at"] for step in steps]
    assert times == sorted(times)
    by = {step["step"]: step["by"] for step in steps}
    assert by[1] == "admin"
    assert by[3] == "region1"
    for step in (4, 5, 6, 7, 8, 9):
        assert by[step].startswith("rack1"), by
    assert all(step["detail"] for step in steps)
    assert timeline["diagnosis"] == ""


@pytest.mark.parametrize("name", MACHINES)
def test_every_script_passed_and_apt_reached_its_mirrors_through_the_proxies(lab: Lab, demo: str, name: str) -> None:
    system_id = lab.machine(name)["system_id"]
    results = lab.region().get(f"nodes/{system_id}/results/", include_output="1")
    scripts = {script["name"]: script for result in results for script in result["results"]}
    assert {script["status_name"] for script in scripts.values()} == {"Passed"}
    assert "40-apt-probe" in scripts
    client = lab.ssh("rack1", "grep -hc ' 10.20.0.1[0-9][0-9] ' /var/log/squid/access.log").strip()
    parent = lab.ssh("region1", "grep -hc ' 10.10.0.21 ' /var/log/squid/access.log").strip()
    assert int(client) > 0
    assert int(parent) > 0


@pytest.mark.parametrize("name", MACHINES)
def test_log_lines_of_the_machine_are_on_the_region(lab: Lab, demo: str, name: str) -> None:
    lines = lab.ssh("region1", f"cat /var/log/rackyard/machines/{name}/*.log")
    assert "cloud-init" in lines or "systemd" in lines
    assert not lab.ssh("rack1", "find /var/log/rackyard -type f 2>/dev/null || true").strip()


def test_internal_name_has_the_racks_address_for_fifteen_seconds(lab: Lab, demo: str) -> None:
    name = "10-20-0-0--24.rackyard.internal"
    assert lab.ssh("region1", ask_dns(name, "127.0.0.1")).split() == ["15", "10.20.0.2"]
    ttl, address = lab.ssh("rack1", ask_dns(name, "10.20.0.2")).split()
    assert address == "10.20.0.2"
    assert int(ttl) <= 15


def test_rack_fetched_each_image_once(lab: Lab, demo: str) -> None:
    fetched = lab.ssh(
        "region1", "grep -h 'GET /MAAS/images/.*filesystem.squashfs' /var/log/nginx/*access*.log | grep ' 200 '"
    )
    images = [line.split("/MAAS/images/")[1].split("/")[0] for line in fetched.splitlines()]
    assert len(images) == 2, "a machine of each release booted"
    assert len(set(images)) == 2, "the region served neither image twice"
