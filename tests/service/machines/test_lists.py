# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of many machines: some fields, pages, and no more work than that takes."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import pytest

from rackyard.region.api import machine_lists
from rackyard.region.services.site import overview


@pytest.fixture
def statements(ctx) -> list[str]:
    """Names of the statements that are run from now on, without the one that knows the key."""
    seen: list[str] = []
    ctx.db.on_statement = lambda name: None if name.startswith("site.accounts.") else seen.append(name)
    return seen


def pages(api, query: str) -> list[list[dict]]:
    """What following the links gives."""
    found, path = [], f"machines/?{query}"
    while path:
        response = api.get(path)
        assert response.status_code == 200, response.text
        found.append(response.json)
        link = re.fullmatch(r'<(/MAAS/api/2\.0/(machines/\?[^>]*))>; rel="next"', response.headers.get("Link", "<>"))
        path = link[2] if link else ""
    return found


def test_only_the_fields_that_are_asked_for(api, many_machines) -> None:
    many_machines(3)
    (everything, *_) = api.get("machines/").json
    found = api.get("machines/?fields=hostname,status_name&fields=interface_set,hardware_info").json
    assert [one["hostname"] for one in found] == ["m00001", "m00002", "m00003"]
    names = ("hostname", "status_name", "hardware_info", "interface_set")
    assert found[0] == {name: everything[name] for name in names}


def test_each_field_alone_is_what_it_is_among_all(api, many_machines) -> None:
    many_machines(1)
    (everything,) = api.get("machines/").json
    for name, value in everything.items():
        assert api.get(f"machines/?fields={name}").json == [{name: value}], name


def test_unknown_field_is_named_with_the_known(api) -> None:
    refused = api.get("machines/?fields=hostname,statusname")
    assert refused.status_code == 400
    (message,) = refused.json["fields"]
    assert "'statusname'" in message
    assert "status_name" in message


def test_pages_together_are_the_list(api, many_machines) -> None:
    many_machines(25)
    found = pages(api, "limit=10&fields=hostname")
    assert [len(page) for page in found] == [10, 10, 5]
    assert [one for page in found for one in page] == api.get("machines/?fields=hostname").json


def test_last_page_that_is_full_has_no_next(api, many_machines) -> None:
    many_machines(20)
    assert [len(page) for page in pages(api, "limit=10&fields=hostname")] == [10, 10]


def test_pages_keep_the_filter(api, many_machines) -> None:
    many_machines(60)
    found = pages(api, "limit=2&status=failed_commissioning&status=new&fields=hostname")
    assert [one["hostname"] for page in found for one in page] == [f"m000{number}" for number in range(10, 70, 10)]


def test_machine_that_goes_between_pages_loses_no_other(api, many_machines, execute) -> None:
    many_machines(10)
    first = api.get("machines/?limit=5&fields=hostname")
    execute("DELETE FROM machine WHERE hostname = 'm00005'")
    following = urlsplit(first.headers["Link"].split(">")[0][1:])
    rest = api.get(f"machines/?{following.query}").json
    assert [one["hostname"] for one in rest] == [f"m{number:05}" for number in range(6, 11)]


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "many"])
def test_limit_outside_its_bounds_is_refused(api, limit) -> None:
    refused = api.get(f"machines/?limit={limit}")
    assert refused.status_code == 400
    assert list(refused.json) == ["limit"]


@pytest.mark.parametrize("count", [0, 1, 1200])
def test_few_fields_take_one_statement_without_hardware(api, many_machines, statements, count) -> None:
    many_machines(count)
    found = api.get("machines/?fields=hostname,system_id,status_name,power_state,owner").json
    assert statements == ["machines.registry.few"]
    assert [one["hostname"] for one in found] == [f"m{n:05}" for n in range(1, count + 1)]


@pytest.mark.parametrize("count", [0, 1, 450])
def test_long_list_is_one_json_text_and_five_statements(api, many_machines, statements, count) -> None:
    many_machines(count)
    response = api.get("machines/")
    assert [one["hostname"] for one in json.loads(response.text)] == [f"m{n:05}" for n in range(1, count + 1)]
    assert len(statements) == 5


def test_declarations_and_what_differs_take_no_statement_for_each_machine(
    api, many_machines, statements, execute
) -> None:
    many_machines(100)
    execute("""INSERT INTO machine_expect SELECT id, '{"cpu_count": 999, "disks": [{"kind": "hdd"}]}' FROM machine""")
    execute("UPDATE machine SET commissioned_at = now()")
    statements.clear()
    assert all(one["expect"]["cpu_count"] == 999 for one in api.get("machines/?fields=hostname,expect").json)
    assert statements == ["machines.registry.select"]
    statements.clear()
    found = api.get("machines/?op=drift").json
    assert len(statements) == 5
    assert [one["state"] for one in found] == ["differs"] * 100
    assert {one["differences"][0]["declared"] for one in found} == {999}


def test_long_list_is_sent_in_portions(api, many_machines) -> None:
    many_machines(450)
    whole = b"".join(api.get("machines/").iter_encoded())
    sizes = [len(portion) for portion in api.get("machines/", buffered=False).iter_encoded()]
    assert len(sizes) >= 3
    assert max(sizes) < len(whole) / 2
    assert machine_lists.MAX_LIMIT >= 450


def test_power_parameters_of_many_machines_at_once_without_passwords(api, many_machines, statements) -> None:
    many_machines(3)
    ids = [one["system_id"] for one in api.get("machines/?fields=system_id").json]
    statements.clear()
    found = api.get(f"machines/?op=power_parameters&id={ids[0]}&id={ids[2]}").json
    assert sorted(found) == sorted([ids[0], ids[2]])
    assert found[ids[0]] == api.get(f"machines/{ids[0]}/?op=power_parameters").json
    assert found[ids[0]]["power_address"] == "10.64.0.1"
    assert statements[0] == "machines.registry.select"
    assert "sealed" not in str(found)


def test_status_page_counts_without_reading_machines(ctx, many_machines, statements) -> None:
    assert overview.read(ctx)["machines"] == {}
    without = list(statements)
    many_machines(30)
    statements.clear()
    assert overview.read(ctx)["machines"] == {"Failed commissioning": 3, "Ready": 27}
    assert statements == without
    assert "machines.registry.select" not in statements
