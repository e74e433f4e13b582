# SPDX-License-Identifier: GPL-3.0-or-later
"""Every URL and operation of the API: known here by name, and none of them open without a key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rackyard.region import api as region_api

# Operation: the test file that calls it. A new one must be added here, with its test.
OPERATIONS = {
    "/users/": ["GET whoami"],
    "/account/": [
        "GET list_authorisation_tokens",
        "POST create_authorisation_token",
        "POST delete_authorisation_token",
    ],
    "/events/": ["GET query"],
    "/boot-resources/": ["GET"],
    "/boot-resources/<int:image_id>/": ["GET"],
    "/machines/": ["GET", "GET power_parameters", "POST"],
    "/machines/<system_id>/": [
        "DELETE",
        "GET",
        "GET boot_timeline",
        "GET power_parameters",
        "GET query_power_state",
        "POST abort",
        "POST commission",
        "POST power_off",
        "POST power_on",
        "PUT",
    ],
    "/nodes/<system_id>/interfaces/": ["GET"],
    "/nodes/<system_id>/blockdevices/": ["GET"],
    "/nodes/<system_id>/results/": ["GET"],
    "/fabrics/": ["GET", "POST"],
    "/fabrics/<fabric>/": ["DELETE", "GET", "PUT"],
    "/fabrics/<fabric>/vlans/": ["GET", "POST"],
    "/fabrics/<fabric>/vlans/<vid>/": ["DELETE", "GET", "PUT"],
    "/vlans/<int:vlan_id>/": ["DELETE", "GET", "PUT"],
    "/subnets/": ["GET", "POST"],
    "/subnets/<subnet>/": ["DELETE", "GET", "PUT"],
    "/ipranges/": ["GET", "POST"],
    "/ipranges/<int:range_id>/": ["DELETE", "GET", "PUT"],
    "/rackcontrollers/": ["GET"],
    "/rackcontrollers/<system_id>/": ["DELETE", "GET"],
}


def operations() -> dict[str, list[str]]:
    return {
        resource.path: sorted(f"{method} {op or ''}".strip() for method, op in resource.actions)
        for resource in region_api.resources()
    }


def test_operations_are_exactly_these() -> None:
    assert operations() == OPERATIONS


def test_every_resource_is_mounted_and_only_version_besides(app) -> None:
    mounted = {str(rule) for rule in app.url_map.iter_rules() if str(rule).startswith(region_api.PREFIX)}
    known = {region_api.PREFIX + path for path in OPERATIONS}
    assert mounted == known | {f"{region_api.PREFIX}/version/"}


def every_call() -> list[tuple[str, str]]:
    return [(path, operation) for path, known in OPERATIONS.items() for operation in known]


def url_of(path: str, op: str) -> str:
    """A URL of this resource; nothing that it names exists."""
    return re.sub(r"<[^>]+>", "1", path)[1:] + (f"?op={op}" if op else "")


def test_nothing_answers_without_a_key(client) -> None:
    statuses = {}
    for path, operation in every_call():
        method, _, op = operation.partition(" ")
        statuses[path, operation] = client.open(f"{region_api.PREFIX}/{url_of(path, op)}", method=method).status_code
    assert {call: status for call, status in statuses.items() if status != 401} == {}


def test_every_change_needs_an_administrator(key_of, api_of) -> None:
    reader = api_of(key_of("reader"))
    for path, operation in every_call():
        method, _, op = operation.partition(" ")
        refused = reader.request(method, url_of(path, op)).status_code == 403
        own = path == "/account/"
        assert refused == (not own and (method != "GET" or op == "power_parameters")), (path, operation)


@pytest.mark.parametrize(("path", "operation"), every_call())
def test_every_operation_is_called_in_some_test(path, operation) -> None:
    """A crude search, but one that fails for an operation that nobody thought of."""
    _, _, op = operation.partition(" ")
    texts = "".join(
        file.read_text() for file in Path(__file__).parent.glob("test_*.py") if file.name != Path(__file__).name
    )
    collection = path.split("/")[1]
    wanted = [f"op={op}", f'"{op}"'] if op else [f"{collection}/"]
    assert any(word in texts for word in wanted)
