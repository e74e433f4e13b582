# SPDX-License-Identifier: GPL-3.0-or-later
"""`fabrics/`, `vlans/`, `subnets/`, `ipranges/`: what they hold and everything they refuse."""

from __future__ import annotations

import pytest

PXE_A = {"name": "pxe-a", "cidr": "10.20.0.0/24", "fabric": "lab", "vid": "0", "gateway_ip": "10.20.0.1"}
DYNAMIC = {"type": "dynamic", "start_ip": "10.20.0.100", "end_ip": "10.20.0.200"}


def refused(response, field: str) -> str:
    assert response.status_code == 400, response.text
    assert list(response.json) == [field], response.json
    (message,) = response.json[field]
    return message


def ok(response) -> dict:
    assert response.status_code == 200, response.text
    return response.json


@pytest.fixture
def fabric(api) -> dict:
    return ok(api.post("fabrics/", data={"name": "lab"}))


@pytest.fixture
def subnet(api, fabric) -> dict:
    return ok(api.post("subnets/", data=PXE_A))


@pytest.fixture
def dynamic(api, subnet) -> dict:
    return ok(api.post("ipranges/", data=DYNAMIC))


@pytest.fixture
def rack(add_rack) -> str:
    return add_rack("rack1", "10.20.0.2/24")


def test_new_fabric_has_its_untagged_vlan(api, fabric) -> None:
    (vlan,) = fabric["vlans"]
    assert (vlan["vid"], vlan["name"], vlan["mtu"], vlan["dhcp_on"]) == (0, "untagged", 1500, False)
    assert vlan["fabric"] == "lab"
    assert vlan["fabric_id"] == fabric["id"]
    assert ok(api.get("fabrics/")) == [fabric]
    assert ok(api.get("fabrics/lab/")) == ok(api.get(f"fabrics/{fabric['id']}/")) == fabric
    assert ok(api.get(f"fabrics/{fabric['id']}/vlans/")) == [vlan]
    assert ok(api.get("fabrics/lab/vlans/0/")) == ok(api.get(f"vlans/{vlan['id']}/")) == vlan


@pytest.mark.parametrize(
    "specifier",
    ["{id}", "pxe-a", "10.20.0.0/24", "id:{id}", "name:pxe-a", "cidr:10.20.0.0/24"],
)
def test_subnet_is_found_by_id_name_or_cidr(api, subnet, dynamic, specifier: str) -> None:
    path = f"subnets/{specifier.format(**subnet)}/"
    assert ok(api.get(path)) == subnet
    assert ok(api.put(path, data={"description": "racks 1 to 4"}))["description"] == "racks 1 to 4"
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404


def test_subnet_of_ipv6_is_found_by_its_cidr_however_it_is_written(api, fabric) -> None:
    made = ok(api.post("subnets/", data={"cidr": "2001:db8:21::/64", "fabric": "lab", "vid": "0"}))
    for path in ("subnets/2001:db8:21::/64/", "subnets/2001:DB8:21:0::/64/", "subnets/cidr:2001:db8:21::/64/"):
        assert ok(api.get(path)) == made


@pytest.mark.parametrize(
    "path", ["subnets/10.20.0.0/25/", "subnets/10.20.0.1/24/", "subnets/id:pxe-a/", "subnets/cidr:x/y/"]
)
def test_subnet_that_is_not_there_is_named(api, subnet, path: str) -> None:
    response = api.get(path)
    assert response.status_code == 404
    assert f"'{path.removeprefix('subnets/').rstrip('/')}'" in response.text


def test_fabric_without_a_name_gets_one(api) -> None:
    assert ok(api.post("fabrics/"))["name"] == "fabric-0"
    assert ok(api.post("fabrics/"))["name"] != "fabric-0"


@pytest.mark.parametrize(("name", "words"), [("lab", "exists already"), ("12", "taken for an id"), ("a\nb", "name")])
def test_bad_fabric_name_is_refused(api, fabric, name, words) -> None:
    assert words in refused(api.post("fabrics/", data={"name": name}), "name")


def test_fabric_can_be_renamed_described_and_deleted(api, fabric) -> None:
    changed = ok(api.put("fabrics/lab/", data={"name": "hall-1", "description": "north", "class_type": "10g"}))
    assert (changed["name"], changed["description"], changed["class_type"]) == ("hall-1", "north", "10g")
    assert "cannot be a name" in refused(api.put("fabrics/hall-1/", data={"class_type": "10g\nx"}), "class_type")
    assert ok(api.put("fabrics/hall-1/", data={"description": ""}))["class_type"] == "10g"
    assert ok(api.put("fabrics/hall-1/", data={"class_type": ""}))["class_type"] is None
    assert api.delete("fabrics/hall-1/").status_code == 204
    assert api.get("fabrics/hall-1/").status_code == 404


def test_fabric_with_a_subnet_cannot_be_deleted(api, subnet) -> None:
    response = api.delete("fabrics/lab/")
    assert response.status_code == 409
    assert "pxe-a (10.20.0.0/24)" in response.text
    assert "delete" in response.text


def test_vlan_life(api, fabric) -> None:
    made = ok(api.post("fabrics/lab/vlans/", data={"vid": 20, "mtu": 9000}))
    assert (made["vid"], made["name"], made["mtu"]) == (20, "vlan-20", 9000)
    path = f"vlans/{made['id']}/"
    assert ok(api.put(path, data={"name": "storage"}))["name"] == "storage"
    assert ok(api.put("fabrics/lab/vlans/20/", data={"description": "x", "vid": "21"}))["vid"] == 21
    assert api.get("fabrics/lab/vlans/20/").status_code == 404
    assert api.delete("fabrics/lab/vlans/21/").status_code == 204
    assert api.get(path).status_code == 404


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({}, "vid", "give vid"),
        ({"vid": "4095"}, "vid", "from 0 to 4094"),
        ({"vid": "-1"}, "vid", "from 0 to 4094"),
        ({"vid": "0"}, "vid", "has VLAN 0 already"),
        ({"vid": "5", "mtu": "100"}, "mtu", "from 552"),
        ({"vid": "5", "dhcp_on": "perhaps"}, "dhcp_on", "neither true nor false"),
        ({"vid": "5", "primary_rack": "rack9"}, "primary_rack", "No enrolled rack is called 'rack9'"),
    ],
)
def test_bad_vlan_is_refused(api, fabric, data, field, words) -> None:
    assert words in refused(api.post("fabrics/lab/vlans/", data=data), field)
    assert len(ok(api.get("fabrics/lab/vlans/"))) == 1


def test_default_vlan_and_vlan_with_subnet_cannot_be_deleted(api, fabric, subnet) -> None:
    assert "default VLAN" in refused(api.delete("fabrics/lab/vlans/0/"), "vid")
    ok(api.post("fabrics/lab/vlans/", data={"vid": 7}))
    ok(api.put("subnets/pxe-a/", data={"fabric": "lab", "vid": "7"}))
    response = api.delete("fabrics/lab/vlans/7/")
    assert response.status_code == 409
    assert "pxe-a" in response.text


def test_subnet_has_what_was_said(api, subnet, fabric) -> None:
    assert (subnet["name"], subnet["cidr"], subnet["gateway_ip"]) == ("pxe-a", "10.20.0.0/24", "10.20.0.1")
    assert subnet["vlan"] == fabric["vlans"][0]
    assert (subnet["managed"], subnet["allow_dns"], subnet["allow_proxy"]) == (True, True, True)
    assert ok(api.get("subnets/")) == [subnet]
    assert ok(api.get("subnets/pxe-a/")) == ok(api.get(f"subnets/{subnet['id']}/")) == subnet


def test_subnet_update_changes_what_is_given(api, subnet) -> None:
    given = {"dns_servers": "10.20.0.2 10.20.0.3", "allow_proxy": "false", "gateway_ip": "", "description": "x"}
    changed = ok(api.put("subnets/pxe-a/", data=given))
    assert changed["dns_servers"] == ["10.20.0.2", "10.20.0.3"]
    assert (changed["allow_proxy"], changed["gateway_ip"], changed["cidr"]) == (False, None, subnet["cidr"])
    assert ok(api.put("subnets/pxe-a/", data={"cidr": "10.20.0.0/23"}))["cidr"] == "10.20.0.0/23"


def test_subnet_goes_with_its_ranges(api, dynamic) -> None:
    assert api.delete("subnets/pxe-a/").status_code == 204
    assert ok(api.get("ipranges/")) == []
    assert api.get("subnets/pxe-a/").status_code == 404


def test_subnet_may_be_ipv6(api, fabric) -> None:
    made = ok(api.post("subnets/", data={"cidr": "2001:db8:0::/64", "gateway_ip": "fe80::1"}))
    assert (made["cidr"], made["gateway_ip"], made["name"]) == ("2001:db8::/64", "fe80::1", "2001:db8::/64")
    span = {"type": "dynamic", "start_ip": "2001:db8::100", "end_ip": "2001:db8::1ff"}
    assert ok(api.post("ipranges/", data=span))["subnet"]["id"] == made["id"]


def test_range_of_an_ipv6_subnet_begins_after_the_address_of_its_routers_and_may_be_huge(api, fabric) -> None:
    ok(api.post("subnets/", data={"cidr": "2001:db8::/64"}))
    span = {"type": "dynamic", "start_ip": "2001:db8::", "end_ip": "2001:db8::ffff"}
    assert "begin at 2001:db8::1" in refused(api.post("ipranges/", data=span), "start_ip")
    whole = {"start_ip": "2001:db8::1", "end_ip": "2001:db8::ffff:ffff:ffff:ffff"}
    assert ok(api.post("ipranges/", data={**span, **whole}))["end_ip"] == "2001:db8::ffff:ffff:ffff:ffff"
    inside = {"type": "reserved", "start_ip": "2001:db8::7", "end_ip": "2001:db8::7"}
    assert "overlaps the dynamic range" in refused(api.post("ipranges/", data=inside), "start_ip")


@pytest.mark.parametrize("cidr", ["10.20.0.128/25", "10.20.0.0/24", "10.0.0.0/8", "0.0.0.0/0"])
def test_overlapping_subnet_names_the_other_and_the_remedy(api, subnet, cidr) -> None:
    message = refused(api.post("subnets/", data={"name": "other", "cidr": cidr}), "cidr")
    assert f"{cidr} overlaps subnet pxe-a (10.20.0.0/24)" in message
    assert "choose a CIDR that does not" in message
    assert len(ok(api.get("subnets/"))) == 1


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({"cidr": ""}, "cidr", "needs its CIDR"),
        ({"cidr": "10.21.0.0/33"}, "cidr", "'10.21.0.0/33' is no CIDR; write one such as 198.51.100.0/24"),
        ({"cidr": "10.21.0/24"}, "cidr", "is no CIDR"),
        ({"cidr": "10.21.0.7/24"}, "cidr", "write 10.21.0.0/24"),
        ({"cidr": "10.21.0.0"}, "cidr", "write 10.21.0.0/32"),
        ({"cidr": "010.21.0.0/24"}, "cidr", "is no CIDR"),
        ({"cidr": "10.21.0.0/24", "gateway_ip": "10.22.0.1"}, "gateway_ip", "lies outside 10.21.0.0/24"),
        ({"cidr": "10.21.0.0/24", "gateway_ip": "router"}, "gateway_ip", "is no IP address"),
        ({"cidr": "10.21.0.0/24", "dns_servers": "8.8.8.8,eight"}, "dns_servers", "'eight' is no IP address"),
        ({"cidr": "10.21.0.0/24", "name": "pxe-a"}, "name", "Subnet pxe-a (10.20.0.0/24) exists already"),
        ({"cidr": "10.21.0.0/24", "vlan": "9999"}, "vlan", "no VLAN '9999'"),
        ({"cidr": "10.21.0.0/24", "fabric": "moon"}, "fabric", "no fabric 'moon'"),
        ({"cidr": "10.21.0.0/24", "fabric": "lab", "vid": "99"}, "fabric", "Fabric lab has no VLAN '99'"),
        ({"cidr": "10.21.0.0/24", "managed": "maybe"}, "managed", "neither true nor false"),
    ],
)
def test_bad_subnet_is_refused_and_changes_nothing(api, subnet, data, field, words) -> None:
    assert words in refused(api.post("subnets/", data=data), field)
    assert ok(api.get("subnets/")) == [subnet]


def test_subnet_cannot_shrink_away_from_its_range(api, dynamic) -> None:
    message = refused(api.put("subnets/pxe-a/", data={"cidr": "10.20.0.0/25"}), "cidr")
    assert "10.20.0.100 - 10.20.0.200" in message


def test_range_life(api, dynamic, subnet) -> None:
    assert dynamic["subnet"] == subnet
    assert (dynamic["type"], dynamic["start_ip"], dynamic["end_ip"]) == ("dynamic", "10.20.0.100", "10.20.0.200")
    path = f"ipranges/{dynamic['id']}/"
    assert ok(api.get(path)) == dynamic
    assert ok(api.put(path, data={"end_ip": "10.20.0.150", "comment": "half"}))["end_ip"] == "10.20.0.150"
    assert ok(api.get("ipranges/"))[0]["comment"] == "half"
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
    assert ok(api.get("ipranges/")) == []


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"end_ip": "10.20.1.5"}, "end_ip", "10.20.1.5 lies outside subnet pxe-a (10.20.0.0/24)"),
        ({"start_ip": "10.19.0.1", "subnet": "pxe-a"}, "start_ip", "lies outside subnet pxe-a"),
        ({"start_ip": "192.0.2.1", "end_ip": "192.0.2.9"}, "start_ip", "No subnet contains 192.0.2.1"),
        ({"start_ip": "10.20.0.210"}, "end_ip", "must not be less"),
        ({"start_ip": "10.20.0.0"}, "start_ip", "network's own address"),
        ({"end_ip": "10.20.0.255"}, "end_ip", "broadcast address"),
        ({"start_ip": "ten"}, "start_ip", "'ten' is no IP address"),
        ({"end_ip": ""}, "end_ip", "needs end_ip"),
        ({"end_ip": "2001:db8::1"}, "end_ip", "must not be less"),
        ({"type": "static"}, "type", "dynamic or reserved"),
        ({"start_ip": "10.20.0.1"}, "start_ip", "contains 10.20.0.1 of the gateway of pxe-a"),
        ({"subnet": "moon"}, "subnet", "no subnet 'moon'"),
    ],
)
def test_bad_range_is_refused_and_changes_nothing(api, subnet, changed, field, words) -> None:
    assert words in refused(api.post("ipranges/", data={**DYNAMIC, **changed}), field)
    assert ok(api.get("ipranges/")) == []


@pytest.mark.parametrize(
    ("start", "end"),
    [("10.20.0.150", "10.20.0.210"), ("10.20.0.120", "10.20.0.130"), ("10.20.0.200", "10.20.0.201")],
)
def test_overlapping_range_names_the_other(api, dynamic, start, end) -> None:
    given = {"type": "reserved", "start_ip": start, "end_ip": end}
    message = refused(api.post("ipranges/", data=given), "start_ip")
    assert f"overlaps the dynamic range 10.20.0.100 - 10.20.0.200 (id {dynamic['id']})" in message
    assert len(ok(api.get("ipranges/"))) == 1


def test_neighbouring_ranges_are_fine(api, dynamic) -> None:
    ok(api.post("ipranges/", data={"type": "reserved", "start_ip": "10.20.0.201", "end_ip": "10.20.0.210"}))


def test_dynamic_range_over_a_racks_own_address_is_refused(api, subnet, rack) -> None:
    given = {"type": "dynamic", "start_ip": "10.20.0.2", "end_ip": "10.20.0.20"}
    assert "10.20.0.2 of rack rack1" in refused(api.post("ipranges/", data=given), "start_ip")


def test_dhcp_on_needs_a_rack_and_a_dynamic_range(api, subnet, rack) -> None:
    path = "fabrics/lab/vlans/0/"
    assert "give primary_rack" in refused(api.put(path, data={"dhcp_on": "true"}), "dhcp_on")
    both = {"dhcp_on": "true", "primary_rack": "rack1"}
    assert "dynamic IP range" in refused(api.put(path, data=both), "dhcp_on")
    ok(api.post("ipranges/", data=DYNAMIC))
    served = ok(api.put(path, data=both))
    assert (served["dhcp_on"], served["primary_rack"]) == (True, rack)
    assert ok(api.put(path, data={"name": "still"}))["primary_rack"] == rack
    assert "give primary_rack" in refused(api.put(path, data={"primary_rack": ""}), "dhcp_on")
    assert ok(api.put(path, data={"primary_rack": "", "dhcp_on": "false"}))["primary_rack"] is None


@pytest.fixture
def served(api, dynamic, rack) -> dict:
    """A VLAN whose DHCP is on."""
    return ok(api.put("fabrics/lab/vlans/0/", data={"dhcp_on": "true", "primary_rack": "rack1"}))


def test_gateway_cannot_move_into_a_dynamic_range(api, dynamic, subnet) -> None:
    words = refused(api.put(f"subnets/{subnet['id']}/", data={"gateway_ip": "10.20.0.150"}), "gateway_ip")
    assert "10.20.0.150 of subnet pxe-a would be in its dynamic range 10.20.0.100 - 10.20.0.200" in words
    assert ok(api.get(f"subnets/{subnet['id']}/"))["gateway_ip"] == "10.20.0.1"


def test_last_dynamic_range_cannot_go_while_dhcp_is_on(api, served, dynamic, subnet) -> None:
    for path in (f"ipranges/{dynamic['id']}/", f"subnets/{subnet['id']}/"):
        assert "VLAN 0 of fabric lab would have none" in refused(api.delete(path), "dhcp_on")
    reserved = api.put(f"ipranges/{dynamic['id']}/", data={"type": "reserved"})
    assert "VLAN 0 of fabric lab would have none" in refused(reserved, "dhcp_on")
    ok(api.post("ipranges/", data={"type": "dynamic", "start_ip": "10.20.0.210", "end_ip": "10.20.0.220"}))
    assert api.delete(f"ipranges/{dynamic['id']}/").status_code == 204, "another one is left"


def test_subnet_cannot_leave_its_vlan_without_a_range(api, served, subnet) -> None:
    other = ok(api.post("fabrics/lab/vlans/", data={"vid": "7"}))
    refused(api.put(f"subnets/{subnet['id']}/", data={"vlan": other["id"]}), "dhcp_on")
    ok(api.put("fabrics/lab/vlans/0/", data={"dhcp_on": "false"}))
    assert ok(api.put(f"subnets/{subnet['id']}/", data={"vlan": other["id"]}))["vlan"]["vid"] == 7


def test_rack_without_an_address_there_cannot_serve_dhcp(api, dynamic, add_rack) -> None:
    add_rack("rack2", "10.21.0.2/24")
    answer = api.put("fabrics/lab/vlans/0/", data={"dhcp_on": "true", "primary_rack": "rack2"})
    words = refused(answer, "primary_rack")
    assert "Rack rack2 has no address in 10.20.0.0/24" in words
    assert "it has 10.21.0.2" in words


def test_second_rack_serves_beside_the_first_and_is_another_one_with_an_address_there(api, served, add_rack) -> None:
    path = "fabrics/lab/vlans/0/"
    assert served["secondary_rack"] is None
    assert "must be different" in refused(api.put(path, data={"secondary_rack": "rack1"}), "secondary_rack")
    add_rack("rack2", "10.21.0.2/24")
    words = refused(api.put(path, data={"secondary_rack": "rack2"}), "secondary_rack")
    assert "Rack rack2 has no address in 10.20.0.0/24, so it could not serve DHCP" in words
    assert "No enrolled rack is called 'rack9'" in refused(
        api.put(path, data={"secondary_rack": "rack9"}), "secondary_rack"
    )
    rack3 = add_rack("rack3", "10.20.0.3/24")
    assert ok(api.put(path, data={"secondary_rack": "rack3"}))["secondary_rack"] == rack3
    assert ok(api.put(path, data={"mtu": "9000"}))["secondary_rack"] == rack3
    off = {"dhcp_on": "false", "primary_rack": ""}
    assert "give primary_rack as well" in refused(api.put(path, data=off), "secondary_rack")
    assert ok(api.put(path, data={"secondary_rack": ""}))["secondary_rack"] is None


def test_what_was_wrong_before_stops_no_other_change(api, served, execute) -> None:
    execute("UPDATE rack_interface SET address = '10.99.0.2/24'")
    ok(api.post("fabrics/", data={"name": "another"}))
    ok(api.put("fabrics/lab/vlans/0/", data={"mtu": "9000"}))


def test_rack_may_be_named_by_system_id(api, dynamic, rack) -> None:
    assert ok(api.put("fabrics/lab/vlans/0/", data={"primary_rack": rack}))["primary_rack"] == rack


def test_every_change_of_the_network_is_in_the_audit_trail(api, dynamic) -> None:
    told = ok(api.get("events/?op=query&level=AUDIT"))["events"]
    assert [event["description"] for event in reversed(told)] == [
        "Fabric lab was created",
        "VLAN 0 of lab was created",
        "Subnet pxe-a (10.20.0.0/24) was created",
        "Range 10.20.0.100 - 10.20.0.200 was created",
    ]
    assert {event["username"] for event in told} == {"admin"}


@pytest.mark.parametrize("path", ["fabrics/", "subnets/", "ipranges/"])
def test_network_lists_take_a_constant_number_of_statements(api, ctx, dynamic, path) -> None:
    statements: list[str] = []
    ctx.db.on_statement = statements.append
    ok(api.get(path))
    assert len(statements) == 7


def test_interface_shows_its_vlan_and_leased_address(api, subnet, dynamic, ctx, lease) -> None:
    machine = ok(
        api.post("machines/", data={"commission": "false", "hostname": "m1", "mac_addresses": "52:54:00:20:01:01"})
    )
    lease("10.20.0.101", "52:54:00:20:01:01", 600)
    shown = ok(api.get(f"machines/{machine['system_id']}/"))
    assert shown["ip_addresses"] == ["10.20.0.101"]
    (nic,) = shown["interface_set"]
    assert nic["links"] == [], "which is how people want it"
    assert nic["discovered"] == [{"ip_address": "10.20.0.101", "subnet": subnet}]
    for specifier in (nic["id"], nic["name"]):
        assert ok(api.get(f"nodes/{machine['system_id']}/interfaces/{specifier}/")) == nic
    ctx.clock.advance(601)
    assert ok(api.get(f"machines/{machine['system_id']}/"))["ip_addresses"] == []


def test_address_in_no_known_subnet_has_none(api, dynamic, execute, lease) -> None:
    """Missing and not null, or gomaasapi refuses the whole list. So has one that is in another VLAN's subnet."""
    machine = ok(
        api.post("machines/", data={"commission": "false", "hostname": "m1", "mac_addresses": "52:54:00:20:01:01"})
    )
    path = f"nodes/{machine['system_id']}/interfaces/"
    lease("10.99.0.101", "52:54:00:20:01:01", 600)
    (nic,) = ok(api.get(path))
    assert nic["discovered"] == [{"ip_address": "10.99.0.101"}]
    lease("10.20.0.101", "52:54:00:20:01:01", 1200)
    other = ok(api.post("fabrics/", data={"name": "other"}))["vlans"][0]["id"]
    execute("UPDATE machine_interface SET vlan_id = %s", (other,))
    (nic,) = ok(api.get(path))
    assert [list(each) for each in nic["discovered"]] == [["ip_address"]]


@pytest.mark.parametrize("path", ["interfaces/eth99", "interfaces/999", "blockdevices/999", "results/999"])
def test_part_that_a_machine_does_not_have_is_named(api, path: str) -> None:
    machine = ok(
        api.post("machines/", data={"commission": "false", "hostname": "m1", "mac_addresses": "52:54:00:20:01:01"})
    )
    answer = api.get(f"nodes/{machine['system_id']}/{path}/")
    assert answer.status_code == 404
    assert f"'{path.split('/')[1]}'" in answer.text
