# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real dhcpds that serve subnets together: both answer, one dies, the other goes on alone, the first returns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .dhcp_pair import PAIR, Site
from .namespace import wait_until

MCLT_S = 20
MACHINES = [f"52:54:00:00:00:{number:02x}" for number in range(16)]


def network(number: int, last: int) -> dict[str, Any]:
    pools = [{"start": f"10.{number}.0.100", "end": f"10.{number}.0.{last}"}]
    subnet = {"cidr": f"10.{number}.0.0/24", "domain_name": "rackyard.internal", "pools": pools}
    return {"name": f"vlan-{number}", "mtu": 1500, "subnets": [subnet]}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Machines are registered, as the agents tell both dhcpds; of the second network they have six addresses."""
    made = Site(tmp_path, [network(20, 199), network(21, 105)], MCLT_S)
    try:
        made.start()
        for rack in made.racks:
            rack.hosts = MACHINES
            assert rack.agent("tell").count("+host") == len(MACHINES)
        yield made
    finally:
        made.stop()


def took(began: float) -> float:
    return round(time.monotonic() - began, 1)


def given_out(site: Site, macs: list[str]) -> set[str]:
    """The addresses that machines get of the small pool."""
    leases = [site.lease(each, network=1, timeout_s=4) for each in macs]
    return {lease["address"] for lease in leases if lease}


def whole_lease(site: Site, mac: str, within_s: float = 20) -> dict[str, Any] | None:
    """What the system gets that asks again: all of it as soon as the partner has acknowledged the first one."""
    give_up_at = time.monotonic() + within_s
    while True:
        lease = site.lease(mac, "--vendor-class", "systemd")
        if lease is None or lease["lease_s"] == 600 or time.monotonic() > give_up_at:
            return lease


@pytest.mark.alone
def test_pair_from_balance_through_death_to_return(site: Site) -> None:
    # Both answer, and what a machine has it keeps from firmware to system, whoever answers.
    first = {}
    for mac in MACHINES[:8]:
        as_firmware, as_system = site.lease(mac), whole_lease(site, mac)
        assert as_firmware is not None
        assert as_system is not None
        assert as_system["address"] == as_firmware["address"]
        assert as_system["lease_s"] == 600, "the whole lease, once the partner knows of the first one"
        first[mac] = as_system
    assert {lease["server"] for lease in first.values()} == {"10.20.0.2", "10.20.0.3"}, "both answer"

    # One is gone as by a power cut. Machines of either keep their address at the other.
    site.primary.kill()
    killed = time.monotonic()
    mine = [mac for mac in MACHINES[:8] if first[mac]["server"] == "10.20.0.2"]
    known = [site.lease(mine[0])]
    gap_s = took(killed)
    known += [site.lease(mac) for mac in mine[1:]]
    assert [lease and lease["address"] for lease in known] == [first[mac]["address"] for mac in mine]
    assert gap_s < 25
    wait_until(lambda: site.secondary.state() == "communications-interrupted", "the survivor's notice", 20)
    assert "does not hear its partner" in site.secondary.agent("states")["line"]["info"]
    new = site.lease(MACHINES[9])
    assert new is not None, "a machine that was never seen gets one of the survivor's own half"
    half = given_out(site, MACHINES[:5])
    assert 0 < len(half) < 6, half

    # The region declares the partner dead; after the lead time the survivor has all addresses.
    site.secondary.declared = 7
    assert site.secondary.agent("tell") == f"{PAIR}: communications-interrupted -> partner-down\n"
    declared = time.monotonic()
    assert site.secondary.agent("tell") == ""
    again = time.monotonic()
    new = site.lease(MACHINES[10])
    new_s = took(again)
    assert new is not None
    time.sleep(max(0.0, MCLT_S + 1 - (time.monotonic() - declared)))
    wait_until(lambda: len(given_out(site, MACHINES[:7])) == 6, "the whole pool", 120)

    # The partner is back: dhcpd brings both together by itself, and nothing that was given out is given twice.
    site.primary.restart()
    returned = time.monotonic()
    wait_until(lambda: [rack.state() for rack in site.racks] == ["normal", "normal"], "the reunion", 60)
    together_s = took(returned)
    for each, before in ((mine[0], known[0]), (MACHINES[10], new)):
        after = site.lease(each)
        assert (after and after["address"]) == (before and before["address"])
    print(
        f"first acknowledgement to a machine of the dead rack {gap_s} s after the death;",
        f"a new one, by the rack that goes on alone, in {new_s} s;",
        f"{together_s} s after its return both were together",
    )


def test_addresses_leased_before_the_rack_had_a_partner_stay(tmp_path: Path) -> None:
    site = Site(tmp_path, [network(20, 199)], MCLT_S)
    try:
        site.primary.alone = True
        site.primary.start()
        before = {mac: site.lease(mac) for mac in MACHINES[:3]}
        site.primary.stop()
        site.primary.alone = False
        site.start()
        for mac, lease in before.items():
            after = site.lease(mac)
            assert after is not None
            assert lease is not None
            assert after["address"] == lease["address"]
    finally:
        site.stop()


def test_rack_that_never_saw_its_partner_and_starts_again_goes_on_alone(tmp_path: Path) -> None:
    site = Site(tmp_path, [network(20, 199)], MCLT_S)
    rack = site.primary
    try:
        rack.start()
        assert site.lease(MACHINES[0], timeout_s=3) is None, "it cannot know what the partner has given out"
        rack.declared = 1
        assert rack.agent("tell").endswith("-> partner-down\n")
        lease = site.lease(MACHINES[0])
        assert lease is not None
        rack.stop()
        rack.start()
        wait_until(lambda: rack.state() == "partner-down", "the state after a restart")
        again = site.lease(MACHINES[0])
        assert again is not None
        assert again["address"] == lease["address"]
    finally:
        site.stop()
