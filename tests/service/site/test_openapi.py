# SPDX-License-Identifier: GPL-3.0-or-later
"""`openapi.json`, and what random requests that follow it are answered."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from http import HTTPStatus
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
    either = {
        (path, method) for path, method, operation in operations(described) if {} in operation.get("security", ())
    }
    # Of a file by its key, and whether a MAC is registered.
    assert either == {("/files/", "get"), ("/machines/", "get"), ("/nodes/", "get")}


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


def test_no_random_request_is_answered_by_a_fault_of_ours(described, api, key_of, api_of, things, stored) -> None:
    """By an ordinary account and an administrator, about things that are there and others: no 500, no long wait; and
    the ordinary one has changed nothing but its own. What is there is deleted by nobody, so that it stays."""
    reader = api_of(key_of("reader"))
    known = [(*each, _real(things, each[0])) for each in operations(described)]
    seen: dict[int, int] = {}

    @settings(
        max_examples=REQUESTS, deadline=None, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        path, method, operation, real = data.draw(st.sampled_from(known))
        op, values, as_json = data.draw(random_request(operation))
        if op in _OF_ONES_KEY:
            return
        junk = st.sampled_from(["1", "default", "a b", "..", "%00", "9" * 30])
        url = data.draw(st.just(real) if method != "delete" else junk.map(lambda word: re.sub(r"{[^}]+}", word, path)))
        query = {"op": op, **(values if method in ("get", "delete") else {})}
        sent = {} if method in ("get", "delete") else {"json" if as_json else "data": values}
        for who in (reader, api):
            before = stored() if who is reader and method != "get" else None
            began = time.monotonic()
            answer = who.request(method.upper(), url[1:], query_string=query, **sent)
            asked = (method, url, op, values)
            assert time.monotonic() - began < LONGEST_S, asked
            # The server of keys that is asked is not there.
            late = op == "import" and answer.status_code == HTTPStatus.GATEWAY_TIMEOUT
            assert answer.status_code < 500 or late, (asked, answer.text)
            changes_own = path.startswith(("/account/", "/files/")) or op == "dismiss"
            assert before is None or changes_own or stored() == before, asked
            seen[answer.status_code] = seen.get(answer.status_code, 0) + 1

    reader.get("users/?op=whoami")  # which notes that the key was used
    ask()
    assert {200, 400, 403, 404} <= seen.keys(), seen
    print(f"answers by status: {sorted(seen.items())}")


# They may take away the key that asks.
_OF_ONES_KEY = {"change_password", "delete_authorisation_token"}


def _real(things: dict[str, dict[str, object]], path: str) -> str:
    """The URL of a thing that is there."""
    parts = next(parts for known, parts in things.items() if re.sub(r"<(?:int:)?([a-z_]+)>", r"{\1}", known) == path)
    return re.sub(r"{([a-z_]+)}", lambda part: str(parts.get(part[1], 1)), path)
