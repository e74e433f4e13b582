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
    "/events/": ["GET query"],
    "/boot-resources/": ["GET"],
    "/boot-resources/<int:image_id>/": ["GET"],
    "/machines/": ["GET", "POST"],
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


@pytest.mark.parametrize(("path", "operation"), every_call())
def test_nothing_answers_without_a_key(client, path, operation) -> None:
    method, _, op = operation.partition(" ")
    url = region_api.PREFIX + re.sub(r"<[^>]+>", "1", path) + (f"?op={op}" if op else "")
    assert client.open(url, method=method).status_code == 401


@pytest.mark.parametrize(("path", "operation"), every_call())
def test_every_change_needs_an_administrator(key_of, api_of, path, operation) -> None:
    method, _, op = operation.partition(" ")
    url = re.sub(r"<[^>]+>", "1", path)[1:] + (f"?op={op}" if op else "")
    status = api_of(key_of("reader")).request(method, url).status_code
    assert (status == 403) == (method != "GET" or op == "power_parameters")


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
