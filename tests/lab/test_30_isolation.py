# SPDX-License-Identifier: GPL-3.0-or-later
"""What went over the wires during the demo: machines talk to the rack only, BMCs are talked to by the rack only.

And what hosts answer each other.
"""

from __future__ import annotations

import pytest
from lab_site import Lab, given

RACK = "10.20.0.2"
MACHINE_MACS = [nic["mac"] for name in ("m1", "m2") for nic in given(name)["nics"]]
FROM_MACHINES = "(" + " or ".join(f"ether src {mac}" for mac in MACHINE_MACS) + ")"
TO_MACHINES = "(" + " or ".join(f"ether dst {mac}" for mac in MACHINE_MACS) + ")"


@pytest.fixture(scope="module", autouse=True)
def complete_captures(lab: Lab) -> None:
    assert set(lab.captures) == {"ry-pxe-a", "ry-bmc-a"}, "the demo's test starts the captures"
    for capture in lab.captures.values():
        capture.stop()


def test_machines_send_packets_to_nobody_but_the_rack(lab: Lab) -> None:
    wire = lab.captures["ry-pxe-a"]
    assert wire.frames(f"{FROM_MACHINES} and ip dst host {RACK}"), "the capture must hold the demo's traffic"
    assert wire.frames(f"{FROM_MACHINES} and ip and not (dst host {RACK} or broadcast or multicast)") == []


def test_machines_get_packets_from_nobody_but_the_rack(lab: Lab) -> None:
    wire = lab.captures["ry-pxe-a"]
    assert wire.frames(f"{TO_MACHINES} and ip and not src host {RACK}") == []
    assert wire.frames(f"{TO_MACHINES} and ip6 and not src net fe80::/10") == []


@pytest.mark.parametrize(
    ("service", "expression"),
    [
        ("DHCP", "udp dst port 67"),
        ("TFTP", "udp dst port 69"),
        ("DNS", f"udp dst port 53 and dst host {RACK}"),
        ("NTP", f"udp dst port 123 and dst host {RACK}"),
        ("boot HTTP and metadata", f"tcp dst port 5248 and dst host {RACK}"),
        ("APT proxy", f"tcp dst port 8000 and dst host {RACK}"),
        ("syslog", f"dst port 5247 and dst host {RACK}"),
    ],
)
def test_machines_use_the_racks_service(lab: Lab, service: str, expression: str) -> None:
    assert lab.captures["ry-pxe-a"].frames(f"{FROM_MACHINES} and {expression}"), f"no {service} traffic to the rack"


def test_bmcs_are_talked_to_by_the_rack_only(lab: Lab) -> None:
    wire = lab.captures["ry-bmc-a"]
    bmcs = " or ".join(f"host {given(name)['bmc']['address']}" for name in ("m1", "m2"))
    assert wire.frames(f"udp port 623 and ({bmcs}) and host 10.30.0.2")
    assert wire.frames(f"ip and ({bmcs}) and not host 10.30.0.2") == []


def answering(target: str) -> str:
    """A shell command that prints the TCP ports of an address which let a connection in."""
    return (
        "python3 - <<'PY'\n"
        "import concurrent.futures, socket\n"
        "def ask(port):\n"
        "    with socket.socket() as link:\n"
        "        link.settimeout(2)\n"
        f"        return port if not link.connect_ex(('{target}', port)) else None\n"
        "ports = [22, 53, 80, 443, 647, 5239, 5240, *range(5245, 5271), 5432, 5443, 7911, 8000, 8001]\n"
        "with concurrent.futures.ThreadPoolExecutor(64) as pool:\n"
        "    print(*filter(None, pool.map(ask, ports)))\n"
        "PY"
    )


@pytest.mark.parametrize(
    ("source", "target", "ports"),
    [
        ("rack1", "10.10.0.11", "53 5240 5245 5247 5250 5251 8000"),
        ("region1", "10.10.0.21", ""),
        # Its own: the scan finds what listens.
        ("rack1", "127.0.0.1", "22 53 5246 5247 5248 5249 7911 8000"),
    ],
    ids=["rack to region", "region to rack", "rack to itself"],
)
def test_hosts_answer_each_other_as_the_table_of_ports_says(lab: Lab, source: str, target: str, ports: str) -> None:
    assert lab.ssh(source, answering(target)).strip() == ports
