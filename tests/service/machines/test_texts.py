# SPDX-License-Identifier: GPL-3.0-or-later
"""`op=set_owner_data` and `op=set_workload_annotations`: texts by any name, kept for others."""

from __future__ import annotations

import pytest

from rackyard.region.services.machines import texts

BOTH = pytest.mark.parametrize(
    ("op", "field"),
    [("set_owner_data", "owner_data"), ("set_workload_annotations", "workload_annotations")],
)


@pytest.fixture
def m1(api) -> str:
    given = {"commission": "false", "hostname": "m1", "mac_addresses": "52:54:00:20:01:01"}
    machine = api.post("machines/", data=given).json
    assert (machine["owner_data"], machine["workload_annotations"]) == ({}, {})
    return f"machines/{machine['system_id']}/"


def events(api) -> list[str]:
    found = api.get("events/?op=query&hostname=m1").json["events"]
    return [event["description"] for event in found if event["type"] == "NODE_CHANGED"]


@BOTH
def test_texts_are_set_by_any_name_and_the_others_stay(api, m1, op: str, field: str) -> None:
    first = api.post(f"{m1}?op={op}", data={"juju-units": "a/0 b/1", "system_id": "mine", "ä.b": "ö"})
    assert first.status_code == 200, first.text
    assert first.json[field] == {"juju-units": "a/0 b/1", "system_id": "mine", "ä.b": "ö"}
    second = api.post(f"{m1}?op={op}", data={"system_id": "", "new": "x", "missing": ""}).json
    assert second[field] == {"juju-units": "a/0 b/1", "ä.b": "ö", "new": "x"}
    other = {"owner_data": "workload_annotations", "workload_annotations": "owner_data"}[field]
    assert second[other] == {}
    assert api.get(m1).json == second
    (listed,) = api.get(f"machines/?fields={field}").json
    assert listed == {field: second[field]}


@BOTH
def test_operation_in_the_body_is_no_text(api, m1, op: str, field: str) -> None:
    assert api.post(m1, data={"op": op, "a": "b"}).json[field] == {"a": "b"}
    assert api.post(m1, json={"op": op, "c": "d"}).json[field] == {"a": "b", "c": "d"}


@BOTH
def test_change_is_an_event_with_names_and_no_texts_and_nothing_new_is_none(api, m1, op: str, field: str) -> None:
    for _time in range(2):
        api.post(f"{m1}?op={op}", data={"a": "secret", "b": "c"})
    assert events(api) == [f"{field} of m1 was changed: 'a', 'b'"]


@BOTH
@pytest.mark.parametrize(
    "given",
    [
        {f"n{number}": "x" for number in range(texts.MAX_TEXTS + 1)},
        {f"n{number}": "x" * 9000 for number in range(4)},
        {"n" * 256: "x"},
        {" ": "x"},
        {"a\nb": "x"},
        {"a": "\x1b[2J"},
        {"a": "x" * 10_001},
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_changed(api, m1, op: str, field: str, given: dict) -> None:
    api.post(f"{m1}?op={op}", data={"kept": "x"})
    refused = api.post(f"{m1}?op={op}", data=given)
    assert refused.status_code == 400, refused.text
    assert len(refused.json) == 1
    assert api.get(m1).json[field] == {"kept": "x"}
    assert len(events(api)) == 1


@BOTH
def test_as_many_as_may_be_are_kept(api, m1, op: str, field: str) -> None:
    given = {f"n{number}": "x" for number in range(texts.MAX_TEXTS)}
    assert api.post(f"{m1}?op={op}", data=given).json[field] == given
    more = api.post(f"{m1}?op={op}", data={"one more": "x"})
    assert f"at most {texts.MAX_TEXTS}" in more.json[field][0]
    assert api.post(f"{m1}?op={op}", data={"one more": "x", "n0": ""}).status_code == 200
