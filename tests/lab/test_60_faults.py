# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab breaks what it is told to break, and mends it: hosts that die or hang, machines that lose power, networks
that lose packets or are slow. The lab is whole again after each test."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from lab_site import REGION_URL, ROOT, STATE, Lab, eventually

REGION, RACK = "10.10.0.11", "10.10.0.21"
BMC, OTHER_BMC = "10.30.0.11", "10.30.0.12"
# Run now and then, or by a login.
PASSING = re.compile(r"^(polkit|user@|user-runtime-dir@|session|.*getty|systemd-(hostname|timedate|locale)d)")


@pytest.fixture(autouse=True)
def whole(lab: Lab) -> Iterator[None]:
    yield
    lab.run("lab", "heal")
    lab.run("lab", "start", "rack1")
    assert eventually(lambda: agent_pid(lab) != "0", within_s=40), "the agent does not run again"


def agent_pid(lab: Lab) -> str:
    """The main process of the rack's agent; "0" while it has none."""
    return lab.ssh("rack1", "systemctl show --property=MainPID --value rackyard-rack.service").strip()


def row(lab: Lab, name: str) -> list[str]:
    """What `./run lab status` says of a host or machine, by columns."""
    (found,) = [line.split() for line in lab.run("lab", "status").splitlines() if line.split()[:1] == [name]]
    return found


def ssh_answers(host: str) -> bool:
    command = ["ssh", "-F", str(STATE / "ssh/config"), "-o", "ConnectTimeout=2", "-o", "BatchMode=yes", host, "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def services(lab: Lab, host: str) -> set[str]:
    listed = lab.ssh(host, "systemctl list-units --type=service --state=running --plain --no-legend")
    return {line.split()[0] for line in listed.splitlines() if not PASSING.match(line)}


def pings(lab: Lab, host: str, address: str, count: int = 3) -> int:
    """How many of some echo requests, a fiftieth of a second apart, are answered within a second."""
    said = lab.ssh(host, f"ping -q -n -c {count} -i 0.02 -W 1 {address}", check=False)
    return int(re.findall(r"(\d+) received", said)[0])


def round_trip_ms(lab: Lab, host: str, address: str) -> float:
    """The median of nine round trips; a busy machine delays some of them."""
    said = lab.ssh(host, f"ping -n -c 9 -i 0.05 -W 2 {address}")
    return sorted(float(value) for value in re.findall(r"time=([\d.]+)", said))[4]


def echo_requests_seen(lab: Lab, host: str) -> int:
    """How many echo requests have reached a host's kernel since it booted."""
    names, values = lab.ssh(host, "grep ^Icmp: /proc/net/snmp").splitlines()
    return int(values.split()[names.split().index("InEchos")])


def connections_to_rack(lab: Lab) -> set[str]:
    """The region's established connections with the rack's agent, as the region sees them."""
    return set(re.findall(rf"{RACK}:\d+", lab.ssh("region1", f"ss -Htn state established dst {RACK} sport ge :5250")))


def test_killed_host_says_nothing_more_and_comes_back_with_all_its_services(lab: Lab) -> None:
    before = services(lab, "rack1")
    assert "rackyard-rack.service" in before
    lab.ssh("rack1", "echo kept > /root/kept")
    known = connections_to_rack(lab)
    assert known

    assert "host rack1 killed" in lab.run("lab", "kill", "rack1")
    # Of a host without power nobody hears the end of its connections; one that was idle may have ended just before.
    assert known & connections_to_rack(lab)
    assert not ssh_answers("rack1")
    assert row(lab, "rack1")[2:4] == ["OFF", "-"]
    assert "so already" in lab.run("lab", "kill", "rack1")

    started = datetime.now(UTC)
    assert "host rack1 started" in lab.run("lab", "start", "rack1")
    assert ssh_answers("rack1")
    assert lab.ssh("rack1", "cat /root/kept; rm /root/kept").strip() == "kept"
    assert eventually(lambda: before <= services(lab, "rack1"), within_s=40), before - services(lab, "rack1")
    assert eventually(lambda: agent_was_heard_after(lab, started), within_s=40)
    assert "so already" in lab.run("lab", "start", "rack1")


def agent_was_heard_after(lab: Lab, moment: datetime) -> bool:
    (rack,) = lab.region().get("rackcontrollers/")
    return bool(rack["alive"]) and datetime.fromisoformat(rack["last_seen_at"]) > moment


def test_paused_host_answers_nothing_and_goes_on_where_it_was(lab: Lab) -> None:
    agent = agent_pid(lab)
    assert "host rack1 paused" in lab.run("lab", "pause", "rack1")
    assert pings(lab, "region1", RACK) == 0
    assert not ssh_answers("rack1")
    assert row(lab, "rack1")[2:4] == ["PAUSED", "-"]
    assert "so already" in lab.run("lab", "pause", "rack1")

    assert "host rack1 resumed" in lab.run("lab", "resume", "rack1")
    assert pings(lab, "region1", RACK) == 3
    assert agent_pid(lab) == agent
    assert "so already" in lab.run("lab", "resume", "rack1")


def lab_host(*words: str) -> str:
    """What the playbook of `./run lab up` and `down` runs for hosts."""
    return subprocess.check_output([str(ROOT / "roles/lab_hosts/files/lab-host"), *words], text=True)


def test_broken_hosts_are_brought_up_and_removed_like_others(lab: Lab) -> None:
    described = (STATE / "hosts.d/region1.conf").read_text()
    doomed = {"doomed1": "kill", "doomed2": "pause"}
    for number, name in enumerate(doomed):
        (STATE / f"hosts.d/{name}.conf").write_text(described.replace(f"{REGION}/", f"10.10.0.{98 + number}/"))
    lab_host("up", *doomed)
    lab_host("wait", "30", *doomed)
    for name, verb in doomed.items():
        lab.run("lab", verb, name)
    assert lab_host("up", *doomed) == "changed: host doomed1 started\nchanged: host doomed2 resumed\n"
    lab_host("wait", "30", *doomed)

    for name, verb in doomed.items():
        lab.run("lab", verb, name)
    assert "changed: host doomed1 removed\nchanged: host doomed2 removed\n" in lab_host("down", *doomed)
    for command in (["ip", "-o", "link"], ["ip", "netns"], ["ps", "-eo", "args"], ["cat", "/proc/mounts"]):
        assert "doomed" not in subprocess.check_output(command, text=True)
    assert not list(STATE.rglob("*doomed*"))


def test_partition_stops_every_packet_both_ways_until_it_is_healed(lab: Lab) -> None:
    assert pings(lab, "rack1", REGION) == 3
    lab.run("lab", "partition", "region1", "rack1")
    requests = echo_requests_seen(lab, "region1"), echo_requests_seen(lab, "rack1")
    assert (pings(lab, "rack1", REGION), pings(lab, "region1", RACK)) == (0, 0)
    assert (echo_requests_seen(lab, "region1"), echo_requests_seen(lab, "rack1")) == requests
    status = lab.run("lab", "status")
    assert re.search(r"rack1 +region1 +no packets", status)
    assert re.search(r"region1 +rack1 +no packets", status)

    assert lab.run("lab", "heal", "rack1", "region1") == "rack1 -> region1: healed\nregion1 -> rack1: healed\n"
    assert (pings(lab, "rack1", REGION), pings(lab, "region1", RACK)) == (3, 3)


def test_one_way_partition_lets_requests_through_and_no_answers(lab: Lab) -> None:
    assert pings(lab, "region1", RACK) == 3  # so that both know each other's MAC addresses
    lab.run("lab", "partition", "rack1", "region1", "--one-way")
    reached = echo_requests_seen(lab, "rack1")
    assert pings(lab, "region1", RACK) == 0
    assert echo_requests_seen(lab, "rack1") == reached + 3
    reached = echo_requests_seen(lab, "region1")
    assert pings(lab, "rack1", REGION) == 0
    assert echo_requests_seen(lab, "region1") == reached


def test_bmc_can_be_cut_off(lab: Lab) -> None:
    lab.run("lab", "partition", "rack1", "m1-bmc")
    assert (pings(lab, "rack1", BMC), pings(lab, "rack1", OTHER_BMC)) == (0, 3)


def test_slowness_is_added_to_each_round_trip_and_survives_a_power_cut(lab: Lab) -> None:
    before = round_trip_ms(lab, "rack1", REGION)
    lab.run("lab", "slow", "region1", "rack1", "100", "0")
    for end, other in (("rack1", REGION), ("region1", RACK)):
        # ping cuts off fractions from 100 ms on, so that what the cable took before cannot be subtracted.
        assert 100 <= round_trip_ms(lab, end, other) < before + 140
    assert round_trip_ms(lab, "rack1", "10.10.0.1") < 40, "others are as near as before"
    assert_big_segments_arrive_whole(lab)

    lab.run("lab", "kill", "rack1")
    lab.run("lab", "start", "rack1")
    assert round_trip_ms(lab, "rack1", REGION) >= 100
    lab.run("lab", "heal")
    assert round_trip_ms(lab, "rack1", REGION) < 40


def assert_big_segments_arrive_whole(lab: Lab) -> None:
    """Between containers a kernel leaves cutting into packets and checksums to whoever sends on."""
    kernel = lab.ssh("region1", "ls /var/lib/rackyard/images/*/vmlinuz").split()[0]
    digest, name = kernel.split("/")[-2:]
    program = f"import hashlib, urllib.request as r; data = r.urlopen('{REGION_URL}/images/{digest}/{name}').read()"
    assert lab.ssh("rack1", f'python3 -c "{program}; print(hashlib.sha256(data).hexdigest())"').strip() == digest


def test_loss_hits_some_packets_and_not_all(lab: Lab) -> None:
    lab.run("lab", "slow", "rack1", "region1", "0", "30")
    # 49 % of the round trips are spared both ways; five standard deviations to each side.
    assert 60 <= pings(lab, "rack1", REGION, count=240) <= 175


def test_machine_loses_its_power_and_its_bmc_does_not(lab: Lab) -> None:
    assert "machine m1 started" in lab.run("lab", "start", "m1")
    assert "so already" in lab.run("lab", "start", "m1")
    assert "machine m1 killed" in lab.run("lab", "kill", "m1")
    said = row(lab, "m1")
    assert (said[1], said[-1]) == ("off", "up")
    assert "so already" in lab.run("lab", "kill", "m1")
