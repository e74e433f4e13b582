# SPDX-License-Identifier: GPL-3.0-or-later
"""The desired state: what a rack is told, when it is told, and that its daemons' renderers take it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from rackyard.daemons.dhcp import render as render_dhcp
from rackyard.daemons.registry import DAEMONS
from rackyard.region.context import Context
from rackyard.region.db.racks.identity import Rack
from rackyard.region.services.racks import desired, enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.worker.own_daemons import beat
from rackyard.region.worker.tasks import racks

from .conftest import MovableClock, RackClient, secret_of
from .play import INTERFACES, AgentPlay, another, declare_network, register_machine


@pytest.fixture
def served(api: Any, rack: RackClient) -> RackClient:
    """A rack that serves a declared network with one machine."""
    rack.register(*INTERFACES)
    declare_network(api, rack.system_id)
    register_machine(api)
    return rack


def test_document_says_what_the_rack_serves(served: RackClient):
    body = served.get("desired").body
    assert body["rack"] == {"system_id": served.system_id, "hostname": "rack1"}
    (network,) = body["dhcp"]["networks"]
    assert network["mtu"] == 1500
    assert network["subnets"] == [
        {
            "cidr": "10.20.0.0/24",
            "next_server": "10.20.0.2",
            "routers": [],
            "dns_servers": ["10.20.0.2"],
            "ntp_servers": ["10.20.0.2"],
            "domain_name": "rackyard.internal",
            "pools": [{"start": "10.20.0.100", "end": "10.20.0.200"}],
        }
    ]
    assert body["dns"] == {"forwarders": ["10.10.0.11"], "trusted": ["10.20.0.0/24"]}
    assert body["http"] == {
        "regions": [{"address": "10.10.0.11", "port": 5240}],
        "tls_regions": [{"address": "10.10.0.11", "port": 5250}, {"address": "10.10.0.11", "port": 5251}],
    }
    assert body["syslog"]["targets"] == [{"address": "10.10.0.11", "port": 5247}]
    assert body["syslog"]["relp_targets"] == [{"address": "10.10.0.11", "port": 5245}]
    # Networks of the BMC and of the controllers; of the machines' network only the rack.
    assert body["proxy"]["forbidden"] == ["10.10.0.0/24", "10.20.0.2/32", "10.30.0.0/24"]


def test_one_more_bmc_in_a_known_network_is_no_news_for_any_proxy(api: Any, served: RackClient, world: Context):
    before = served.get("desired").body["proxy"], desired.for_region(world).body["proxy"]
    register_machine(api, "m2", "52:54:00:00:00:02", "10.30.0.12")
    assert (served.get("desired").body["proxy"], desired.for_region(world).body["proxy"]) == before
    register_machine(api, "m3", "52:54:00:00:00:03", "10.99.7.12")
    assert "10.99.7.0/24" in served.get("desired").body["proxy"]["forbidden"], "behind a router, in no known network"


def test_registered_machine_is_known_to_a_waiting_rack_within_a_second_and_changes_no_file_of_dhcpd(
    api: Any, served: RackClient
):
    first = served.get("desired")
    (mac,) = first.body["dhcp"]["hosts"]
    answers: list[Any] = []

    def wait(known: Any) -> None:
        answers.append((served.get("desired?wait=20", {"If-None-Match": known.headers["ETag"]}), time.monotonic()))

    def answer_to(change: Callable[[], object], known: Any) -> Any:
        answers.clear()
        waiting = threading.Thread(target=wait, args=[known])
        waiting.start()
        time.sleep(1)
        began = time.monotonic()
        change()
        waiting.join(25)
        answer, at = answers[0]
        assert at - began < 2
        return answer

    second = answer_to(lambda: register_machine(api, "m2", "52:54:00:00:0a:02", "10.30.0.12"), first)
    assert sorted([mac, "52:54:00:00:0a:02"]) == second.body["dhcp"]["hosts"]
    assert render_dhcp(second.body["dhcp"]) == render_dhcp(first.body["dhcp"])
    (m2,) = (each for each in api.get("machines/").get_json() if each["hostname"] == "m2")
    third = answer_to(lambda: api.delete(f"machines/{m2['system_id']}/"), second)
    assert third.body["dhcp"]["hosts"] == [mac]
    device = {"hostname": "sw1", "mac_addresses": "52:54:00:00:0a:03"}
    fourth = answer_to(lambda: api.post("devices/", data=device), third)
    assert fourth.body["dhcp"]["hosts"] == sorted([mac, "52:54:00:00:0a:03"]), "a device is no stranger either"
    (sw1,) = api.get("devices/").get_json()
    assert answer_to(lambda: api.delete(f"devices/{sw1['system_id']}/"), fourth).body["dhcp"]["hosts"] == [mac]


def test_racks_resolver_comes_before_the_subnets_own(api: Any, served: RackClient):
    subnet = api.get("subnets/").json[0]
    api.put(f"subnets/{subnet['id']}/", data={"dns_servers": "10.99.0.53 10.20.0.2"})
    (network,) = served.get("desired").body["dhcp"]["networks"]
    assert network["subnets"][0]["dns_servers"] == ["10.20.0.2", "10.99.0.53"]


def test_dhcp_tells_the_route_of_the_lowest_metric_to_each_subnet(api: Any, served: RackClient):
    before = served.get("desired").body["dhcp"]
    assert "routes" not in before["networks"][0]["subnets"][0]
    own = api.get("subnets/").json[0]["cidr"]
    for name, cidr in (("far", "10.98.0.0/16"), ("store", "10.97.0.0/24")):
        assert api.post("subnets/", data={"name": name, "cidr": cidr, "managed": "false"}).status_code == 200
    for destination, gateway, metric in (("far", 8, 5), ("store", 7, 0), ("far", 9, 1)):
        route = {"source": own, "destination": destination, "gateway_ip": f"10.20.0.{gateway}", "metric": metric}
        assert api.post("static-routes/", data=route).status_code == 200
    section = served.get("desired").body["dhcp"]
    (network,) = section["networks"]
    assert network["subnets"][0]["routes"] == [
        {"destination": "10.97.0.0/24", "gateway": "10.20.0.7"},
        {"destination": "10.98.0.0/16", "gateway": "10.20.0.9"},
    ]
    assert "24, 10, 97, 0, 10, 20, 0, 7, 16, 10, 98, 10, 20, 0, 9" in render_dhcp(section).decode()
    for name in ("far", "store"):
        assert api.delete(f"subnets/{name}/").status_code == 204
    assert served.get("desired").body["dhcp"] == before


def test_dhcp_names_every_rack_of_the_subnet_living_or_not_the_serving_one_first(
    api: Any, served: RackClient, world: Context, tmp_path: Any
):
    api.put("subnets/1/", data={"dns_servers": "10.99.0.53"})
    another(served.server, world, tmp_path, "rack2", ("pxe0", "10.20.0.9/24"), ("mgmt0", "10.10.0.22/24"))
    another(served.server, world, tmp_path, "rack0", ("pxe0", "10.20.0.1/24"), ("pxe0", "10.20.0.8/24"))
    before = served.get("desired")
    (subnet,) = before.body["dhcp"]["networks"][0]["subnets"]
    assert subnet["next_server"] == "10.20.0.2"
    assert subnet["ntp_servers"] == ["10.20.0.2", "10.20.0.1", "10.20.0.9"]
    assert subnet["dns_servers"] == ["10.20.0.2", "10.20.0.1", "10.20.0.9", "10.99.0.53"]
    world.clock.advance(36)
    assert served.get("desired").status == 200
    assert racks.bury_dead_racks(world) == 2
    after = served.get("desired")
    assert after.headers["ETag"] == before.headers["ETag"], "a death is no news for dhcpd"
    enrolment.revoke_by_hostname(world, COMMAND_LINE, "rack0")
    (subnet,) = served.get("desired").body["dhcp"]["networks"][0]["subnets"]
    assert subnet["ntp_servers"] == ["10.20.0.2", "10.20.0.9"]


def test_every_renderer_takes_the_documents(served: RackClient, world: Context):
    for document in (served.get("desired").body, desired.for_region(world).body):
        for daemon in DAEMONS:
            if daemon.name in document:
                # Where the files of reverse zones are, a region's worker adds.
                more = {"zones": "/var/lib/rackyard/dns/zones"} if daemon.name == "dns" else {}
                content = daemon.render({**document[daemon.name], **more})
                # There is no IPv6 here, and then nothing to run.
                assert content or daemon.name in ("dhcp6", "ra")


def test_same_content_has_the_same_etag_and_generation(served: RackClient):
    first, second = served.get("desired"), served.get("desired")
    assert first.headers["ETag"] == second.headers["ETag"]
    assert first.body == second.body
    unchanged = served.get("desired", {"If-None-Match": first.headers["ETag"]})
    assert unchanged.status == 304


def test_change_answers_a_waiting_rack_within_a_second_with_the_next_generation(api: Any, served: RackClient):
    first = served.get("desired")
    answers: list[Any] = []

    def wait() -> None:
        answers.append((served.get("desired?wait=20", {"If-None-Match": first.headers["ETag"]}), time.monotonic()))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(1)
    began = time.monotonic()
    subnet = api.get("subnets/").get_json()[0]
    assert api.put(f"subnets/{subnet['id']}/", data={"gateway_ip": "10.20.0.1"}).status_code == 200
    waiting.join(20)
    answer, at = answers[0]
    assert answer.body["generation"] == first.body["generation"] + 1
    assert answer.body["dhcp"]["networks"][0]["subnets"][0]["routers"] == ["10.20.0.1"]
    assert at - began < 2


def test_refused_configuration_shows_the_checkers_words(api: Any, served: RackClient):
    generation = served.get("desired").body["generation"]
    words = "isc-dhcp-server refuses the new configuration: line 3: semicolon expected"
    daemons = {"dhcp": {"ok": False, "message": words, "changed": False}, "dns": {"ok": True, "message": ""}}
    assert served.post("applied", {"generation": generation, "daemons": daemons}).status == 200
    assert served.post("applied", {"generation": generation, "daemons": daemons}).status == 200
    events = api.get("events/?op=query&level=ERROR").get_json()["events"]
    assert [event["type"] for event in events] == ["DAEMON_REFUSED"], "said once"
    assert words in events[0]["description"]
    services = {"services": [{"name": "dhcp", "state": "degraded", "info": "last good configuration"}]}
    assert served.post("services", services).status == 200
    assert served.post("services", {"services": [{"name": "dhcp", "state": "fine"}]}).status == 400


def test_region_lets_racks_and_managed_subnets_in_and_nobody_else(served: RackClient, world: Context):
    document = desired.for_region(world).body
    assert document["dns"]["trusted"] == ["10.10.0.21/32", "10.20.0.0/24", "10.20.0.2/32", "10.30.0.2/32"]
    assert document["ntp"]["clients"] == ["10.10.0.21/32", "10.20.0.2/32", "10.30.0.2/32"]
    enrolment.revoke_by_hostname(world, COMMAND_LINE, "rack1")
    assert desired.for_region(world).body["dns"]["trusted"] == ["10.20.0.0/24"]


@pytest.fixture
def both(world: Context) -> Context:
    """The region on a host that is a rack too."""
    return replace(world, config=replace(world.config, tiers=frozenset({"region", "rack"})))


def test_region_on_a_racks_host_serves_machines_too_and_asks_nobody(served: RackClient, world: Context, both: Context):
    document, alone = desired.for_region(both), desired.for_region(world)
    hosts = ["10.10.0.21/32", "10.20.0.0/24", "10.20.0.2/32", "10.30.0.2/32"]
    assert document.body["ntp"] == {"servers": [], "clients": hosts}
    relays = ["10.10.0.21", "10.20.0.2", "10.30.0.2"]
    assert document.body["syslog"] == {"relp_targets": [], "clients": hosts, "relays": relays}
    assert {name: document.body[name] for name in ("dns", "proxy")} == {
        name: alone.body[name] for name in ("dns", "proxy")
    }
    assert "10.20.0.0/24" in document.body["dns"]["trusted"]
    assert "10.20.0.0/24" in document.body["proxy"]["clients"]
    assert "forwarders" not in document.body["dns"]
    assert not document.body["proxy"]["parents"]


def test_lines_of_its_machines_go_to_the_other_regions_and_not_to_itself(served: RackClient, both: Context):
    beat(both)
    beat(replace(both, config=replace(both.config, name="region2", addresses=("10.10.0.12",))))
    assert desired.for_region(both).body["syslog"]["relp_targets"] == [{"address": "10.10.0.12", "port": 5245}]


def test_rack_on_a_regions_host_is_told_what_is_its_own(api: Any, served: RackClient):
    own = served.get("desired?sections=dhcp,http,tftp,unheard-of")
    assert own.body.keys() == {"generation", "rack", "domain", "dhcp", "http", "tftp"}
    api.put(f"subnets/{api.get('subnets/').json[0]['id']}/", data={"allow_proxy": "false"})
    again = served.get("desired?sections=dhcp,http,tftp,unheard-of", {"If-None-Match": own.headers["ETag"]})
    assert again.status == 304, "what it does not apply is no news"
    assert served.get("desired").body.keys() > own.body.keys()


def test_daemons_that_a_rack_no_longer_applies_are_no_longer_its_trouble(api: Any, served: RackClient):
    generation = served.get("desired").body["generation"]
    refused = {"dns": {"ok": False, "message": "no"}, "dhcp": {"ok": True, "message": ""}}
    assert served.post("applied", {"generation": generation, "daemons": refused}).status == 200
    services = {"services": [{"name": name, "state": "running", "info": ""} for name in ("dns", "dhcp")]}
    assert served.post("services", services).status == 200

    def states() -> dict[str, str]:
        (controller,) = api.get("rackcontrollers/").get_json()
        return {each["name"]: each["status"] for each in controller["service_set"]}

    assert states() == {"dns": "degraded", "dhcp": "running"}
    assert served.post("applied", {"generation": generation, "daemons": {"dhcp": refused["dhcp"]}}).status == 200
    assert states() == {"dns": "running", "dhcp": "running"}


def test_unknown_and_idle_machines_get_no_boot(api: Any, served: RackClient):
    agent = AgentPlay(served)
    unknown = agent.boot_config(mac="52:54:00:99:99:99")
    assert unknown.status == 404
    assert "no machine has the MAC address 52:54:00:99:99:99" in unknown.error
    assert agent.boot_config().body == {"purpose": "local", "hostname": "m1"}
    assert agent.boot_config(mac="not-a-mac").status == 400
    assert agent.boot_config(firmware="coreboot").status == 400


def test_registration_is_dated_once_until_the_rack_is_enrolled_anew(rack: RackClient, world: Context, execute: Any):
    def registered_at() -> Any:
        return execute("SELECT registered_at FROM rack")[0][0]

    rack.register(("mgmt0", "10.10.0.21/24"))
    first = registered_at()
    world.clock.advance(10)
    rack.register(("mgmt0", "10.10.0.21/24"))
    assert registered_at() == first
    assert rack.enroll(secret_of(enrolment.mint_token(world, COMMAND_LINE, "rack1"))).status == 200
    rack.register(("mgmt0", "10.10.0.21/24"))
    assert registered_at() > first


def test_of_two_regions_that_see_a_change_both_give_its_one_generation(
    api: Any, served: RackClient, world: Context, execute: Any
):
    """The second one finds that the first has counted the change while it made the same document."""
    before = served.get("desired")
    api.put("subnets/1/", data={"dns_servers": "10.99.0.53"})
    rack = Rack(*execute("SELECT id, system_id, hostname FROM rack")[0])
    found: list[desired.Document] = []
    digest = desired._digest(desired._rack_content(world, desired._for_racks(world), rack))
    counted_before = before.headers["ETag"].strip('"').partition("-")[2]
    assert digest != counted_before
    with world.db.transaction() as first:
        counted = first.one("racks.desired.advance", rack_id=rack.id, before=counted_before, sha256=digest)
        assert counted == {"desired_generation": before.body["generation"] + 1}
        second = threading.Thread(target=lambda: found.append(desired.for_rack(world, rack)))
        second.start()
        time.sleep(0.7)
        assert not found, "it waits for the first one"
    second.join()
    assert (found[0].body["generation"], found[0].etag) == (
        before.body["generation"] + 1,
        f"{before.body['generation'] + 1}-{digest}",
    )
    assert served.get("desired").body["generation"] == before.body["generation"] + 1


def test_racks_that_are_woken_together_share_the_reading_of_what_they_have_in_common(
    api: Any, served: RackClient, world: Context, execute: Any
):
    for number in range(2, 22):
        execute("INSERT INTO rack (system_id, hostname) VALUES (%s, %s)", (world.random.system_id(), f"rack{number}"))
    racks_there = [Rack(*row) for row in execute("SELECT id, system_id, hostname FROM rack")]
    read: list[str] = []

    def seen(name: str) -> None:
        read.append(name)
        if read.count(name) == 1 and name == "racks.desired.regions":
            time.sleep(1)  # the first reading takes until all have asked

    world.db.on_statement = seen
    try:
        with ThreadPoolExecutor(len(racks_there)) as pool:
            documents = list(pool.map(lambda rack: desired.for_rack(world, rack), racks_there))
    finally:
        world.db.on_statement = None
    assert [each.body["rack"]["hostname"] for each in documents] == [rack.hostname for rack in racks_there]
    assert len({each.etag for each in documents}) == len(racks_there)
    assert read.count("racks.desired.rack") == len(racks_there)
    assert read.count("racks.desired.subnets") <= 3


def test_liveness_is_told_by_one_clock_whatever_the_regions_have(served: RackClient, world: Context, execute: Any):
    late = MovableClock()
    late.advance(-3600)
    own = replace(world, clock=late)
    beat(own)
    assert [region["address"] for region in served.get("desired").body["http"]["regions"]] == ["10.10.0.11"]
    ((age,),) = execute("SELECT now() - heartbeat_at < interval '60 s' FROM region_process LIMIT 1")
    assert age, "a region whose clock is an hour late is not taken for dead"
    enrolment.authenticate(own, execute("SELECT encode(cert_sha256, 'hex') FROM rack")[0][0], "")
    assert racks.bury_dead_racks(world) == 0
