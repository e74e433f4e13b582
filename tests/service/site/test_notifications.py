# SPDX-License-Identifier: GPL-3.0-or-later
"""`notifications/`: what people are told, each what is for them."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def reader(api_of, key_of):
    """Somebody who is no administrator."""
    return api_of(key_of("reader"))


def made(api, **data) -> dict:
    context = {"context": json.dumps(data.pop("context"))} if "context" in data else {}
    answer = api.post("notifications/", data={**data, **context})
    assert answer.status_code == 200, answer.text
    return answer.json


def refusal(answer, field: str) -> str:
    assert answer.status_code == 400, answer.text
    assert answer.json.keys() == {field}
    return answer.json[field][0]


def seen(api) -> list[str]:
    return [each["text"] for each in api.get("notifications/").json]


def test_notification_has_the_fields_of_maas(api) -> None:
    one = made(api, message="{what} is {n} % full", context={"what": "/var", "n": 91}, admins="true", ident="disk")
    assert one == {
        "id": one["id"], "ident": "disk", "user": None, "users": False, "admins": True,
        "message": "{what} is {n} % full", "text": "/var is 91 % full", "context": {"what": "/var", "n": 91},
        "category": "info", "dismissable": True, "resource_uri": f"/MAAS/api/2.0/notifications/{one['id']}/",
    }  # fmt: skip
    assert api.get("notifications/").json == [one]
    assert api.get(f"notifications/{one['id']}/").json == one


def test_people_see_what_is_for_them(api, reader, api_of, key_of) -> None:
    other = api_of(key_of("other"))
    for message, whom in (("all", {"users": "1"}), ("root", {"admins": "1"}), ("you", {"user": "reader"})):
        made(api, message=message, **whom)
    made(api, message="both", users="1", admins="1")
    assert (seen(api), seen(reader), seen(other)) == (["root", "both"], ["all", "you", "both"], ["all", "both"])
    assert [each["text"] for each in api.get("notifications/?all=true").json] == ["all", "root", "you", "both"]
    assert reader.get("notifications/?all=true").status_code == 403
    you = next(each for each in reader.get("notifications/").json if each["text"] == "you")
    assert you["user"] == {"username": "reader"}
    path = f"notifications/{you['id']}/"
    assert [each.get(path).status_code for each in (api, reader, other)] == [200, 200, 404]
    assert [each.post(f"{path}?op=dismiss").status_code for each in (other, reader)] == [404, 204]


def test_dismissed_is_dismissed_for_that_person_until_it_changes(api, reader) -> None:
    one = made(api, message="upgrade", users="1", admins="1")
    path = f"notifications/{one['id']}/"
    for _time in range(2):
        assert reader.post(f"{path}?op=dismiss").status_code == 204
    assert (seen(api), seen(reader)) == (["upgrade"], [])
    assert reader.get(path).json == one
    api.put(path, data={"message": "upgrade"})
    assert seen(reader) == [], "nothing was changed"
    api.put(path, data={"message": "upgrade now"})
    assert seen(reader) == ["upgrade now"]


def test_what_has_to_stay_is_not_dismissed(api, reader) -> None:
    one = made(api, message="down", users="1", dismissable="false")
    assert reader.post(f"notifications/{one['id']}/?op=dismiss").status_code == 409
    assert seen(reader) == ["down"]


def test_same_ident_replaces(api, reader) -> None:
    first = made(api, ident="disk", message="full", users="1")
    reader.post(f"notifications/{first['id']}/?op=dismiss")
    second = made(api, ident="disk", message="fuller", category="error", users="1")
    assert second == {**first, "message": "fuller", "text": "fuller", "category": "error"}
    assert seen(reader) == ["fuller"]
    other = made(api, ident="fan", message="loud", users="1")
    assert "disk" in refusal(api.put(f"notifications/{other['id']}/", data={"ident": "disk"}), "ident")
    assert api.put(f"notifications/{other['id']}/", data={"ident": ""}).json["ident"] is None


def test_notification_is_changed_by_what_is_given_and_deleted(api) -> None:
    one = made(api, message="{a}", context={"a": "x"}, admins="1")
    path = f"notifications/{one['id']}/"
    changed = api.put(path, data={"context": json.dumps({"a": "y"}), "category": "warning", "user": "admin"}).json
    assert changed == {
        **one, "context": {"a": "y"}, "text": "y", "category": "warning", "user": {"username": "admin"}
    }  # fmt: skip
    assert refusal(api.put(path, data={"user": "", "admins": "false"}), "user")
    assert api.delete(path).status_code == 204
    assert api.delete(path).status_code == 404
    assert seen(api) == []


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"message": "x"}, "user"),
        ({"admins": "1"}, "message"),
        ({"admins": "1", "message": "x" * 2001}, "message"),
        ({"admins": "1", "message": "a\x1b[2J"}, "message"),
        ({"admins": "1", "message": "x", "category": "fatal"}, "category"),
        ({"admins": "1", "message": "x", "ident": "a b"}, "ident"),
        ({"message": "x", "user": "nobody"}, "user"),
        ({"admins": "1", "message": "{a}"}, "message"),
        ({"admins": "1", "message": "{"}, "message"),
        ({"admins": "1", "message": "{}", "context": {"a": "b"}}, "message"),
        ({"admins": "1", "message": "{0}", "context": {"a": "b"}}, "message"),
        ({"admins": "1", "message": "{a.__class__}", "context": {"a": "b"}}, "message"),
        ({"admins": "1", "message": "{a[0]}", "context": {"a": "b"}}, "message"),
        ({"admins": "1", "message": "{a!r}", "context": {"a": "b"}}, "message"),
        ({"admins": "1", "message": "{a:>9999999999}", "context": {"a": "b"}}, "message"),
        ({"admins": "1", "message": "{a:{a}}", "context": {"a": "b"}}, "message"),
        ({"admins": "1", "message": "{a}" * 600, "context": {"a": "b" * 1000}}, "message"),
        ({"admins": "1", "message": "x", "context": {"a b": "c"}}, "context"),
        ({"admins": "1", "message": "x", "context": {"a": ["b"]}}, "context"),
        ({"admins": "1", "message": "x", "context": {"a": "b" * 1001}}, "context"),
        ({"admins": "1", "message": "x", "context": {"a": "b\x07"}}, "context"),
        ({"admins": "1", "message": "x", "context": {f"a{n}": "" for n in range(33)}}, "context"),
    ],
)
def test_what_cannot_be_said_is_refused(api, data: dict, field: str) -> None:
    sent = {name: json.dumps(value) if name == "context" else value for name, value in data.items()}
    assert refusal(api.post("notifications/", data=sent), field)
    assert seen(api) == []


@pytest.mark.parametrize("context", ["x", "[1]", '{"a": NaN}', '{"a": 1e999}'])
def test_context_that_is_no_object_is_refused(api, context: str) -> None:
    answer = api.post("notifications/", data={"admins": "1", "message": "x", "context": context})
    assert answer.status_code == 400, answer.text


def test_braces_and_markup_are_text(api) -> None:
    one = made(api, message="{{a}} <b>{a}</b>", context={"a": "{a} <script>"}, admins="1")
    assert one["text"] == "{a} <b>{a} <script></b>", "a page has to escape it, as any text"


def test_number_of_notifications_is_bounded(api, execute) -> None:
    made(api, message="1", admins="1", ident="one")
    execute(
        "INSERT INTO notification (users, admins, message, context, category, dismissable, created_at, updated_at) "
        "SELECT true, false, 'x', '{}', 'info', true, now(), now() FROM generate_series(1, 999)"
    )
    assert api.post("notifications/", data={"message": "3", "admins": "1"}).status_code == 409
    made(api, message="1", admins="1", ident="one")


def test_notification_goes_with_its_account(api, reader) -> None:
    made(api, message="you", user="reader")
    assert api.delete("users/reader/").status_code == 204
    assert api.get("notifications/1/").status_code == 404


def test_changes_are_in_the_audit_log(api) -> None:
    one = made(api, message="{a}", context={"a": "full"}, admins="1")
    api.put(f"notifications/{one['id']}/", data={"message": "empty"})
    api.delete(f"notifications/{one['id']}/")
    events = api.get("events/?op=query&level=AUDIT").json["events"]
    assert [event["description"] for event in events if event["type"] == "NOTIFICATIONS"] == [
        f"Notification #{one['id']} was deleted",
        f"Notification #{one['id']} was changed: message {{a}} → empty",
        f"Notification #{one['id']} was created",
    ]
