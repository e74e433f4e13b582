# SPDX-License-Identifier: GPL-3.0-or-later
"""What a subnet's addresses are used for: operations of `subnets/<id>/`."""

from __future__ import annotations

import pytest

MAC, STRANGER = "52:54:00:20:01:01", "52:54:00:99:00:01"
PATHS = ["subnets/boot/", "subnets/10.20.0.0/24/"]


def ok(response):
    assert response.status_code == 200, response.text
    return response.json


@pytest.fixture
def boot(api, add_rack, lease, execute) -> str:
    """A subnet with a gateway, a rack, both kinds of range, an address kept for m1, its lease and a stranger's; m1's
    system_id."""
    add_rack("rack1", "10.20.0.2/24")
    ok(api.post("fabrics/", data={"name": "lab"}))
    servers = {"gateway_ip": "10.20.0.1", "dns_servers": "10.20.0.3"}
    ok(api.post("subnets/", data={"name": "boot", "cidr": "10.20.0.0/24", **servers}))
    for kind, start, end in (("dynamic", 100, 199), ("reserved", 240, 249)):
        ends = {"start_ip": f"10.20.0.{start}", "end_ip": f"10.20.0.{end}"}
        ok(api.post("ipranges/", data={"type": kind, **ends}))
    machine = {"commission": "false", "hostname": "m1", "mac_addresses": MAC}
    system_id = ok(api.post("machines/", data=machine))["system_id"]
    wish = {"mode": "static", "subnet": "boot", "ip_address": "10.20.0.50"}
    ok(api.post(f"nodes/{system_id}/interfaces/eth0/?op=link_subnet", data=wish))
    lease("10.20.0.101", MAC, 600)
    lease("10.20.0.102", STRANGER, 600)
    execute("UPDATE lease SET subnet_id = (SELECT id FROM subnet)")
    return str(system_id)


@pytest.mark.parametrize("path", PATHS)
def test_addresses_are_listed_with_whom_they_belong_to(api, boot, path: str) -> None:
    listed = ok(api.get(f"{path}?op=ip_addresses"))
    assert [(each["ip"], each["alloc_type"]) for each in listed] == [
        ("10.20.0.2", 1), ("10.20.0.50", 1), ("10.20.0.101", 6), ("10.20.0.102", 5),
    ]  # fmt: skip
    whose = [each.get("node_summary", {}).get("hostname") for each in listed]
    assert whose == ["rack1", "m1", "m1", None]
    assert listed[1]["node_summary"] == {
        "system_id": boot, "hostname": "m1", "fqdn": "m1.rackyard.internal", "node_type": 0, "is_container": False,
        "via": "eth0",
    }  # fmt: skip
    assert not any("node_summary" in each for each in ok(api.get(f"{path}?op=ip_addresses&with_summary=0")))


@pytest.mark.parametrize("path", PATHS)
def test_parts_of_a_subnet_are_told_by_what_they_are_for(api, boot, path: str) -> None:
    def parts(op: str) -> list[tuple[str, str, int, list[str]]]:
        found = ok(api.get(f"{path}?op={op}"))
        return [(each["start"][8:], each["end"][8:], each["num_addresses"], each.get("purpose")) for each in found]

    assert parts("reserved_ip_ranges") == [
        ("1", "1", 1, ["gateway-ip"]),
        ("2", "2", 1, ["assigned-ip"]),
        ("3", "3", 1, ["dns-server"]),
        ("50", "50", 1, ["assigned-ip"]),
        ("100", "199", 100, ["dynamic"]),
        ("240", "249", 10, ["reserved"]),
    ]
    assert parts("unreserved_ip_ranges") == [
        ("4", "49", 46, None), ("51", "99", 49, None), ("200", "239", 40, None), ("250", "254", 5, None),
    ]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_statistics_count_every_address_once(api, boot, path: str) -> None:
    told = ok(api.get(f"{path}?op=statistics"))
    assert told == {
        "num_available": 140, "largest_available": 49, "num_unavailable": 114, "total_addresses": 254,
        "usage": pytest.approx(114 / 254), "usage_string": "45%", "available_string": "55%",
        "first_address": "10.20.0.1", "last_address": "10.20.0.254", "ip_version": 4,
    }  # fmt: skip
    ranges = ok(api.get(f"{path}?op=statistics&include_ranges=1"))["ranges"]
    assert sum(each["num_addresses"] for each in ranges) == 254
    assert {"start": "10.20.0.4", "end": "10.20.0.49", "num_addresses": 46, "purpose": ["unused"]} in ranges


def test_neighbours_are_one_part_and_ipv6_is_counted_too(api, boot) -> None:
    for number in (51, 52):
        wish = {"mode": "static", "subnet": "boot", "ip_address": f"10.20.0.{number}"}
        ok(api.post(f"nodes/{boot}/interfaces/eth0/?op=link_subnet", data=wish))
    reserved = ok(api.get("subnets/boot/?op=reserved_ip_ranges"))
    assert {"start": "10.20.0.50", "end": "10.20.0.52", "num_addresses": 3, "purpose": ["assigned-ip"]} in reserved
    ok(api.post("subnets/", data={"name": "boot6", "cidr": "2001:db8::/64"}))
    told = ok(api.get("subnets/boot6/?op=statistics"))
    assert (told["num_available"], told["ip_version"], told["last_address"]) == (
        2**64 - 1, 6, "2001:db8::ffff:ffff:ffff:ffff",
    )  # fmt: skip


@pytest.mark.parametrize("op", ["ip_addresses", "reserved_ip_ranges", "unreserved_ip_ranges", "statistics"])
def test_subnet_that_is_not_there_has_no_addresses(api, op: str) -> None:
    assert api.get(f"subnets/moon/?op={op}").status_code == 404
