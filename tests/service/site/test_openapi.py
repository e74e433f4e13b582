# SPDX-License-Identifier: GPL-3.0-or-later
"""`openapi.json`, and what random requests that follow it are answered."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rackyard.region import api as region_api

Document = dict[str, Any]
# In the whole suite a few; `RACKYARD_FUZZ=20000 nox -s service -- -k random_request` asks for more.
REQUESTS = int(os.environ.get("RACKYARD_FUZZ", "400"))
LONGEST_S = 5.0


@pytest.fixture
def described(client) -> Document:
    answer = client.get(f"{region_api.PREFIX}/openapi.json")
    assert answer.status_code == 200
    return answer.json


def operations(described: Document) -> Iterator[tuple[str, str, Document]]:
    for path, item in described["paths"].items():
        for method in ("get", "post", "put", "delete"):
            if method in item:
                yield path, method, item[method]


def taken(operation: Document) -> set[str]:
    """Names in the query and the body, without op."""
    query = {each["name"] for each in operation["parameters"]} - {"op"}
    content = operation.get("requestBody", {"content": {"": {"schema": {}}}})["content"]
    return query.union(*(form["schema"].get("properties", {}) for form in content.values()))


def test_it_says_every_operation_with_all_that_it_takes(described) -> None:
    said = {
        (path, method, op): set(each["takes"])
        for path, method, operation in operations(described)
        for op, each in operation["x-ops"].items()
    }
    routed = {
        (re.sub(r"<(?:int:)?([a-z_]+)>", r"{\1}", resource.path), method.lower(), op or ""): set(action.takes)
        for resource in region_api.resources()
        for (method, op), action in resource.actions.items()
    }
    assert said == routed
    for _path, _method, operation in operations(described):
        families = {name for each in operation["x-ops"].values() for name in each["takes"] if name.endswith("*")}
        assert taken(operation) == {name for each in operation["x-ops"].values() for name in each["takes"]} - families


def test_it_is_openapi(described) -> None:
    """What the specification (3.0.3) demands and generators stumble over."""
    assert described["openapi"] == "3.0.3"
    names = [operation["operationId"] for _path, _method, operation in operations(described)]
    assert len(set(names)) == len(names)
    for path, method, operation in operations(described):
        parts = {each["name"] for each in described["paths"][path].get("parameters", []) if each["in"] == "path"}
        assert parts == set(re.findall(r"{([a-z_]+)}", path))
        assert "requestBody" not in operation or method in ("post", "put")
        assert operation["summary"], (path, method)
        for status, answer in operation["responses"].items():
            assert "description" in answer or status in described["components"]["responses"]


def test_what_needs_no_key_says_so(described, client) -> None:
    free = {path for path, _method, operation in operations(described) if operation.get("security") == []}
    assert free == {"/version/"}


WORDS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "1",
            "0",
            "-1",
            "default",
            "m1",
            "true",
            "10.20.0.0/24",
            "10.20.0.5",
            "fd00::/64",
            "52:54:00:00:00:09",
            "a.d.org",
        ]
    ),
    st.sampled_from(
        ["{{7*7}}", "'; DROP TABLE machine; --", "../../etc/passwd", "\N{ZERO WIDTH SPACE}", "%00", "9" * 400]
    ),
)


def random_request(operation: Document) -> st.SearchStrategy[tuple[str, dict[str, Any], dict[str, Any]]]:
    """op, values and whether they are sent as a form or as JSON."""
    names = sorted(taken(operation)) or ["colour"]
    values = st.dictionaries(
        st.one_of(st.sampled_from(names), st.text(min_size=1, max_size=10)),
        st.one_of(WORDS, st.lists(WORDS, max_size=3)),
        max_size=4,
    )
    return st.tuples(st.sampled_from(sorted(operation["x-ops"])), values, st.booleans())


@pytest.fixture
def stored(execute) -> Callable[[], list[tuple]]:
    """How many of what nobody may change by the API there is."""
    return lambda: execute(
        "SELECT (SELECT count(*) FROM account), (SELECT count(*) FROM rack), (SELECT count(*) FROM image), "
        "(SELECT count(*) FROM setting), (SELECT count(*) FROM schema_migration)"
    )


def test_no_random_request_is_answered_by_a_fault_of_ours(described, api, key_of, api_of, stored, execute) -> None:
    """By nobody, an ordinary account or an administrator: no 500, no endless wait; and an ordinary account has changed
    nothing but what is its own."""
    reader = api_of(key_of("reader"))
    known = list(operations(described))
    seen: dict[int, int] = {}

    @settings(
        max_examples=REQUESTS, deadline=None, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        path, method, operation = data.draw(st.sampled_from(known))
        if "change_password" in operation["x-ops"] or "delete_authorisation_token" in operation["x-ops"]:
            return  # they may take away the key that asks
        op, values, as_json = data.draw(random_request(operation))
        url = re.sub(r"{[a-z_]+}", lambda _part: data.draw(st.sampled_from(["1", "default", "m1", "0"])), path)
        query = {"op": op, **(values if method in ("get", "delete") else {})}
        body = {"json": values} if as_json else {"data": values}
        sent = {} if method in ("get", "delete") else body
        for who in (reader, api):
            before = stored()
            began = time.monotonic()
            answer = who.request(method.upper(), url[1:], query_string=query, **sent)
            assert time.monotonic() - began < LONGEST_S, (method, url, op, values)
            assert answer.status_code < 500, (method, url, op, values, answer.text)
            assert path.startswith("/users/") or stored() == before, (method, url, op, values)
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1

    ask()
    assert {200, 400, 403} <= seen.keys(), seen
    print(f"answers by status: {sorted(seen.items())}")
