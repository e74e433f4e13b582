# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of racks on a real name server: they follow their racks, in rotation, both ways, and mend what was damaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rcode
import name_server
import pytest
from name_server import DOMAIN, NameServer

from rackyard.region.context import Context
from rackyard.region.errors import Unavailable
from rackyard.region.worker.own_daemons import OwnDaemons
from rackyard.region.worker.own_names import OwnNames
from rackyard.region.worker.tasks import racks

from .conftest import RackClient
from .play import INTERFACES, AgentPlay, another, declare_network, register_machine

NAME = f"10-20-0-0--24.{DOMAIN}"
REVERSE = "0.20.10.in-addr.arpa"
V6_NAME = f"fd00-20----64.{DOMAIN}"
V6_REVERSE = "0.0.0.0.0.0.0.0.0.2.0.0.0.0.d.f.ip6.arpa"


@pytest.fixture
def named(tmp_path: Path) -> Iterator[NameServer]:
    with name_server.running(tmp_path / "named") as server:
        yield server


@pytest.fixture
def region(world: Context, named: NameServer) -> Context:
    """A region with this name server."""
    return replace(world, config=replace(world.config, dns_port=named.port, tsig_key=named.key_file))


@pytest.fixture
def two_racks(api: Any, rack: RackClient, world: Context, tmp_path: Path) -> RackClient:
    """rack1 and rack2 in a subnet of each family; the second one."""
    rack.register(*INTERFACES, ("pxe0", "fd00:20::2/64"))
    declare_network(api, rack.system_id)
    vlan = api.get("subnets/").get_json()[0]["vlan"]["id"]
    assert api.post("subnets/", data={"name": "six", "cidr": "fd00:20::/64", "vlan": vlan}).status_code == 200
    interfaces = (("mgmt0", "10.10.0.22/24"), ("pxe0", "10.20.0.3/24"), ("pxe0", "fd00:20::3/64"))
    return another(rack.server, world, tmp_path, "rack2", *interfaces).rack


@pytest.fixture
def names(region: Context, two_racks: RackClient, named: NameServer) -> OwnNames:
    """All names are there."""
    assert OwnDaemons(region, named, named.root).apply()["dns"].ok
    own = OwnNames(region, named, named.root)
    name_server.wait_for(lambda: goes_well(own), "a pass that every zone takes")
    return own


def goes_well(own: OwnNames) -> bool:
    try:
        own.update()
    except Unavailable:
        return False
    return True


def revive(rack: RackClient) -> None:
    assert rack.get("jobs").status == 200


def test_names_lead_to_live_racks_and_back(names: OwnNames, named: NameServer, two_racks: RackClient, region: Context):
    assert named.records(NAME) in ([(15, "10.20.0.2"), (15, "10.20.0.3")], [(15, "10.20.0.3"), (15, "10.20.0.2")])
    assert named.data(V6_NAME, "AAAA") == {"fd00:20::2", "fd00:20::3"}
    for number in (2, 3):
        assert named.records(f"{number}.{REVERSE}", "PTR") == [(15, f"{NAME}.")]
    six = f"3.{'0.' * 15}{V6_REVERSE}"
    assert named.records(six, "PTR") == [(15, f"{V6_NAME}.")]
    region.clock.advance(36)
    revive(two_racks)
    assert racks.bury_dead_racks(region) == 1
    assert set(names.update()) == {"10-20-0-0--24", "fd00-20----64", "2", f"2{'.0' * 15}"}
    assert named.data(NAME) == {"10.20.0.3"}
    assert named.answer(f"2.{REVERSE}", "PTR").rcode() == dns.rcode.NXDOMAIN
    region.clock.advance(36)
    assert racks.bury_dead_racks(region) == 1
    names.update()
    assert named.answer(NAME).rcode() == dns.rcode.NXDOMAIN
    revive(two_racks)
    names.update()
    assert named.data(NAME) == {"10.20.0.3"}
    assert named.data(six, "PTR") == {f"{V6_NAME}."}


def test_racks_come_first_in_turn(names: OwnNames, named: NameServer):
    firsts = Counter(named.records(NAME)[0][1] for _question in range(20))
    assert firsts == {"10.20.0.2": 10, "10.20.0.3": 10}


def test_pass_without_news_sends_nothing(names: OwnNames, named: NameServer):
    zones = (DOMAIN, REVERSE, V6_REVERSE)
    before = [named.serial(zone) for zone in zones]
    assert [names.update() for _pass in range(3)] == [[], [], []]
    assert [named.serial(zone) for zone in zones] == before
    assert ("restart", "named") not in named.orders


def test_pass_without_news_reads_no_zone(names: OwnNames, monkeypatch: pytest.MonkeyPatch):
    read: list[str] = []
    whole = dns.query.inbound_xfr

    def noting(where: str, zone: Any, *args: Any, **options: Any) -> Any:
        read.append(zone.origin.to_text())
        return whole(where, zone, *args, **options)

    monkeypatch.setattr(dns.query, "inbound_xfr", noting)
    names.update()
    assert read == []
    monkeypatch.setattr("rackyard.region.worker.own_names.TRANSFER_EVERY_S", 0.0)
    names.update()
    assert f"{DOMAIN}." in read


def alias(named: NameServer) -> None:
    update = named.nsupdate()
    update.delete(NAME.split(".")[0])
    update.add(NAME.split(".")[0], 15, "CNAME", f"evil.{DOMAIN}.")
    named.send(update)


def strangers(named: NameServer) -> None:
    update = named.nsupdate()
    update.add(NAME.split(".")[0], 3600, "A", "192.0.2.66")
    update.add(NAME.split(".")[0], 15, "TXT", '"mine"')
    update.add("10-99-0-0--24", 15, "A", "192.0.2.67")
    named.send(update)


def removal(named: NameServer) -> None:
    update = named.nsupdate()
    update.delete(NAME.split(".")[0])
    named.send(update)


def other_time_to_live(named: NameServer) -> None:
    update = named.nsupdate()
    update.replace(NAME.split(".")[0], 86400, "A", "10.20.0.2", "10.20.0.3")
    named.send(update)


def reverse(named: NameServer) -> None:
    update = named.nsupdate(REVERSE)
    update.replace("2", 15, "PTR", "elsewhere.example.")
    update.add("77", 15, "PTR", f"{NAME}.")
    update.delete("3")
    named.send(update)


def journal_lost(named: NameServer) -> None:
    named.kill()
    named.place.joinpath(f"{DOMAIN}.zone.jnl").unlink()
    named.start()
    assert named.data(NAME) == set(), "the journal had everything"


def journal_spoilt(named: NameServer) -> None:
    named.kill()
    named.place.joinpath(f"{DOMAIN}.zone.jnl").write_bytes(b"spoilt" * 500)
    named.root.joinpath(f"dns/zones/{REVERSE}.zone.jnl").write_bytes(b"")
    named.start()


def zones_spoilt(named: NameServer) -> None:
    named.kill()
    named.zone_file.write_text("spoilt")
    named.root.joinpath(f"dns/zones/{REVERSE}.zone").unlink()
    named.start()


@pytest.mark.parametrize(
    "damage",
    [alias, strangers, removal, other_time_to_live, reverse, journal_lost, journal_spoilt, zones_spoilt],
)
def test_damage_is_repaired_by_the_next_pass(names: OwnNames, named: NameServer, damage: Callable[[NameServer], None]):
    damage(named)
    names.update()
    assert sorted(named.records(NAME)) == [(15, "10.20.0.2"), (15, "10.20.0.3")]
    assert named.data(NAME, "TXT") == set()
    assert named.answer(f"10-99-0-0--24.{DOMAIN}").rcode() == dns.rcode.NXDOMAIN
    assert named.data(f"2.{REVERSE}", "PTR") == named.data(f"3.{REVERSE}", "PTR") == {f"{NAME}."}
    assert named.answer(f"77.{REVERSE}", "PTR").rcode() == dns.rcode.NXDOMAIN
    assert names.update() == []


def test_names_of_others_stay(names: OwnNames, named: NameServer):
    update = named.nsupdate()
    update.add("printer", 300, "A", "192.0.2.5")
    named.send(update)
    update = named.nsupdate(REVERSE)
    update.add("5", 300, "PTR", "printer.example.")
    named.send(update)
    assert names.update() == []
    assert named.records(f"printer.{DOMAIN}") == [(300, "192.0.2.5")]
    assert named.records(f"5.{REVERSE}", "PTR") == [(300, "printer.example.")]


def test_zone_that_named_does_not_serve_for_long_has_it_started_anew_once(
    names: OwnNames, named: NameServer, region: Context, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("rackyard.region.worker.own_names.PATIENCE_S", 0.2)
    journal = named.place / f"{DOMAIN}.zone.jnl"
    named.kill()
    journal.write_bytes(b"spoilt" * 500)
    (named.place / "mend").rename(named.place / "mend.away")
    named.start()
    (named.place / "mend.away").rename(named.place / "mend")
    with pytest.raises(Unavailable, match="SERVFAIL"):
        names.update()
    assert ("restart", "named") not in named.orders, "it may be about to serve it"
    name_server.wait_for(lambda: goes_well(names), "the repair", 20)
    assert named.data(NAME) == {"10.20.0.2", "10.20.0.3"}
    assert named.orders.count(("restart", "named")) == 1


def test_zone_that_stays_refused_starts_named_anew_no_more_than_once(
    names: OwnNames, named: NameServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("rackyard.region.worker.own_names.PATIENCE_S", 0.0)
    monkeypatch.setattr("rackyard.region.worker.own_names.TRANSFER_EVERY_S", 0.0)
    conf = named.place / "named.conf"
    conf.write_text(conf.read_text().replace("allow-transfer { key rackyard; };", ""))
    named.act("reload", "named")
    name_server.wait_for(lambda: not goes_well(names), "the refusal")
    assert [goes_well(names) for _pass in range(4)] == [False] * 4
    assert named.orders.count(("restart", "named")) == 1


def test_update_with_a_wrong_key_is_named(names: OwnNames, named: NameServer, region: Context, tmp_path: Path):
    forged = tmp_path / "forged.key"
    secret = "A" * 43 + "="
    forged.write_text(f'key "rackyard" {{ algorithm hmac-sha256; secret "{secret}"; }};')
    wrong = replace(region, config=replace(region.config, tsig_key=forged))
    with pytest.raises(Unavailable, match=r"did not take the update of rackyard\.internal"):
        OwnNames(wrong, named, named.root).update()


def test_internal_domain_is_nothing_that_the_api_edits(api: Any):
    for method, path, data in (
        ("PUT", "domains/0/", {"name": "evil"}),
        ("DELETE", "domains/0/", {}),
        ("POST", "domains/", {"name": DOMAIN}),
        ("POST", "domains/", {"name": f"x.{DOMAIN}"}),
        ("POST", "dnsresources/", {"fqdn": f"evil.{DOMAIN}", "ip_addresses": "192.0.2.66"}),
        ("POST", "dnsresourcerecords/", {"name": "a", "domain": "0", "rrtype": "TXT", "rrdata": "x"}),
    ):
        assert api.request(method, path, data=data).status_code == 400, (method, path)


class Site:
    """An operator's domain, and a region that follows it."""

    def __init__(self, api: Any, names: OwnNames, named: NameServer, region: Context) -> None:
        self.api, self.names, self._named, self._region = api, names, named, region

    def ask(self, method: str, path: str, **data: Any) -> Any:
        answer = self.api.request(method, path, data=data)
        assert answer.status_code in (200, 204), answer.get_data(as_text=True)
        return answer.get_json(silent=True)

    def follow(self) -> None:
        """What the worker does when the desired state has changed."""
        assert OwnDaemons(self._region, self._named, self._named.root).apply()["dns"].ok
        name_server.wait_for(lambda: goes_well(self.names), "a pass that every zone takes")


@pytest.fixture
def site(api: Any, names: OwnNames, named: NameServer, region: Context) -> Site:
    made = Site(api, names, named, region)
    made.ask("POST", "domains/", name="lab.example.org", ttl="60")
    return made


def test_operators_names_are_answered_and_lead_back(site: Site, named: NameServer):
    www = site.ask("POST", "dnsresources/", fqdn="www.lab.example.org", ip_addresses="10.20.0.80 fd00:20::80")
    site.ask("POST", "dnsresources/", name="@", domain="lab.example.org", ip_addresses="10.20.0.2 192.0.2.7")
    for rrtype, rrdata in (("MX", "10 www"), ("TXT", 'v=spf1 "quoted" -all'), ("SRV", "0 5 5060 www")):
        fqdn = "_sip._tcp.lab.example.org" if rrtype == "SRV" else "lab.example.org"
        site.ask("POST", "dnsresourcerecords/", fqdn=fqdn, rrtype=rrtype, rrdata=rrdata)
    site.ask("POST", "dnsresourcerecords/", fqdn="*.lab.example.org", rrtype="CNAME", rrdata="www", ttl="300")
    site.follow()
    assert named.records("www.lab.example.org") == [(60, "10.20.0.80")]
    assert named.data("www.lab.example.org", "AAAA") == {"fd00:20::80"}
    assert named.data("lab.example.org") == {"10.20.0.2", "192.0.2.7"}
    assert named.data("lab.example.org", "MX") == {"10 www.lab.example.org."}
    assert named.data("lab.example.org", "TXT") == {'"v=spf1 \\"quoted\\" -all"'}
    assert named.data("_sip._tcp.lab.example.org", "SRV") == {"0 5 5060 www.lab.example.org."}
    assert named.data("other.lab.example.org") == {"10.20.0.80"}
    assert named.records(f"80.{REVERSE}", "PTR") == [(60, "www.lab.example.org.")]
    assert named.data(f"2.{REVERSE}", "PTR") == {f"{NAME}."}, "a rack's address leads to its subnet"
    assert site.names.update() == []

    site.ask("PUT", f"dnsresources/{www['id']}/", ip_addresses="10.20.0.81", address_ttl="30")
    site.follow()
    assert named.records("www.lab.example.org") == [(30, "10.20.0.81")]
    assert named.data("www.lab.example.org", "AAAA") == set()
    assert named.answer(f"80.{REVERSE}", "PTR").rcode() == dns.rcode.NXDOMAIN
    assert named.data(f"81.{REVERSE}", "PTR") == {"www.lab.example.org."}


def test_device_has_its_name_where_its_lease_is(site: Site, named: NameServer, two_racks: RackClient):
    play, mac = AgentPlay(two_racks), "52:54:00:30:00:01"
    sw1 = site.ask("POST", "devices/", hostname="sw1", domain="lab.example.org", mac_addresses=mac)
    site.ask("POST", "devices/", hostname="pdu", mac_addresses="52:54:00:30:00:02")
    site.follow()
    assert named.answer("sw1.lab.example.org").rcode() == dns.rcode.NXDOMAIN
    for number, each in ((77, mac), (78, "52:54:00:30:00:02")):
        assert play.lease(f"10.20.0.{number}", each).status == 200
    site.follow()
    assert named.records("sw1.lab.example.org") == [(60, "10.20.0.77")]
    assert named.data(f"77.{REVERSE}", "PTR") == {"sw1.lab.example.org."}
    assert named.records(f"pdu.{DOMAIN}") == [(30, "10.20.0.78")]
    assert site.names.update() == []
    assert play.lease("10.20.0.77", mac, action="release").status == 200
    assert play.lease("10.20.0.79", mac).status == 200
    site.follow()
    assert named.data("sw1.lab.example.org") == {"10.20.0.79"}
    assert named.answer(f"77.{REVERSE}", "PTR").rcode() == dns.rcode.NXDOMAIN
    site.ask("DELETE", f"devices/{sw1['system_id']}/")
    site.follow()
    assert named.answer("sw1.lab.example.org").rcode() == dns.rcode.NXDOMAIN


def test_machine_is_found_by_its_name_while_it_has_an_address(site: Site, named: NameServer, two_racks: RackClient):
    play, fqdn = AgentPlay(two_racks), f"m1.{DOMAIN}"
    m1 = register_machine(site.api)
    site.follow()
    assert named.answer(fqdn).rcode() == dns.rcode.NXDOMAIN
    assert play.lease("10.20.0.77").status == 200
    site.follow()
    assert named.records(fqdn) == [(30, "10.20.0.77")]
    assert named.records(f"77.{REVERSE}", "PTR") == [(30, f"{fqdn}.")]
    assert site.names.update() == []
    assert NAME.partition(".")[0] in site.names.held
    assert "m1" not in site.names.held, "who asks how racks' names are is not told of machines"

    subnet = next(each for each in site.ask("GET", "subnets/") if each["cidr"] == "10.20.0.0/24")
    (nic,) = site.ask("GET", f"nodes/{m1}/interfaces/")
    link = {"mode": "static", "subnet": subnet["id"], "ip_address": "10.20.0.201"}
    site.ask("POST", f"nodes/{m1}/interfaces/{nic['id']}/?op=link_subnet", **link)
    site.ask("PUT", f"machines/{m1}/", hostname="web-01")
    site.ask("POST", "dnsresources/", fqdn="www.lab.example.org", ip_addresses="10.20.0.77")
    site.follow()
    assert named.data(f"77.{REVERSE}", "PTR") == {"www.lab.example.org."}, "an operator's own name counts for more"
    assert named.data(f"web-01.{DOMAIN}") == {"10.20.0.77", "10.20.0.201"}
    assert named.data(f"201.{REVERSE}", "PTR") == {f"web-01.{DOMAIN}."}
    assert named.answer(fqdn).rcode() == dns.rcode.NXDOMAIN

    site.ask("PUT", f"machines/{m1}/", domain="lab.example.org")
    assert play.lease("10.20.0.77", action="release").status == 200
    (www,) = site.ask("GET", "dnsresources/?fqdn=www.lab.example.org")
    site.ask("DELETE", f"dnsresources/{www['id']}/")
    site.follow()
    assert named.records("web-01.lab.example.org") == [(60, "10.20.0.201")]
    assert named.answer(f"web-01.{DOMAIN}").rcode() == dns.rcode.NXDOMAIN
    assert named.answer(f"77.{REVERSE}", "PTR").rcode() == dns.rcode.NXDOMAIN
    site.ask("DELETE", f"machines/{m1}/")
    site.follow()
    assert named.answer("web-01.lab.example.org").rcode() == dns.rcode.NXDOMAIN
    assert named.data(f"2.{REVERSE}", "PTR") == {f"{NAME}."}


def test_machine_that_is_called_like_a_subnet_takes_it_no_name(site: Site, named: NameServer, two_racks: RackClient):
    register_machine(site.api, hostname=NAME.partition(".")[0])
    assert AgentPlay(two_racks).lease("10.20.0.77").status == 200
    site.follow()
    assert named.data(NAME) == {"10.20.0.2", "10.20.0.3"}


def test_lease_of_a_machine_is_news_for_names_and_not_for_racks(site: Site, region: Context, two_racks: RackClient):
    play = AgentPlay(two_racks)
    register_machine(site.api)
    with (
        region.notifier.subscribe("rackyard_names") as names,
        region.notifier.subscribe("rackyard_desired") as desired,
    ):
        assert play.lease("10.20.0.77").status == 200
        assert names.wait(5)
        assert play.lease("10.20.0.77").status == 200
        assert play.lease("10.20.0.78", "52:54:00:99:00:01").status == 200
        assert not names.wait(0.3), "a renewal, and somebody else's lease"
        assert not desired.wait(0)


def test_domain_that_goes_or_is_no_longer_served_is_answered_no_more(site: Site, named: NameServer):
    www = site.ask("POST", "dnsresources/", fqdn="www.lab.example.org", ip_addresses="10.20.0.80")
    site.follow()
    assert named.data("www.lab.example.org") == {"10.20.0.80"}
    assert is_served(named, "lab.example.org")
    site.ask("PUT", "domains/lab.example.org/", authoritative="false")
    site.follow()
    assert not is_served(named, "lab.example.org")
    assert named.answer(f"80.{REVERSE}", "PTR").rcode() == dns.rcode.NXDOMAIN
    site.ask("PUT", "domains/lab.example.org/", authoritative="true", name="lab.example.net")
    site.follow()
    assert named.data("www.lab.example.net") == {"10.20.0.80"}
    site.ask("DELETE", f"dnsresources/{www['id']}/")
    site.ask("DELETE", "domains/lab.example.net/")
    site.follow()
    assert not is_served(named, "lab.example.net")
    assert not list(named.root.glob("dns/zones/lab.*"))


def is_served(named: NameServer, zone: str) -> bool:
    """Asked so that it asks nobody else."""
    question = dns.message.make_query(zone, "SOA", flags=0)
    return bool(dns.query.udp(question, "127.0.0.1", timeout=5, port=named.port).answer)


def test_damaged_zone_of_an_operator_is_mended(site: Site, named: NameServer):
    site.ask("POST", "dnsresources/", fqdn="www.lab.example.org", ip_addresses="10.20.0.80")
    site.follow()
    named.kill()
    named.root.joinpath("dns/zones/lab.example.org.zone").write_text("spoilt")
    named.root.joinpath("dns/zones/lab.example.org.zone.jnl").unlink()
    named.start()
    site.follow()
    assert named.data("www.lab.example.org") == {"10.20.0.80"}
