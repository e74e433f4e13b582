# SPDX-License-Identifier: GPL-3.0-or-later
"""Every URL and operation of the API: known here by name, with what it answers whom."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from psycopg2 import sql

from rackyard.region import api as region_api

NOTHING: Mapping[str, object] = MappingProxyType({})

# What an ordinary account and an administrator are answered by each operation, without parameters, about things that
# exist; nobody is answered 401. A new operation must be added here, with its test.
OPERATIONS = {
    "/users/": {"GET whoami": (200, 200)},
    "/account/": {
        "GET list_authorisation_tokens": (200, 200),
        "POST create_authorisation_token": (200, 200),
        "POST delete_authorisation_token": (400, 400),
    },
    "/events/": {"GET query": (200, 200)},
    "/boot-resources/": {"GET": (200, 200)},
    "/boot-resources/<int:image_id>/": {"GET": (200, 200)},
    "/machines/": {"GET": (200, 200), "GET power_parameters": (403, 200), "POST": (403, 400)},
    "/machines/<system_id>/": {
        "DELETE": (403, 204),
        "GET": (200, 200),
        "GET boot_timeline": (200, 200),
        "GET power_parameters": (403, 200),
        "GET query_power_state": (400, 400),
        "POST abort": (403, 409),
        "POST commission": (403, 400),
        "POST power_off": (403, 400),
        "POST power_on": (403, 400),
        "PUT": (403, 200),
    },
    "/nodes/<system_id>/interfaces/": {"GET": (200, 200)},
    "/nodes/<system_id>/blockdevices/": {"GET": (200, 200)},
    "/nodes/<system_id>/results/": {"GET": (200, 200)},
    "/fabrics/": {"GET": (200, 200), "POST": (403, 200)},
    "/fabrics/<fabric>/": {"DELETE": (403, 409), "GET": (200, 200), "PUT": (403, 200)},
    "/fabrics/<fabric>/vlans/": {"GET": (200, 200), "POST": (403, 400)},
    "/fabrics/<fabric>/vlans/<vid>/": {"DELETE": (403, 400), "GET": (200, 200), "PUT": (403, 200)},
    "/vlans/<int:vlan_id>/": {"DELETE": (403, 400), "GET": (200, 200), "PUT": (403, 200)},
    "/subnets/": {"GET": (200, 200), "POST": (403, 400)},
    "/subnets/<subnet>/": {"DELETE": (403, 204), "GET": (200, 200), "PUT": (403, 200)},
    "/ipranges/": {"GET": (200, 200), "POST": (403, 400)},
    "/ipranges/<int:range_id>/": {"DELETE": (403, 204), "GET": (200, 200), "PUT": (403, 200)},
    "/controllers/": {"GET": (200, 200), "GET page": (200, 200)},
    "/rackcontrollers/": {"GET": (200, 200)},
    "/rackcontrollers/<system_id>/": {"DELETE": (403, 204), "GET": (200, 200)},
    "/regioncontrollers/": {"GET": (200, 200)},
    "/regioncontrollers/<system_id>/": {"GET": (200, 200)},
}


def every_call() -> list[tuple[str, str]]:
    """What the region answers, whether the table knows it or not."""
    return [
        (resource.path, f"{method} {op or ''}".strip())
        for resource in region_api.resources()
        for method, op in resource.actions
    ]


def request_of(path: str, operation: str, parts: Mapping[str, object] = NOTHING) -> tuple[str, str]:
    """Method and URL of an operation about these things; without them about things that do not exist."""
    method, _, op = operation.partition(" ")
    url = re.sub(r"<(?:int:)?([a-z_]+)>", lambda part: str(parts.get(part[1], 1)), path)[1:]
    return method, url + (f"?op={op}" if op else "")


def test_operations_are_exactly_these() -> None:
    assert sorted(every_call()) == sorted(
        (path, operation) for path, known in OPERATIONS.items() for operation in known
    )


def test_every_resource_is_mounted_and_only_version_besides(app) -> None:
    mounted = {str(rule) for rule in app.url_map.iter_rules() if str(rule).startswith(region_api.PREFIX)}
    known = {region_api.PREFIX + path for path in OPERATIONS}
    assert mounted == known | {f"{region_api.PREFIX}/version/"}


@pytest.fixture
def things(api, add_rack, execute) -> dict[str, dict[str, object]]:
    """The parts of URLs that name one of each thing; machines and controllers are named by a system_id."""
    fabric = api.post("fabrics/", data={"name": "f"}).json
    subnet = api.post("subnets/", data={"cidr": "198.51.100.0/24", "name": "s"}).json
    ends = {"start_ip": "198.51.100.10", "end_ip": "198.51.100.20"}
    ip_range = api.post("ipranges/", data={"type": "reserved", **ends}).json
    machine = api.post("machines/", data={"hostname": "m1", "mac_addresses": "52:54:00:00:00:01"}).json
    ((image_id,),) = execute(
        "INSERT INTO image (name, arch, suite, manifest, manifest_sha256, registered_at) "
        """VALUES ('i', 'amd64', 'bookworm', '{"files": []}', sha256('i'), now()) RETURNING id"""
    )
    ((region_id,),) = execute(
        "INSERT INTO region (system_id, name, seen_at) VALUES ('abcdef', 'region1', now()) RETURNING system_id"
    )
    controllers = {"rackcontrollers": {"system_id": add_rack("rack1", "203.0.113.1/24")}}
    controllers["regioncontrollers"] = {"system_id": region_id}
    of_rest = {
        "system_id": machine["system_id"],
        "fabric": fabric["id"],
        "vid": 0,
        "vlan_id": fabric["vlans"][0]["id"],
        "subnet": subnet["id"],
        "range_id": ip_range["id"],
        "image_id": image_id,
    }
    return {path: controllers.get(path.split("/")[1], of_rest) for path in OPERATIONS}


@pytest.fixture
def stored(execute) -> Callable[[], list[tuple]]:
    """What each table holds, as a digest."""
    one = sql.SQL("SELECT {}, md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} AS t")
    names = [name for (name,) in execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
    of_all = sql.SQL(" UNION ALL ").join(one.format(sql.Literal(name), sql.Identifier(name)) for name in names)
    return lambda: execute(of_all)


@pytest.mark.parametrize(("path", "operation"), every_call())
def test_everybody_is_answered_as_they_may(path, operation, client, things, stored, key_of, api, api_of) -> None:
    """Nobody, an ordinary account, an administrator. Whoever is refused has changed nothing."""
    reader, before = api_of(key_of("reader")), stored()
    ordinary, administrator = OPERATIONS[path][operation]
    method, url = request_of(path, operation, things[path])
    assert client.open(f"{region_api.PREFIX}/{url}", method=method).status_code == 401
    answer = reader.request(method, url)
    assert answer.status_code == ordinary, answer.text
    assert path == "/account/" or stored() == before
    if ordinary == 403:
        assert re.fullmatch(r"reader may not [^;]+; use an administrator's key\.", answer.text)
    answer = api.request(method, url)
    assert answer.status_code == administrator, answer.text


def test_refusal_does_not_tell_what_is_there(key_of, api_of) -> None:
    reader = api_of(key_of("reader"))
    for path, operation in every_call():
        refused = OPERATIONS[path][operation][0] == 403
        assert (reader.request(*request_of(path, operation)).status_code == 403) == refused, (path, operation)


@pytest.mark.parametrize(("path", "operation"), every_call())
def test_every_operation_is_called_in_some_test(path, operation) -> None:
    """A crude search, but one that fails for an operation that nobody thought of."""
    _, _, op = operation.partition(" ")
    texts = "".join(
        file.read_text() for file in Path(__file__).parents[1].rglob("test_*.py") if file.name != Path(__file__).name
    )
    collection = path.split("/")[1]
    wanted = [f"op={op}", f'"{op}"'] if op else [f"{collection}/"]
    assert any(word in texts for word in wanted)
