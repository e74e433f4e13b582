# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients of MAAS ask of controllers beside how they are: their hosts, power, details, and tags."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rackyard.region.api import bson
from rackyard.region.context import Context
from rackyard.region.db.site.hosts import Host, HostInterface
from rackyard.region.services.site import accounts
from rackyard.region.services.site.authorisation import COMMAND_LINE

from ..conftest import Api
from .test_controllers import listens, told

NICS = (
    HostInterface("eth0", "52:54:00:00:00:01", ["10.10.0.11/24"], mtu=1500, link_connected=True),
    HostInterface("eth1", "52:54:00:00:00:02", ["192.0.2.7/24", "fd00::7/64"]),
)
HOST = Host("arm64", 4, 2000, 7800, 0, "debian", "bookworm", {"system_product": "Altra"}, NICS)


@pytest.fixture
def ids(ctx: Context, api: Api, add_rack: Callable[[str, str], str]) -> dict[str, str]:
    """A region that has told of itself, a rack and a device, by their collections."""
    told(ctx, host=HOST)
    return {
        "regioncontrollers": api.get("regioncontrollers/").json[0]["system_id"],
        "rackcontrollers": add_rack("rack1", "203.0.113.1/24"),
        "devices": api.post("devices/", data={"hostname": "sw1", "mac_addresses": "52:54:00:00:00:20"}).json[
            "system_id"
        ],
    }


def test_region_is_shown_with_its_host(
    ctx: Context, api: Api, ids: dict[str, str], execute: Callable[..., object]
) -> None:
    vlan = api.post("fabrics/", data={"name": "lab"}).json["vlans"][0]["id"]
    api.post("subnets/", data={"cidr": "192.0.2.0/24", "name": "office", "vlan": vlan})
    listens(execute, "region1", "192.0.2.7")
    (shown,) = api.get("regioncontrollers/").json
    names = ("architecture", "cpu_count", "cpu_speed", "memory", "swap_size", "osystem", "distro_series", "power_state")
    assert [shown[name] for name in names] == ["arm64/generic", 4, 2000, 7800, 0, "debian", "bookworm", "on"]
    assert (shown["hardware_uuid"], shown["hardware_info"]["system_product"]) == (None, "Altra")
    assert shown["ip_addresses"] == ["192.0.2.7", "10.10.0.11", "fd00::7"], "where racks reach it comes first"
    eth0, eth1 = shown["interface_set"]
    assert (eth0["vlan"], eth0["link_connected"]) == (None, True)
    assert [link.get("subnet", {}).get("name") for link in eth1["links"]] == ["office", None]
    assert eth1["vlan"]["id"] == vlan
    told(ctx)
    (shown,) = api.get("regioncontrollers/").json
    assert (shown["cpu_count"], shown["interface_set"]) == (0, []), "what is said last counts"


def test_what_has_no_bmc_has_no_power_parameters_and_no_details(
    api: Api, ids: dict[str, str], execute: Callable[..., object]
) -> None:
    for collection, system_id in ids.items():
        for path in (f"{collection}/{system_id}/", f"nodes/{system_id}/"):
            assert api.get(f"{path}?op=power_parameters").json == {}, path
            details = api.get(f"{path}?op=details")
            assert (details.data, details.mimetype) == (bson.document({"lshw": None, "lldp": None}), bson.MIMETYPE)
        for op in ("power_parameters", "details"):
            assert api.get(f"{collection}/nnnnnn/?op={op}").status_code == 404
            assert api.get(f"nodes/nnnnnn/?op={op}").status_code == 404
    rack = ids["rackcontrollers"]
    assert api.get("rackcontrollers/?op=power_parameters").json == {rack: {}}
    assert api.get("rackcontrollers/?op=power_parameters&id=nnnnnn").json == {}
    for alive, state in ((True, "on"), (False, "unknown")):
        execute("UPDATE rack SET alive = %s", (alive,))
        assert api.get(f"rackcontrollers/{rack}/?op=query_power_state").json == {"state": state}
        assert api.get(f"rackcontrollers/{rack}/").json["power_state"] == state


def test_controllers_get_and_lose_tags_as_machines_do(
    ctx: Context, api: Api, api_of: Callable[[str], Api], ids: dict[str, str], execute: Callable[..., object]
) -> None:
    for name in ("east", "a"):
        api.post("tags/", data={"name": name})
        assert api.post(f"tags/{name}/?op=update_nodes", data={"add": [*ids.values()]}).json["added"] == 3
    for collection, system_id in ids.items():
        assert api.get(f"{collection}/{system_id}/").json["tag_names"] == ["a", "east"]
    for op, collection in (("rack_controllers", "rackcontrollers"), ("region_controllers", "regioncontrollers")):
        assert api.get(f"tags/east/?op={op}").json == api.get(f"{collection}/").json
        assert api.get(f"tags/none/?op={op}").status_code == 404
    assert {each["system_id"] for each in api.get("tags/east/?op=nodes").json} == {*ids.values()}
    both = {"add": "nnnnnn", "remove": [*ids.values()]}
    assert "'nnnnnn'" in api.post("tags/east/?op=update_nodes", data=both).text
    assert len(api.get("tags/east/?op=nodes").json) == 3, "all of it or nothing"
    assert api.post("tags/east/?op=update_nodes", data={"remove": [*ids.values()]}).json == {"added": 0, "removed": 3}
    assert api.get("tags/east/?op=nodes").json == []
    assert api.get("tags/a/?op=rack_controllers").json[0]["tag_names"] == ["a"]
    execute("UPDATE rack SET revoked_at = now()")
    assert api.post("tags/a/?op=update_nodes", data={"add": ids["rackcontrollers"]}).status_code == 400
    assert {each["system_id"] for each in api.get("tags/a/?op=nodes").json} == {*ids.values()} - {
        ids["rackcontrollers"]
    }
    operator = api_of(accounts.add_account(ctx, COMMAND_LINE, "ann"))
    api.post("usergroups/", data={"name": "g"})
    api.post("usergroups/g/?op=add_member", data={"username": "ann"})
    api.post("usergroups/g/?op=grant", data={"role": "operator", "pool": "*"})
    for system_id in (ids["regioncontrollers"], ids["devices"]):
        assert operator.post("tags/east/?op=update_nodes", data={"add": system_id}).status_code == 403, system_id
