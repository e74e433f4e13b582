# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs as people set them: names, VLANs, tags, MTUs; and links to subnets with their addresses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from rackyard.region.errors import Invalid
from rackyard.region.services.machines import links
from rackyard.region.services.machines.link_wishes import LinkWish
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.status import Status

MAC, SECOND = "52:54:00:20:01:01", "52:54:00:20:01:02"
BMC = {
    "power_type": "ipmi",
    "power_parameters_power_address": "10.20.0.5",
    "power_parameters_power_user": "maas",
    "power_parameters_power_pass": "s3cret-pass",
}
M1 = {"commission": "false", "hostname": "m1", "mac_addresses": MAC, **BMC}


def ok(response):
    assert response.status_code == 200, response.text
    return response.json


def refused(response, field: str) -> str:
    assert response.status_code == 400, response.text
    assert list(response.json) == [field], response.text
    return response.json[field][0]


@pytest.fixture
def network(api, add_rack) -> dict[str, dict]:
    """Two subnets, each in a fabric of its own; `boot` has ranges, a gateway and a rack."""
    add_rack("rack1", "10.20.0.2/24")
    made = {}
    for name, cidr, gateway in (("boot", "10.20.0.0/24", "10.20.0.1"), ("store", "10.99.0.0/24", "")):
        ok(api.post("fabrics/", data={"name": name}))
        made[name] = ok(api.post("subnets/", data={"name": name, "cidr": cidr, "fabric": name, "gateway_ip": gateway}))
    for kind, start, end in (("dynamic", 100, 200), ("reserved", 6, 9)):
        ends = {"start_ip": f"10.20.0.{start}", "end_ip": f"10.20.0.{end}"}
        ok(api.post("ipranges/", data={"type": kind, **ends}))
    return made


@pytest.fixture
def m1(api, network) -> str:
    return f"nodes/{ok(api.post('machines/', data=M1))['system_id']}/interfaces/"


@pytest.fixture
def link(api, m1):
    """Link a NIC, eth0 if not said, and give the answer."""

    def post(mode: str, subnet: str = "boot", nic: str = "eth0", **more: object):
        return api.post(f"{m1}{nic}/?op=link_subnet", data={"mode": mode, "subnet": subnet, **more})

    return post


def machine_of(api, m1: str) -> dict:
    return ok(api.get(f"machines/{m1.split('/')[1]}/"))


def events(api) -> list[str]:
    return [each["description"] for each in api.get("events/?op=query&hostname=m1").json["events"]]


def test_auto_takes_the_lowest_address_that_nothing_has_and_no_range(api, m1, link, lease, network) -> None:
    """.1 is the gateway, .2 a rack, .5 a BMC, .6 to .9 are reserved; somebody leases .3, and a name is .4."""
    lease("10.20.0.3", "52:54:00:99:00:01", 600)
    ok(api.post("domains/", data={"name": "example.org"}))
    ok(api.post("dnsresources/", data={"fqdn": "web.example.org", "ip_addresses": "10.20.0.4"}))
    nic = ok(link("AUTO"))
    (known,) = nic["links"]
    assert (known["mode"], known["ip_address"], known["subnet"]) == ("auto", "10.20.0.10", network["boot"])
    assert nic["vlan"]["id"] == network["boot"]["vlan"]["id"], "where the subnet is, as nothing else was known"
    assert nic["discovered"] == []
    assert machine_of(api, m1)["ip_addresses"] == ["10.20.0.10"]
    assert ok(api.get("machines/?ip_addresses=10.20.0.10"))[0]["hostname"] == "m1"
    assert ok(api.get("machines/?not_ip_addresses=10.20.0.10")) == []
    assert "NIC eth0 of m1 is linked: auto 10.20.0.10 in subnet boot" in events(api)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("10.20.0.150", "10.20.0.150 is in the dynamic range 10.20.0.100 - 10.20.0.200"),
        ("10.20.0.7", "10.20.0.7 is in the reserved range 10.20.0.6 - 10.20.0.9"),
        ("10.21.0.7", "10.21.0.7 lies outside subnet boot (10.20.0.0/24)"),
        ("10.20.0.0", "the network's own or its broadcast address"),
        ("10.20.0.255", "the network's own or its broadcast address"),
        ("10.20.0.1", "10.20.0.1 belongs to the gateway of subnet boot"),
        ("10.20.0.2", "10.20.0.2 belongs to rack rack1"),
        ("10.20.0.5", "10.20.0.5 belongs to the BMC of machine m1"),
        ("10.20.0.50", "10.20.0.50 belongs to machine m2 (eth0)"),
        ("2001:db8::7", "lies outside subnet boot"),
        ("web", "'web' is no IP address"),
    ],
)
def test_static_address_that_cannot_be_is_refused_in_words(api, m1, link, address: str, words: str) -> None:
    second = {"commission": "false", "hostname": "m2", "mac_addresses": SECOND}
    path = f"nodes/{ok(api.post('machines/', data=second))['system_id']}/interfaces/eth0/"
    ok(api.post(f"{path}?op=link_subnet", data={"mode": "static", "subnet": "boot", "ip_address": "10.20.0.50"}))
    assert words in refused(link("static", ip_address=address), "ip_address")
    assert ok(api.get(m1))[0]["links"] == []


def test_static_keeps_what_was_asked_for_and_chooses_where_nothing_was(api, m1, link) -> None:
    assert ok(link("static", ip_address="10.20.0.50"))["links"][0]["ip_address"] == "10.20.0.50"
    assert [each["ip_address"] for each in ok(link("static"))["links"]] == ["10.20.0.50", "10.20.0.3"]


def test_modes_without_an_address_show_none(api, m1, link) -> None:
    (up,) = ok(api.post(f"{m1}eth0/?op=link_subnet", data={"mode": "link_up"}))["links"]
    assert (up["mode"], "ip_address" in up, "subnet" in up) == ("link_up", False, False)
    (dhcp,) = ok(link("dhcp"))["links"]
    assert (dhcp["mode"], "ip_address" in dhcp, dhcp["subnet"]["name"]) == ("dhcp", False, "boot"), "link_up has gone"
    assert "by DHCP already" in refused(link("dhcp"), "mode")
    assert "force=true" in refused(link("link_up"), "mode")
    (up,) = ok(link("link_up", force="true"))["links"]
    assert up["mode"] == "link_up"


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({}, "mode", "use one of auto, dhcp, link_up, static"),
        ({"mode": "manual"}, "mode", "'manual' is no mode"),
        ({"mode": "auto"}, "subnet", "needs a subnet"),
        ({"mode": "static", "subnet": "moon"}, "subnet", "no subnet 'moon'"),
        ({"mode": "auto", "subnet": "boot", "ip_address": "10.20.0.50"}, "ip_address", "mode static only"),
        ({"mode": "dhcp", "subnet": "boot", "default_gateway": "true"}, "default_gateway", "auto or static"),
        ({"mode": "auto", "subnet": "store", "default_gateway": "true"}, "default_gateway", "store (10.99.0.0/24)"),
    ],
)
def test_wish_that_means_nothing_is_refused(api, m1, given: dict, field: str, words: str) -> None:
    assert words in refused(api.post(f"{m1}eth0/?op=link_subnet", data=given), field)
    assert ok(api.get(m1))[0]["links"] == []


def test_nic_stays_in_its_vlan_unless_it_is_forced(api, m1, link, network) -> None:
    ok(link("auto"))
    words = refused(link("auto", "store"), "subnet")
    assert "store (10.99.0.0/24) is in VLAN 0 of fabric store, and eth0 in VLAN 0 of fabric boot" in words
    moved = ok(link("auto", "store", force="true"))
    assert [each["ip_address"] for each in moved["links"]] == ["10.99.0.1"], "in another VLAN the old one means nothing"
    assert moved["vlan"]["id"] == network["store"]["vlan"]["id"]
    assert any("took the place of 10.20.0.3" in each for each in events(api))


def test_full_subnet_has_no_address_left_and_unmanaged_ones_are_others(api, m1, link) -> None:
    for name, cidr, managed in (("tiny", "10.50.0.0/30", "true"), ("wild", "10.51.0.0/24", "false")):
        ok(api.post("subnets/", data={"name": name, "cidr": cidr, "fabric": "boot", "managed": managed}))
    for number in (1, 2):
        assert ok(link("auto", "tiny"))["links"][-1]["ip_address"] == f"10.50.0.{number}"
    assert "No more IPs available in subnet 10.50.0.0/30" in refused(link("auto", "tiny"), "subnet")
    assert "not managed" in refused(link("auto", "wild"), "subnet")
    assert ok(link("static", "wild", ip_address="10.51.0.9"))["links"][-1]["ip_address"] == "10.51.0.9"


def test_ipv6_is_chosen_and_kept_as_well(api, m1, link) -> None:
    ok(api.post("subnets/", data={"name": "boot6", "cidr": "2001:db8::/64", "fabric": "boot"}))
    assert ok(link("auto", "boot6"))["links"][0]["ip_address"] == "2001:db8::1"
    assert ok(link("static", "boot6", ip_address="2001:DB8::0:7"))["links"][1]["ip_address"] == "2001:db8::7"


def register(api, count: int) -> list[str]:
    """So many machines with a NIC each; their system_ids."""
    wishes = [
        {"commission": "false", "hostname": f"m{number}", "mac_addresses": f"52:54:00:20:02:{number:02x}"}
        for number in range(count)
    ]
    return [ok(api.post("machines/", data=wish))["system_id"] for wish in wishes]


def test_requests_at_one_moment_never_get_the_same_address(api, network, ctx) -> None:
    system_ids, wish = register(api, 12), LinkWish("auto", "store")
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda each: links.link_subnet(ctx, COMMAND_LINE, each, "eth0", wish), system_ids))
    nics = [ok(api.get(f"nodes/{each}/interfaces/eth0/")) for each in system_ids]
    assert {nic["links"][0]["ip_address"] for nic in nics} == {f"10.99.0.{number}" for number in range(1, 13)}


def test_one_static_address_asked_for_at_one_moment_is_one_machines(api, network, ctx) -> None:
    system_ids, wish = register(api, 6), LinkWish("static", "store", "10.99.0.77")

    def refusal(system_id: str) -> str:
        try:
            links.link_subnet(ctx, COMMAND_LINE, system_id, "eth0", wish)
        except Invalid as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(6) as pool:
        refusals = sorted(pool.map(refusal, system_ids))
    assert refusals[0] == ""
    assert all("10.99.0.77 belongs to machine m" in each for each in refusals[1:])


def test_database_itself_gives_an_address_once(api, m1, link, execute) -> None:
    """Whatever is looked at before: the lock of the network is not all that keeps two machines apart."""
    ok(link("static", ip_address="10.20.0.50"))
    with pytest.raises(psycopg2.errors.UniqueViolation, match="interface_link_ip_key"):
        execute(
            "INSERT INTO interface_link (interface_id, mode, subnet_id, ip) "
            "SELECT interface_id, mode, subnet_id, ip FROM interface_link"
        )


def test_link_is_removed_by_its_id_and_disconnecting_takes_all(api, m1, link) -> None:
    first, second = [each["id"] for each in (ok(link("auto")), ok(link("auto")))[1]["links"]]
    unknown = api.post(f"{m1}eth0/?op=unlink_subnet", data={"id": 999})
    assert f"its links are {first}, {second}" in refused(unknown, "id")
    left = ok(api.post(f"{m1}eth0/?op=unlink_subnet", data={"id": first}))["links"]
    assert [each["id"] for each in left] == [second]
    gone = ok(api.post(f"{m1}eth0/?op=disconnect"))
    assert (gone["links"], gone["vlan"]) == ([], None)
    assert ok(link("auto"))["links"][0]["ip_address"] == "10.20.0.3", "given back"


def test_default_gateway_is_a_links_subnets_one(api, m1, link) -> None:
    none = {"gateway_ip": None, "link_id": None}
    assert machine_of(api, m1)["default_gateways"] == {"ipv4": none, "ipv6": none}
    assert "No link of eth0" in refused(api.post(f"{m1}eth0/?op=set_default_gateway"), "link_id")
    nic = ok(link("auto", default_gateway="true"))
    own = {"gateway_ip": "10.20.0.1", "link_id": nic["links"][0]["id"]}
    assert machine_of(api, m1)["default_gateways"] == {"ipv4": own, "ipv6": none}
    path = f"machines/{m1.split('/')[1]}/?op=clear_default_gateways"
    assert ok(api.post(path))["default_gateways"] == {"ipv4": none, "ipv6": none}
    ok(api.post(f"{m1}eth0/?op=set_default_gateway"))
    assert machine_of(api, m1)["default_gateways"]["ipv4"] == own
    second = ok(link("auto"))["links"][1]["id"]
    assert "2 links" in refused(api.post(f"{m1}eth0/?op=set_default_gateway"), "link_id")
    ok(api.post(f"{m1}eth0/?op=set_default_gateway", data={"link_id": second}))
    assert machine_of(api, m1)["default_gateways"]["ipv4"]["link_id"] == second
    ok(api.post(f"{m1}eth0/?op=unlink_subnet", data={"id": second}))
    assert machine_of(api, m1)["default_gateways"]["ipv4"] == none


def test_network_is_not_changed_under_a_machines_address(api, m1, link, network) -> None:
    ok(link("static", ip_address="10.20.0.50"))
    subnet = f"subnets/{network['boot']['id']}/"
    ends = {"type": "dynamic", "start_ip": "10.20.0.40", "end_ip": "10.20.0.60"}
    words = refused(api.post("ipranges/", data=ends), "start_ip")
    assert "10.20.0.50 is the address of machine m1 (eth0) in subnet boot" in words
    assert "gateway" in refused(api.put(subnet, data={"gateway_ip": "10.20.0.50"}), "gateway_ip")
    ok(api.put("subnets/store/", data={"description": "what is not touched may be changed"}))
    held = api.delete(subnet)
    assert held.status_code == 409
    assert "Machines are linked to subnet boot (10.20.0.0/24): m1 (eth0 10.20.0.50)" in held.text
    ok(api.post(f"{m1}eth0/?op=disconnect"))
    assert api.delete(subnet).status_code == 204


def test_nic_that_nobody_found_is_created_changed_and_deleted(api, m1, network) -> None:
    vlan = network["store"]["vlan"]["id"]
    made = ok(api.post(f"{m1}?op=create_physical", data={"mac_address": SECOND, "vlan": vlan, "tags": "fast,blue"}))
    assert (made["name"], made["mac_address"], made["vlan"]["id"]) == ("eth1", SECOND, vlan)
    assert (made["type"], made["tags"], made["effective_mtu"]) == ("physical", ["blue", "fast"], 1500)
    change = {"name": "store0", "mtu": 9000, "link_connected": "false", "enabled": "false", "tags": "slow"}
    changed = ok(api.put(f"{m1}eth1/", data=change))
    assert (changed["name"], changed["effective_mtu"], changed["params"]) == ("store0", 9000, {"mtu": 9000})
    assert (changed["link_connected"], changed["enabled"], changed["tags"]) == (False, False, ["slow"])
    ok(api.put(f"machines/{m1.split('/')[1]}/", data={"mac_addresses": MAC}))
    assert len(ok(api.get(m1))) == 2, "who says which NIC a machine boots from says nothing of others"
    assert ok(api.post(f"{m1}store0/?op=add_tag", data={"tag": "red"}))["tags"] == ["red", "slow"]
    assert ok(api.post(f"{m1}store0/?op=remove_tag", data={"tag": "slow"}))["tags"] == ["red"]
    assert api.delete(f"{m1}store0/").status_code == 204
    assert [nic["name"] for nic in ok(api.get(m1))] == ["eth0"]
    boot = api.delete(f"{m1}eth0/")
    assert boot.status_code == 409
    assert f"boots from eth0 ({MAC})" in boot.text


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": "interface-of-m1-0"}, "name", "up to 15 letters"),
        ({"name": "eth 0"}, "name", "up to 15 letters"),
        ({"name": "eth/0"}, "name", "up to 15 letters"),
        ({"name": "eth0:1"}, "name", "up to 15 letters"),
        ({"name": ".."}, "name", "up to 15 letters"),
        ({"name": "17"}, "name", "digits alone"),
        ({"name": "eth1"}, "name", "has an interface eth1 already"),
        ({"mac_address": SECOND}, "mac_address", "already belongs to machine m1"),
        ({"mac_address": "ff:ff:ff:ff:ff:ff"}, "mac_address", "group or null"),
        ({"mtu": "200"}, "mtu", "not a number from 552 to 65535"),
        ({"vlan": "999"}, "vlan", "no VLAN '999'"),
        ({"tags": "a b$"}, "tags", "'b$' cannot be a tag"),
        ({"link_speed": "fast"}, "link_speed", "not a number"),
        ({"link_connected": "false", "link_speed": "1000"}, "link_speed", "Without a link"),
        ({"accept_ra": "true"}, "accept_ra", "not supported by this region yet"),
    ],
)
def test_nic_that_cannot_be_is_refused_in_words(api, m1, change: dict, field: str, words: str) -> None:
    ok(api.post(f"{m1}?op=create_physical", data={"mac_address": SECOND}))
    before = ok(api.get(m1))
    assert words in refused(api.put(f"{m1}eth0/", data=change), field)
    assert ok(api.get(m1)) == before


def test_boot_nic_may_get_another_mac_and_vlan_and_loses_links_there(api, m1, link, network) -> None:
    ok(link("auto"))
    changed = ok(api.put(f"{m1}eth0/", data={"mac_address": SECOND, "vlan": network["store"]["vlan"]["id"]}))
    assert (changed["mac_address"], changed["links"]) == (SECOND, [])
    assert machine_of(api, m1)["boot_interface"]["mac_address"] == SECOND
    assert any("these links are gone: 10.20.0.3" in each for each in events(api))
    assert ok(api.get(f"machines/?pxe_mac={SECOND}"))[0]["hostname"] == "m1"


CHANGES = {
    "create_physical": ("POST", "?op=create_physical"),
    "update": ("PUT", "eth0/"),
    "delete": ("DELETE", "eth0/"),
    **{
        op: ("POST", f"eth0/?op={op}")
        for op in ("link_subnet", "unlink_subnet", "disconnect", "set_default_gateway", "add_tag", "remove_tag")
    },
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("status", [Status.COMMISSIONING, Status.DEPLOYED, Status.FAILED_COMMISSIONING])
def test_nics_of_a_machine_in_use_are_left_alone(api, m1, change_machine, name: str, status: Status) -> None:
    change_machine(m1.split("/")[1], status=status)
    method, path = CHANGES[name]
    answer = api.request(method, m1 + path)
    assert answer.status_code == 409
    assert f"Machine m1 is {status.label}" in answer.text
    assert "New, Ready, Failed testing, Allocated, Broken" in answer.text


@pytest.mark.parametrize("name", CHANGES)
def test_nics_of_a_locked_machine_are_left_alone(api, m1, name: str) -> None:
    ok(api.post(f"machines/{m1.split('/')[1]}/?op=lock"))
    method, path = CHANGES[name]
    answer = api.request(method, m1 + path)
    assert answer.status_code == 409
    assert "Machine m1 is locked" in answer.text
