# SPDX-License-Identifier: GPL-3.0-or-later
"""`describe/`: what clients that generate themselves from it (python-libmaas, MAAS's command line) read."""

from __future__ import annotations

import re

import pytest

from rackyard.region import api as region_api
from rackyard.region.api import not_yet

DESCRIBE = f"{region_api.PREFIX}/describe/"
OPENAPI = f"{region_api.PREFIX}/openapi.json"
HANDLER_KEYS = {"name", "doc", "uri", "path", "params", "actions"}
ACTION_KEYS = {"name", "doc", "method", "op", "restful"}
NOT_YET = {region_api.PREFIX + path for path in not_yet.PATHS}
RESTFUL = {"create", "read", "update", "delete"}
NONE_OF = {"VmHosts": "vm-hosts", "Pods": "pods", "BootSources": "boot-sources", "LicenseKeys": "license-keys"}
# What clients call, by the names of MAAS 3.4: handler, path, actions.
MAAS_HAS = [
    ("Version", "version/", "read"),
    ("Users", "users/", "create read whoami"),
    (
        "Account",
        "account/",
        "create_authorisation_token delete_authorisation_token list_authorisation_tokens update_token_name",
    ),
    ("SSHKeys", "account/prefs/sshkeys/", "create import read"),
    ("SSHKey", "account/prefs/sshkeys/{id}/", "delete read"),
    ("Files", "files/", "create delete get get_by_key read"),
    ("File", "files/{filename}/", "delete read"),
    ("Notifications", "notifications/", "create read"),
    ("Notification", "notifications/{id}/", "delete dismiss read update"),
    ("Maas", "maas/", "get_config set_config"),
    ("Nodes", "nodes/", "is_registered read set_zone"),
    ("Node", "nodes/{system_id}/", "delete details power_parameters read"),
    ("Zones", "zones/", "create read"),
    ("Zone", "zones/{name}/", "delete read update"),
    ("ResourcePools", "resourcepools/", "create read"),
    ("ResourcePool", "resourcepool/{id}/", "delete read update"),
    ("Spaces", "spaces/", "create read"),
    ("Space", "spaces/{id}/", "delete read update"),
    ("StaticRoutes", "static-routes/", "create read"),
    ("StaticRoute", "static-routes/{id}/", "delete read update"),
    ("DHCPSnippets", "dhcp-snippets/", "create read"),
    ("DHCPSnippet", "dhcp-snippets/{id}/", "delete read revert update"),
    ("Domains", "domains/", "create read set_serial"),
    ("Domain", "domains/{id}/", "delete read set_default update"),
    ("DNSResources", "dnsresources/", "create read"),
    ("DNSResource", "dnsresources/{id}/", "delete read update"),
    ("DNSResourceRecords", "dnsresourcerecords/", "create read"),
    ("DNSResourceRecord", "dnsresourcerecords/{id}/", "delete read update"),
    ("Machines", "machines/", "accept accept_all create is_registered list_allocated power_parameters read set_zone"),
    (
        "Machine",
        "machines/{system_id}/",
        "abort clear_default_gateways commission delete details lock mark_broken mark_fixed override_failed_testing "
        "power_off power_on power_parameters query_power_state read set_owner_data set_workload_annotations test "
        "unlock update",
    ),
    ("Interfaces", "nodes/{system_id}/interfaces/", "create_bond create_bridge create_physical create_vlan read"),
    (
        "Interface",
        "nodes/{system_id}/interfaces/{id}/",
        "add_tag delete disconnect link_subnet read remove_tag set_default_gateway unlink_subnet update",
    ),
    ("Devices", "devices/", "create is_registered read set_zone"),
    (
        "Device",
        "devices/{system_id}/",
        "delete details power_parameters read set_owner_data set_workload_annotations update",
    ),
    ("BlockDevices", "nodes/{system_id}/blockdevices/", "read"),
    ("User", "users/{username}/", "delete read"),
    ("BlockDevice", "nodes/{system_id}/blockdevices/{id}/", "read"),
    ("NodeScriptResult", "nodes/{system_id}/results/{id}/", "download read"),
    ("NodeScriptResults", "nodes/{system_id}/results/", "read"),
    ("RackControllers", "rackcontrollers/", "describe_power_types is_registered power_parameters read set_zone"),
    (
        "RackController",
        "rackcontrollers/{system_id}/",
        "delete details list_boot_images power_parameters query_power_state read update",
    ),
    ("RegionControllers", "regioncontrollers/", "is_registered read set_zone"),
    ("RegionController", "regioncontrollers/{system_id}/", "details power_parameters read update"),
    ("Events", "events/", "query"),
    ("Tags", "tags/", "create read"),
    (
        "Tag",
        "tags/{name}/",
        "delete devices machines nodes rack_controllers read rebuild region_controllers update update_nodes",
    ),
    ("Fabrics", "fabrics/", "create read"),
    ("Fabric", "fabrics/{id}/", "delete read update"),
    ("Vlans", "fabrics/{fabric_id}/vlans/", "create read"),
    ("Vlan", "fabrics/{fabric_id}/vlans/{vid}/", "delete read update"),
    ("Subnets", "subnets/", "create read"),
    (
        "Subnet",
        "subnets/{id}/",
        "delete ip_addresses read reserved_ip_ranges statistics unreserved_ip_ranges update",
    ),
    ("IPRanges", "ipranges/", "create read"),
    ("IPAddresses", "ipaddresses/", "read release reserve"),
    ("IPRange", "ipranges/{id}/", "delete read update"),
    ("NodeScripts", "scripts/", "create read"),
    ("NodeScript", "scripts/{name}", "add_tag delete download read remove_tag revert update"),
    ("PackageRepositories", "package-repositories/", "create read"),
    ("PackageRepository", "package-repositories/{id}/", "delete read update"),
    ("BootResources", "boot-resources/", "create is_importing read"),
    *((name, f"{place}/", "read") for name, place in NONE_OF.items()),
    ("BootResource", "boot-resources/{id}/", "delete read"),
]


@pytest.fixture
def described(client) -> dict:
    response = client.get(DESCRIBE)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    return response.json


def parts(described: dict) -> list[dict]:
    return [part for each in described["resources"] for part in (each["anon"], each["auth"]) if part]


@pytest.mark.parametrize(("name", "path", "actions"), MAAS_HAS)
def test_what_maas_has_is_named_as_in_maas(described, name: str, path: str, actions: str) -> None:
    (found,) = [each for each in described["resources"] if each["name"] == f"{name}Handler"]
    part = found["auth"] or found["anon"]
    assert part["path"] == f"{region_api.PREFIX}/{path}"
    assert set(actions.split()) <= {action["name"] for action in part["actions"]}


def test_every_route_is_described(app, described) -> None:
    """By Flask's own table, whose variables may have other names than MAAS's."""
    routes = {
        re.sub(r"<[^>]+>", "{}", str(rule))
        for rule in app.url_map.iter_rules()
        if str(rule).startswith(f"{region_api.PREFIX}/") and str(rule) not in (DESCRIBE, OPENAPI, *NOT_YET)
    }
    # What is for callers with a key has all that is for those without one.
    whole = [each["auth"] or each["anon"] for each in described["resources"]]
    assert sorted(re.sub(r"{[^}]+}", "{}", part["path"]) for part in whole) == sorted(routes)
    actions = sum(len(part["actions"]) for part in whole)
    assert actions == sum(len(resource.actions) for resource in region_api.resources())


def test_document_has_the_shape_that_clients_read(described) -> None:
    assert described.keys() == {"doc", "resources", "hash"}
    names = [each["name"] for each in described["resources"]]
    assert len(set(names)) == len(names)
    assert all(name.endswith("Handler") for name in names)
    for part in parts(described):
        assert part.keys() == HANDLER_KEYS
        assert part["doc"]
        assert part["params"] == re.findall(r"{([^}]+)}", part["path"])
        assert len({action["name"] for action in part["actions"]}) == len(part["actions"]) > 0
        for action in part["actions"]:
            assert action.keys() == ACTION_KEYS
            assert action["doc"], action["name"]
            assert action["restful"] == (action["op"] is None) == (action["name"] in RESTFUL)


def test_only_what_needs_no_key_is_anonymous(described) -> None:
    anonymous = {each["name"]: each for each in described["resources"] if each["anon"]}
    assert anonymous.keys() == {"VersionHandler", "FilesHandler", "MachinesHandler", "NodesHandler"}
    for name in ("MachinesHandler", "NodesHandler"):
        assert [action["name"] for action in anonymous[name]["anon"]["actions"]] == ["is_registered"]
    assert anonymous["VersionHandler"]["auth"] is None
    (by_key,) = anonymous["FilesHandler"]["anon"]["actions"]
    assert by_key["name"] == "get_by_key"
    assert by_key in anonymous["FilesHandler"]["auth"]["actions"]
    assert all(each["auth"] for each in described["resources"] if each["name"] != "VersionHandler")


def test_urls_are_on_the_host_that_the_caller_named(client) -> None:
    described = client.get(DESCRIBE, headers={"Host": "maas.example.com:5240"}).json
    assert all(part["uri"] == f"http://maas.example.com:5240{part['path']}" for part in parts(described))
    assert described["hash"] == client.get(DESCRIBE).json["hash"], "the host is no part of the API"


def test_every_answer_of_the_api_has_the_hash_of_the_description(client, api, described) -> None:
    answers = [client.get(DESCRIBE), client.get(f"{region_api.PREFIX}/version/"), api.get("machines/")]
    answers += [client.get(f"{region_api.PREFIX}/machines/"), api.get("machines/nobody/"), api.get("nothing/")]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 401, 404, 404]
    assert {answer.headers["X-MAAS-API-Hash"] for answer in answers} == {described["hash"]}
    assert "X-MAAS-API-Hash" not in client.get("/MAAS/health").headers


def test_what_maas_has_and_this_region_not_yet_is_refused_in_words(api, client) -> None:
    for path in not_yet.PATHS:
        place = re.sub(r"<[^>]+>", "x", path).removeprefix("/")
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = api.request(method, place)
            assert answer.status_code == 400, place
            words = not_yet.NEVER.get(place.split("/")[0], "not supported by this region yet")
            assert words in answer.text
        assert client.get(f"{region_api.PREFIX}/{place}").status_code == 401


def test_operations_that_maas_has_and_this_region_not_yet_are_refused_in_words(api) -> None:
    by_name = {resource.name: resource for resource in region_api.resources()}
    for name, ops in not_yet.OPERATIONS.items():
        served = {op for _method, op in by_name[name].actions}
        place = re.sub(r"<(int:)?[^>]+>", "1", by_name[name].path).removeprefix("/")
        for op in ops.split():
            assert op not in served
            for ask in (api.get, api.post):
                answer = ask(f"{place}?op={op}")
                words = not_yet.NEVER_OPS.get(op, f"op={op} is not supported by this region yet")
                assert (answer.status_code, answer.text.split(";")[0]) == (400, words.split(";")[0])
    for name, methods in not_yet.PLAIN.items():
        place = re.sub(r"<(int:)?[^>]+>", "1", by_name[name].path).removeprefix("/")
        for method in methods.split():
            assert (method, None) not in by_name[name].actions
            answer = api.request(method, place)
            assert (answer.status_code, answer.text.split(";")[0]) == (
                400, f"{method} here is not supported by this region yet",
            )  # fmt: skip
    assert api.post("machines/?op=nonsense").text.startswith("Unrecognised signature")


def test_what_this_region_has_none_of_is_listed_empty_and_takes_nothing(api, described) -> None:
    listed = {each["auth"]["path"]: each["auth"]["actions"] for each in described["resources"] if each["auth"]}
    lists = [api.get("vm-hosts/"), api.get("pods/"), api.get("boot-sources/"), api.get("license-keys/")]
    assert [answer.json for answer in lists] == [[]] * len(NONE_OF)
    for place in NONE_OF.values():
        assert [action["name"] for action in listed[f"{region_api.PREFIX}/{place}/"]] == ["read"]
        answer = api.post(f"{place}/", data={"url": "http://images.example.org"})
        assert (answer.status_code, answer.text) == (400, not_yet.NEVER[place])
    assert api.get("boot-resources/?op=is_importing").json is False
    for place in ("boot-resources/", "rackcontrollers/"):
        op = "import" if place == "boot-resources/" else "import_boot_images"
        assert api.post(f"{place}?op={op}").text == not_yet.NEVER["boot-sources"]
