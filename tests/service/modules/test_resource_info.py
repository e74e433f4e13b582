# SPDX-License-Identifier: GPL-3.0-or-later
"""Module `resource_info` reads each resource of a real region, by its name and field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.module_utils.rackyard_core.resources import RESOURCES
from ansible_collections.rackyard.metal.plugins.modules import resource_info, zone
from rackyard.region.context import Context
from tests.service.site.conftest import add_boot, furnish

Result = dict[str, Any]
Run = Callable[..., Result]

# What has those that are not the site's own.
OF = {"block_device": "m1", "interface": "sw1", "script_result": "m1", "subnet_address": "s", "subnet_free": "s",
      "subnet_taken": "198.51.100.0/24", "subnet_usage": "s"}  # fmt: skip
# The name of one of each among the things that there are; None where they have none.
NAMES = {
    "api_key": "", "audit_entry": "dmz", "block_device": "sda", "boot_resource": "i", "device": "sw1",
    "dhcp_snippet": "n", "dns_record": "a.d.org", "dns_resource_record": "a.d.org", "domain": "d.org", "event":
    "m1", "fabric": "f", "file": "f.txt", "interface": "eth0", "ip_address": "198.51.100.60", "ip_range":
    "198.51.100.10", "notification": "full", "package_repository": "r", "power_type": "ipmi", "rack_controller":
    "rack1", "region_controller": "region1", "resource_pool": "p", "script": "s", "script_result": None,
    "setting": "keep_boots", "space": "dmz", "ssh_key": None, "static_route": None, "subnet": "s", "subnet_address":
    "198.51.100.60", "subnet_free": "198.51.100.1", "subnet_taken": "198.51.100.10", "subnet_usage": None, "tag":
    "t", "user": "somebody", "user_group": "g", "vlan": "untagged", "zone": "z",
}  # fmt: skip


@pytest.fixture
def site(ctx: Context, api: Any, execute: Run) -> None:
    furnish(ctx, api)
    add_boot(execute)
    api.put("notifications/1/", data={"ident": "full"})
    api.post("ipaddresses/?op=reserve", data={"ip": "198.51.100.60"})


def test_each_resource_is_read(run: Run, site: None) -> None:
    assert NAMES.keys() == RESOURCES.keys()
    for resource, name in NAMES.items():
        of = {"of": OF[resource]} if resource in OF else {}
        named = of if name is None else {**of, "name": name}
        read, foretold = (run(resource_info, check=check, resource=resource, **named) for check in (False, True))
        assert not read.get("failed"), (resource, read)
        assert (read["changed"], read["resources"]) == (False, foretold["resources"]), resource
        assert read["resources"], resource
        key = RESOURCES[resource].name
        assert name is None or {row[key] for row in read["resources"]} == {name}, resource
        if resource != "setting":
            all_of_them = run(resource_info, resource=resource, **of)["resources"]
            assert [row for row in all_of_them if name is None or row[key] == name] == read["resources"], resource
        field = next(iter(read["resources"][0]))
        cut = run(resource_info, resource=resource, fields=[field], **named)["resources"]
        assert cut == [{field: row[field]} for row in read["resources"]], resource
        refused = run(resource_info, resource=resource, filters={"colour": "blue"}, **named)
        assert (refused["failed"], refused["status"]) == (True, 400), resource
        assert "colour" in refused["msg"], resource


def test_what_cannot_be_read_is_said_and_what_is_not_there_is_an_empty_list(run: Run) -> None:
    wrong: list[tuple[Result, str]] = [
        ({"resource": "zone", "fields": ["colour"]}, "fields: a zone has no colour; it has id, name, "),
        ({"resource": "ssh_key", "name": "mine"}, "name: a ssh_key has none"),
        ({"resource": "zone", "of": "m1"}, "of: each zone is the site's; leave it out"),
        ({"resource": "interface"}, "of: each interface is of a machine or device; name that one"),
        ({"resource": "interface", "of": "moon"}, "There is no machine or device 'moon'"),
        ({"resource": "subnet_usage", "of": "moon"}, "There is no subnet 'moon'"),
        ({"resource": "setting"}, "name: settings are read one by one"),
        ({"resource": "setting", "name": "colour"}, "colour"),
        ({"resource": "user", "filters": {"op": "whoami"}}, "filters: op is no filter"),
    ]
    for options, words in wrong:
        assert words in run(resource_info, **options)["msg"]
    for resource in ("device", "zone"):
        assert run(resource_info, resource=resource, name="moon")["resources"] == []
    run(zone, name="hall1")
    newest = run(resource_info, resource="audit_entry", filters={"limit": 1})["resources"]
    assert [entry["name"] for entry in newest] == ["hall1"]
