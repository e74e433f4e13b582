# SPDX-License-Identifier: GPL-3.0-or-later
"""Every URL and operation of the API: known here by name, with what it answers whom."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

import pytest

from rackyard.region import api as region_api
from rackyard.region.api import not_yet
from rackyard.region.api.dispatch import OpenResource
from rackyard.region.api.takes import Kind
from rackyard.region.config import Config
from rackyard.region.status import Status
from tests.service.conftest import Api, Cluster, region_config
from tests.service.site.conftest import ROLES, Site, add_boot
from tests.service.site.sent import MORE, NOTHING, SENT, sent_with, told
from tests.service.site.who_may_what import OPEN, OPERATIONS, OTHERS


def every_call() -> list[tuple[str, str]]:
    """What the region answers, whether the table knows it or not."""
    return [
        (resource.path, f"{method} {op or ''}".strip())
        for resource in region_api.resources()
        if not isinstance(resource, OpenResource)
        for method, op in resource.actions
    ]


def request_of(path: str, operation: str, parts: Mapping[str, object] = NOTHING) -> tuple[str, str]:
    """Method and URL of an operation about these things; without them about things that do not exist."""
    method, _, op = operation.partition(" ")
    url = re.sub(r"<(?:int:)?([a-z_]+)>", lambda part: str(parts.get(part[1], 1)), path)[1:]
    query = {"op": op, **(told(path, operation, parts) if method == "GET" else {})} if op else {}
    return method, url + (f"?{urlencode(query)}" if query else "")


def test_operations_are_exactly_these() -> None:
    assert sorted(every_call()) == sorted(
        (path, operation) for path, known in OPERATIONS.items() for operation in known
    )


def test_what_is_open_to_anybody_is_exactly_this() -> None:
    found = {
        (resource.path, f"{method} {op or ''}".strip())
        for resource in region_api.resources()
        for (method, op), action in resource.actions.items()
        if action.is_open
    }
    assert found == OPEN


def test_every_resource_is_mounted_and_only_three_are_open(app) -> None:
    mounted = {str(rule) for rule in app.url_map.iter_rules() if str(rule).startswith(region_api.PREFIX)}
    known = {region_api.PREFIX + path for path in (*OPERATIONS, *not_yet.PATHS)}
    assert mounted == known | {
        f"{region_api.PREFIX}/version/",
        f"{region_api.PREFIX}/describe/",
        f"{region_api.PREFIX}/openapi.json",
    }


def test_what_is_sent_is_said_of_each_operation_that_would_refuse_to_be_told_nothing() -> None:
    """An operation without a row is sent nothing; where that is refused, nobody's rights are seen."""
    taken = {
        (resource.path, f"{method} {op or ''}".strip()): [
            each for each in action.takes.values() if each is not Kind.FIXED
        ]
        for resource in region_api.resources()
        for (method, op), action in resource.actions.items()
    }
    refused = {
        (path, operation)
        for path, known in OPERATIONS.items()
        for operation, (_ordinary, administrator) in known.items()
        if administrator == 400 and taken[path, operation]
    }
    assert sorted(refused - SENT.keys()) == []
    assert sorted(SENT.keys() - taken.keys()) == [], "rows of no operation"


@pytest.fixture
def config(furnished: Site, cluster: Cluster, tmp_path: Path) -> Iterator[Config]:
    """A region with one of each thing and each role."""
    database = cluster.create(furnished.database)
    yield region_config(cluster.dsn(database), tmp_path, furnished.secrets_key)
    cluster.drop(database)


@pytest.fixture
def things(furnished: Site) -> Mapping[str, Mapping[str, object]]:
    return furnished.things


@pytest.fixture
def admin_key(furnished: Site) -> str:
    return furnished.keys["admin"]


@pytest.fixture
def reader(furnished: Site, api_of) -> Api:
    """An account that was given nothing."""
    return api_of(furnished.keys["reader"])


@pytest.mark.parametrize(("path", "operation"), every_call())
def test_everybody_is_answered_as_they_may(path, operation, client, things, stored, reader, api) -> None:
    """Nobody, an ordinary account, an administrator. Whoever is refused has changed nothing."""
    reader.get("users/?op=whoami")  # which notes that the key was used
    before = stored()
    ordinary, administrator = OPERATIONS[path][operation]
    method, url = request_of(path, operation, things[path])
    sent = sent_with(path, operation, things[path])
    without_key = ordinary if (path, operation) in OPEN else 401
    assert client.open(f"{region_api.PREFIX}/{url}", method=method, **sent).status_code == without_key
    answer = reader.request(method, url, **sent)
    assert answer.status_code == ordinary, answer.text
    assert (ordinary < 300 and method != "GET") or stored() == before
    if ordinary == 403:
        assert re.fullmatch(r"reader may not [^;]+; use an administrator's key\.", answer.text)
    answer = api.request(method, url, **sent)
    assert answer.status_code == administrator, answer.text


@pytest.fixture
def people(furnished, api_of, execute) -> dict[str, Api]:
    """One of each role: the machine of `things` is in the default pool, and given out to its owner."""
    execute(
        "UPDATE machine SET status = %s, owner_id = (SELECT id FROM account WHERE username = 'owner')",
        (Status.ALLOCATED,),
    )
    return {name: api_of(furnished.keys[name]) for name in ROLES}


CELLS = [
    (path, operation, None, OTHERS.get((path, operation), "") if ordinary == 403 else " ".join(ROLES))
    for path, operations in OPERATIONS.items()
    for operation, (ordinary, _administrator) in operations.items()
]


@pytest.mark.parametrize(("path", "operation", "given", "who"), [*CELLS, *MORE])
def test_each_role_may_do_what_the_table_says_and_nothing_else(path, operation, given, who, things, people) -> None:
    """Those who may not come first, so that what they are refused about is still there."""
    for role in sorted(ROLES, key=lambda role: role in who.split()):
        sent = sent_with(path, operation, things[path], given)
        answer = people[role].request(*request_of(path, operation, things[path]), **sent)
        assert answer.status_code != 401
        assert (answer.status_code != 403) == (role in who.split()), (role, answer.text)


def test_table_of_roles_names_what_there_is() -> None:
    for path, operation in OTHERS:
        assert OPERATIONS[path][operation][0] == 403, (path, operation)


def test_refusal_does_not_tell_what_is_there(reader) -> None:
    for path, operation in every_call():
        refused = OPERATIONS[path][operation][0] == 403
        answer = reader.request(*request_of(path, operation), **sent_with(path, operation))
        assert (answer.status_code == 403) == refused, (path, operation)


@cache
def other_tests() -> str:
    """The text of all other tests of the service."""
    tests = Path(__file__).parents[1].rglob("test_*.py")
    return "".join(file.read_text() for file in tests if file.name != Path(__file__).name)


@pytest.mark.parametrize(("path", "operation"), every_call())
def test_every_operation_is_called_in_some_test(path, operation) -> None:
    """A crude search, but one that fails for an operation that nobody thought of."""
    _, _, op = operation.partition(" ")
    texts = other_tests()
    collection = path.split("/")[1]
    wanted = [f"op={op}", f'"{op}"'] if op else [f"{collection}/"]
    assert any(word in texts for word in wanted)


def uris_in(document: object) -> set[str]:
    """Every resource_uri, however deep."""
    if isinstance(document, list):
        return set().union(*map(uris_in, document))
    if not isinstance(document, dict):
        return set()
    own = {document["resource_uri"]} if "resource_uri" in document else set()
    return own.union(*map(uris_in, document.values()))


def test_every_resource_uri_answers_with_the_object_that_names_it(things, api, execute) -> None:
    execute("UPDATE machine_interface SET vlan_id = (SELECT min(id) FROM vlan)")
    add_boot(execute)
    found: set[str] = set()
    for path, operations in OPERATIONS.items():
        for operation in operations:
            if operation.startswith("GET"):
                answer = api.get(request_of(path, operation, things[path])[1])
                found |= uris_in(answer.get_json(silent=True))
    prefix = f"{region_api.PREFIX}/"
    kinds = {re.sub(r"[^/]+/$", "", uri.removeprefix(prefix)) for uri in found}
    assert len(kinds) >= 17, sorted(kinds)
    for uri in sorted(found):
        answer = api.get(uri.removeprefix(prefix))
        assert answer.status_code == 200, uri
        assert answer.json["resource_uri"] == uri
