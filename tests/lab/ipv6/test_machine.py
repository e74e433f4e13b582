# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that is commissioned in a network of IPv6 only: what came of it, and what went over its wire."""

from __future__ import annotations

import pytest
from lab_site import Lab, recap

INVENTORY = "inventory/lab_ipv6"
MACHINE = "m4"
MAC = "52:54:00:21:04:01"
RACK = "2001:db8:21::2"
FROM_MACHINE, TO_MACHINE = f"ether src {MAC}", f"ether dst {MAC}"


@pytest.fixture(scope="module")
def demo(lab: Lab) -> str:
    lab.capture("ry-pxe-b")
    said = lab.run("demo", "--topology", "ipv6")
    lab.captures["ry-pxe-b"].stop()
    return said


def scripts(lab: Lab) -> dict[str, dict[str, str]]:
    """What the machine's scripts said, by name."""
    results = lab.region().get(f"nodes/{lab.machine(MACHINE)['system_id']}/results/", include_output="1")
    return {script["name"]: script for result in results for script in result["results"]}


def test_machine_is_ready_after_twelve_steps(lab: Lab, demo: str) -> None:
    machine = lab.machine(MACHINE)
    assert (machine["status_name"], machine["power_state"]) == ("Ready", "off")
    timeline = lab.region().get(f"machines/{machine['system_id']}/", op="boot_timeline")
    assert [(step["step"], step["outcome"]) for step in timeline["steps"]] == [(n, "done") for n in range(1, 13)]
    detail = {step["step"]: step["detail"] for step in timeline["steps"]}
    for step in (5, 7, 10):
        assert "2001:db8:21::1:" in detail[step], detail
    assert "by HTTP" in detail[6]


def test_firmware_booted_by_http_over_ipv6_with_secure_boot(lab: Lab, demo: str) -> None:
    machine = lab.machine(MACHINE)
    assert machine["secure_boot"] is True
    boot = machine["boot_order"]
    names = {entry["number"]: entry["name"] for entry in boot["entries"]}
    assert "HTTPv6" in names[boot["current"]]


def test_every_script_passed_and_apt_reached_its_mirrors_through_the_proxies(lab: Lab, demo: str) -> None:
    found = scripts(lab)
    assert {script["status_name"] for script in found.values()} == {"Passed"}
    assert "40-apt-probe" in found
    assert int(lab.ssh("rack1", "grep -c ' 2001:db8:21::1:' /var/log/squid/access.log").strip()) > 0


def test_log_lines_of_the_machine_are_on_the_region(lab: Lab, demo: str) -> None:
    assert "cloud-init" in lab.ssh("region1", f"cat /var/log/rackyard/machines/{MACHINE}/*.log")


def test_switch_port_is_known(lab: Lab, demo: str) -> None:
    (nic,) = lab.machine(MACHINE)["interface_set"]
    assert (nic["lldp"]["chassis_name"], nic["lldp"]["port_id"]) == ("rackyard-lab-switch-b", "swb-m4-1")


def test_machine_has_no_address_of_ipv4_and_nobody_speaks_it(lab: Lab, demo: str) -> None:
    wire = lab.captures["ry-pxe-b"]
    assert wire.frames(f"{FROM_MACHINE} and ip6"), "the capture must hold the demo's traffic"
    # Firmware asks for an address of IPv4, and hears nothing.
    assert wire.frames(f"ip and {FROM_MACHINE} and not (src host 0.0.0.0 and udp dst port 67)") == []
    assert wire.frames(f"ip and not {FROM_MACHINE}") == []


def test_machine_talks_to_nobody_but_the_rack(lab: Lab, demo: str) -> None:
    wire = lab.captures["ry-pxe-b"]
    # What stays on the link: questions to all, and answers between neighbours.
    for direction, here in ((FROM_MACHINE, "dst"), (TO_MACHINE, "src")):
        allowed = f"{here} host {RACK} or {here} net fe80::/10 or {here} net ff00::/8"
        assert wire.frames(f"{direction} and ip6 and {here} host {RACK}")
        assert wire.frames(f"{direction} and ip6 and not ({allowed})") == []


@pytest.mark.parametrize(
    ("service", "expression"),
    [
        ("DHCP", "udp dst port 547"),
        ("DNS", f"udp dst port 53 and dst host {RACK}"),
        ("NTP", f"udp dst port 123 and dst host {RACK}"),
        ("boot HTTP and metadata", f"tcp dst port 5248 and dst host {RACK}"),
        ("APT proxy", f"tcp dst port 8000 and dst host {RACK}"),
        ("syslog", f"dst port 5247 and dst host {RACK}"),
    ],
)
def test_machine_uses_the_racks_service(lab: Lab, demo: str, service: str, expression: str) -> None:
    assert lab.captures["ry-pxe-b"].frames(f"ip6 and {FROM_MACHINE} and {expression}"), f"no {service} to the rack"


def test_second_run_changes_nothing(lab: Lab, demo: str) -> None:
    hosts = recap(lab.playbook("site", inventory=INVENTORY))
    assert {host: numbers["changed"] for host, numbers in hosts.items()} == dict.fromkeys(hosts, 0)
    assert {"region1", "rack1"} <= set(hosts)
