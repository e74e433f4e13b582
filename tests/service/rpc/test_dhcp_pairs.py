# SPDX-License-Identifier: GPL-3.0-or-later
"""Two racks of a VLAN: what both are told of each other, and when one is declared dead to the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rackyard.daemons.dhcp import render
from rackyard.region.context import Context
from rackyard.region.services.racks import dhcp_alone, dhcp_turns, enrolment, liveness
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.worker.tasks import racks

from .conftest import RackClient, Server, secret_of
from .play import INTERFACES, declare_network, register_machine

OTHERS = (("mgmt0", "10.10.0.22/24"), ("pxe0", "10.20.0.3/24"), ("bmc0", "10.30.0.3/24"))
ABLE = ("dhcp_pair",)


@pytest.fixture
def pair(api: Any, rack: RackClient, server: Server, world: Context, tmp_path: Path) -> tuple[RackClient, RackClient]:
    """Two racks that serve a subnet together."""
    other = RackClient(server, "rack2", tmp_path)
    assert other.enroll(secret_of(enrolment.mint_token(world, COMMAND_LINE))).status == 200
    rack.register(*INTERFACES, abilities=ABLE)
    other.register(*OTHERS, abilities=ABLE)
    declare_network(api, rack.system_id)
    assert api.put("fabrics/pxe-a/vlans/0/", data={"secondary_rack": "rack2"}).status_code == 200
    return rack, other


def dhcp(rack: RackClient) -> dict[str, Any]:
    section: dict[str, Any] = rack.get("desired").body["dhcp"]
    render(section)
    return section


def say(rack: RackClient, state: str) -> None:
    """What its agent says of its dhcpd; it is heard as well."""
    other = dhcp(rack)["pairs"]
    states = [{"name": each["name"], "own": state, "partner": "normal"} for each in other]
    assert rack.post("services", {"services": [], "dhcp_pairs": states}).status == 200


def events(api: Any, kind: str) -> list[str]:
    told = api.get("events/?op=query&limit=200").get_json()["events"]
    return [event["description"] for event in told if event["type"] == kind]


def fall_silent(world: Context, survivor: RackClient) -> None:
    """The other rack says nothing any more, and the region takes notice."""
    world.clock.advance(liveness.SILENCE_S + 1)  # type: ignore[attr-defined]  # a test's clock
    say(survivor, "normal")
    racks.bury_dead_racks(world)


def test_both_are_told_of_each_other_by_the_network_of_the_regions(pair: tuple[RackClient, RackClient]) -> None:
    first, second = (dhcp(rack) for rack in pair)
    name = f"pair-{pair[0].system_id}-{pair[1].system_id}"
    common = {"name": name, "mclt_s": 300, "partner_down": None}
    assert first["pairs"] == [{**common, "role": "primary", "address": "10.10.0.21", "peer_address": "10.10.0.22"}]
    assert second["pairs"] == [{**common, "role": "secondary", "address": "10.10.0.22", "peer_address": "10.10.0.21"}]
    assert [section["networks"][0]["subnets"][0]["pair"] for section in (first, second)] == [name, name]
    assert [section["networks"][0]["subnets"][0]["next_server"] for section in (first, second)] == [
        "10.20.0.2",
        "10.20.0.3",
    ]


def test_racks_without_a_network_to_the_regions_speak_by_the_subnet(pair: tuple[RackClient, RackClient]) -> None:
    pair[1].register(("mgmt0", "10.11.0.22/24"), OTHERS[1], abilities=ABLE)
    (told,) = dhcp(pair[0])["pairs"]
    assert (told["address"], told["peer_address"]) == ("10.20.0.2", "10.20.0.3")


@pytest.mark.parametrize("old", [0, 1])
def test_beside_an_agent_of_the_release_before_the_primary_serves_alone(
    pair: tuple[RackClient, RackClient], old: int
) -> None:
    pair[old].register(*(INTERFACES, OTHERS)[old])
    first, second = (dhcp(rack) for rack in pair)
    assert first["pairs"] == second["pairs"] == second["networks"] == []
    assert "pair" not in first["networks"][0]["subnets"][0]


def test_subnet_where_one_of_them_has_no_address_is_the_others_alone(
    api: Any, pair: tuple[RackClient, RackClient]
) -> None:
    vlan = api.get("fabrics/pxe-a/vlans/0/").get_json()["id"]
    assert api.post("subnets/", data={"name": "more", "cidr": "10.21.0.0/24", "vlan": vlan}).status_code == 200
    pair[1].register(*OTHERS, ("pxe1", "10.21.0.3/24"), abilities=ABLE)
    first, second = (dhcp(rack)["networks"][0]["subnets"] for rack in pair)
    assert [subnet["cidr"] for subnet in first] == ["10.20.0.0/24"]
    assert [("pair" in subnet, subnet["cidr"]) for subnet in second] == [
        (True, "10.20.0.0/24"),
        (False, "10.21.0.0/24"),
    ]


def test_revoked_partner_is_none(api: Any, pair: tuple[RackClient, RackClient], world: Context) -> None:
    enrolment.revoke(world, COMMAND_LINE, pair[1].system_id)
    section = dhcp(pair[0])
    assert section["pairs"] == []
    assert "pair" not in section["networks"][0]["subnets"][0]


def test_partner_is_dead_when_region_and_partner_say_so_and_back_when_it_is_heard(
    api: Any, pair: tuple[RackClient, RackClient], world: Context
) -> None:
    survivor, dead = pair
    say(survivor, "normal")
    say(dead, "normal")
    fall_silent(world, survivor)
    assert dhcp_alone.judge(world) == 0, "dhcpd hears it"
    assert dhcp(survivor)["pairs"][0]["partner_down"] is None
    say(survivor, "communications-interrupted")
    assert dhcp_alone.judge(world) == 1
    assert dhcp_alone.judge(world) == 0
    number = dhcp(survivor)["pairs"][0]["partner_down"]
    assert number > 0
    assert "rack2 is dead" in events(api, "DHCP_PARTNER_DOWN")[0]
    say(survivor, "partner-down")

    say(dead, "recover")
    assert dhcp_alone.judge(world) == 1
    assert dhcp(survivor)["pairs"][0]["partner_down"] is None
    assert "rack2 is heard again" in events(api, "DHCP_PARTNER_BACK")[0]

    # Its next death is another one.
    fall_silent(world, survivor)
    say(survivor, "communications-interrupted")
    assert dhcp_alone.judge(world) == 1
    assert dhcp(survivor)["pairs"][0]["partner_down"] > number


def test_racks_that_only_lost_each_other_go_on_with_half_a_pool_each(
    pair: tuple[RackClient, RackClient], world: Context
) -> None:
    for rack in pair:
        say(rack, "communications-interrupted")
    assert dhcp_alone.judge(world) == 0
    assert [dhcp(rack)["pairs"][0]["partner_down"] for rack in pair] == [None, None]


def test_word_of_the_survivor_from_before_the_death_does_not_count(
    pair: tuple[RackClient, RackClient], world: Context, execute: Any
) -> None:
    survivor, _dead = pair
    say(survivor, "communications-interrupted")
    execute("UPDATE dhcp_pair_state SET updated_at = updated_at - interval '2 minutes'")
    world.clock.advance(liveness.SILENCE_S + 1)  # type: ignore[attr-defined]  # a test's clock
    dhcp(survivor)
    racks.bury_dead_racks(world)
    assert dhcp_alone.judge(world) == 0


def test_rack_that_comes_back_after_its_partner_went_on_alone_waits_for_that_ones_leases(
    pair: tuple[RackClient, RackClient], world: Context
) -> None:
    first, second = pair
    say(second, "partner-down")
    fall_silent(world, first)
    say(first, "communications-interrupted")
    assert dhcp_alone.judge(world) == 0
    world.clock.advance(dhcp_alone.LEASES_END.total_seconds())  # type: ignore[attr-defined]  # a test's clock
    say(first, "communications-interrupted")
    assert dhcp_alone.judge(world) == 1


def test_it_waits_as_long_as_the_leases_of_that_one_last(
    pair: tuple[RackClient, RackClient], world: Context, execute: Any
) -> None:
    first, second = pair
    say(second, "partner-down")
    execute(
        "INSERT INTO lease (ip, mac, rack_id, state, at, expires_at) SELECT '10.20.0.150', '52:54:00:00:00:99', id, "
        "'commit', now(), now() + interval '5 hours' FROM rack WHERE system_id = %s",
        (second.system_id,),
    )
    fall_silent(world, first)
    # The clock goes on, and what was heard is set back: both count.
    for hours, declared in ((2, 0), (1, 1)):
        world.clock.advance(hours * 3600)  # type: ignore[attr-defined]  # a test's clock
        say(first, "communications-interrupted")
        assert dhcp_alone.judge(world) == declared


def test_state_of_the_pair_shows_with_its_changes(api: Any, pair: tuple[RackClient, RackClient]) -> None:
    say(pair[0], "normal")
    say(pair[0], "normal")
    say(pair[0], "communications-interrupted")
    name = f"pair-{pair[0].system_id}-{pair[1].system_id}"
    assert events(api, "DHCP_PAIR") == [
        f"dhcpd of rack1 in {name}: normal -> communications-interrupted",
        f"dhcpd of rack1 in {name}: new -> normal",
    ]


def test_pair_that_is_parted_leaves_no_declaration(
    api: Any, pair: tuple[RackClient, RackClient], world: Context, execute: Any
) -> None:
    survivor, _dead = pair
    fall_silent(world, survivor)
    say(survivor, "communications-interrupted")
    assert dhcp_alone.judge(world) == 1
    assert api.put("fabrics/pxe-a/vlans/0/", data={"secondary_rack": ""}).status_code == 200
    dhcp_alone.judge(world)
    assert execute("SELECT count(*) FROM dhcp_partner_down") == [(0,)]


def pools(rack: RackClient) -> int:
    """How many pools it serves; its agent has applied and reported whatever it got."""
    return len(dhcp(rack)["networks"][0]["subnets"][0]["pools"])


def applied(rack: RackClient) -> None:
    body = {"generation": rack.get("desired").body["generation"], "daemons": {"dhcp": {"ok": True, "message": ""}}}
    assert rack.post("applied", body).status == 200


def let_pass(execute: Any, seconds: float) -> None:
    """On PostgreSQL's clock."""
    execute(
        "UPDATE dhcp_turn SET taken_at = taken_at - %s * interval '1 s', ended_at = ended_at - %s * interval '1 s'",
        (seconds, seconds),
    )


@pytest.fixture
def settled(pair: tuple[RackClient, RackClient], execute: Any) -> tuple[RackClient, RackClient]:
    """Both serve."""
    for rack in pair:
        assert pools(rack) == 1
        applied(rack)
    let_pass(execute, dhcp_turns.REUNION_S + 1)
    return pair


def one_more_pool(api: Any) -> None:
    more = {"type": "dynamic", "start_ip": "10.20.0.210", "end_ip": "10.20.0.220"}
    assert api.post("ipranges/", data=more).status_code == 200


def test_change_of_a_pool_restarts_one_rack_at_a_time(
    api: Any, settled: tuple[RackClient, RackClient], execute: Any
) -> None:
    first, second = settled
    one_more_pool(api)
    assert pools(second) == 2, "whoever asks first"
    assert pools(first) == 1, "the other one waits"
    assert pools(second) == 2
    register_machine(api)
    assert len(dhcp(first)["hosts"]) == 1, "what restarts nothing waits for nobody"
    applied(second)
    assert pools(first) == 1, "and for the reunion"
    let_pass(execute, dhcp_turns.REUNION_S + 1)
    assert pools(first) == 2


def test_rack_that_waits_for_its_turn_has_it_within_its_poll(
    api: Any, settled: tuple[RackClient, RackClient], execute: Any
) -> None:
    first, second = settled
    one_more_pool(api)
    assert pools(second) == 2
    etag = first.get("desired").headers["ETag"]
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(first.get, "desired?wait=20", {"If-None-Match": etag})
        applied(second)
        let_pass(execute, dhcp_turns.REUNION_S + 1)
        answer = waiting.result(15)
    assert len(answer.body["dhcp"]["networks"][0]["subnets"][0]["pools"]) == 2


@pytest.mark.parametrize("why", ["silent", "never says"])
def test_partner_that_does_not_end_its_turn_holds_up_nobody_for_long(
    api: Any, settled: tuple[RackClient, RackClient], execute: Any, why: str
) -> None:
    first, second = settled
    one_more_pool(api)
    assert (pools(second), pools(first)) == (2, 1)
    if why == "silent":
        execute("UPDATE rack SET alive = false WHERE hostname = 'rack2'")
    else:
        let_pass(execute, dhcp_turns.TURN_S + 1)
    assert pools(first) == 2


def test_new_pair_begins_together_and_so_does_one_that_was_parted(
    api: Any, settled: tuple[RackClient, RackClient], world: Context
) -> None:
    for secondary, pairs in (("", 0), ("rack2", 1)):
        assert api.put("fabrics/pxe-a/vlans/0/", data={"secondary_rack": secondary}).status_code == 200
        assert [len(dhcp(each)["pairs"]) for each in settled] == [pairs, pairs]
        dhcp_alone.judge(world)


def test_declaration_waits_for_no_turn(api: Any, settled: tuple[RackClient, RackClient], world: Context) -> None:
    first, second = settled
    one_more_pool(api)
    assert (pools(second), pools(first)) == (2, 1)
    world.clock.advance(liveness.SILENCE_S + 1)  # type: ignore[attr-defined]  # a test's clock
    say(first, "communications-interrupted")
    racks.bury_dead_racks(world)
    assert dhcp_alone.judge(world) == 1
    assert dhcp(first)["pairs"][0]["partner_down"] is not None
