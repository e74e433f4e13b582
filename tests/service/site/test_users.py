# SPDX-License-Identifier: GPL-3.0-or-later
"""People's accounts over the API: made, shown, changed and removed, by those who may."""

from __future__ import annotations

import pytest

from rackyard.region.services.site import accounts

ANN = {"username": "ann", "email": "ann@example.org", "password": "correct horse", "is_superuser": "0"}
LOGIN = "/MAAS/accounts/authenticate/"


def trail(api) -> list[str]:
    """What was done, the newest first."""
    return [event["description"] for event in api.get("events/?op=query&level=AUDIT").json["events"]]


def fits(client, username: str, password: str) -> bool:
    answer = client.post(LOGIN, data={"username": username, "password": password})
    assert answer.status_code in (200, 403), answer.text
    return answer.status_code == 200


def owned(execute, hostname: str, username: str) -> None:
    """A machine of somebody's, as allocating will make it."""
    execute(
        "INSERT INTO machine (system_id, hostname, owner_id) SELECT %s, %s, id FROM account WHERE username = %s",
        (f"abcd{'abcdefgh'[int(hostname[1:])]}a", hostname, username),
    )


def test_account_is_made_listed_and_shown_as_in_maas(api) -> None:
    made = api.post("users/", data=ANN)
    assert made.status_code == 200, made.text
    assert made.json == {
        "username": "ann",
        "email": "ann@example.org",
        "is_local": True,
        "is_superuser": False,
        "role": "viewer",
        "grants": [],
        "groups": [],
        "resource_uri": "/MAAS/api/2.0/users/ann/",
    }
    assert api.get("users/ann/").json == made.json
    assert [user["username"] for user in api.get("users/").json] == ["admin", "ann"]
    assert trail(api)[0] == "Account ann was created"


def test_administrator_is_made_and_may_do_what_administrators_may(api, client, api_of) -> None:
    assert api.post("users/", data=ANN | {"is_superuser": "1"}).json["is_superuser"] is True
    key = client.post(LOGIN, data={"username": "ann", "password": "correct horse"}).json
    ann = api_of(f"{key['consumer_key']}:{key['token_key']}:{key['token_secret']}")
    assert ann.get("users/").status_code == 200
    assert trail(api)[1] == "Account ann was created: is_admin true"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", ""),
        ("username", "a b"),
        ("username", ".."),
        ("username", "a/b"),
        ("username", "a" * 151),
        ("username", "admin"),
        ("email", "ann"),
        ("email", "a b@example.org"),
        ("email", "a@" + "b" * 300),
        ("password", ""),
        ("password", "1234567"),
        ("password", "x" * 513),
        ("password", "with\ta tab in it"),
        ("is_superuser", "perhaps"),
    ],
)
def test_values_that_cannot_be_are_refused_by_field_and_never_quoted(api, field: str, value: str) -> None:
    answer = api.post("users/", data=ANN | {field: value})
    assert answer.status_code == 400
    assert list(answer.json) == [field]
    assert field != "password" or not value or value not in answer.text
    assert [user["username"] for user in api.get("users/").json] == ["admin"]


def test_password_is_stored_as_argon2id_and_shown_nowhere(api, execute) -> None:
    made = api.post("users/", data=ANN)
    api.post("users/ann/?op=change_password", data={"password": "another horse"})
    ((stored,),) = execute("SELECT password_hash FROM account WHERE username = 'ann'")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    shown = made.text + api.get("users/").text + api.get("events/?op=query&level=AUDIT").text
    assert "horse" not in shown
    assert "argon2" not in shown


def test_ordinary_account_sees_itself_only(api, api_of, key_of) -> None:
    reader = api_of(key_of("reader"))
    assert reader.get("users/reader/").json["username"] == "reader"
    for path in ("users/", "users/admin/", "users/nobody/"):
        assert reader.get(path).status_code == 403
    assert api.get("users/nobody/").status_code == 404


def test_address_and_rights_are_changed_but_not_ones_own_rights(api) -> None:
    api.post("users/", data=ANN)
    assert api.put("users/ann/", data={"email": "a@example.net"}).json["email"] == "a@example.net"
    assert api.put("users/ann/", data={"is_superuser": "true"}).json["is_superuser"] is True
    assert trail(api)[:2] == [
        "Account ann was changed: is_admin false → true",
        "Account ann was changed: email ann@example.org → a@example.net",
    ]
    api.put("users/ann/", data={"is_superuser": "true"})
    assert len(trail(api)) == 3, "nothing was changed"
    answer = api.put("users/admin/", data={"is_superuser": "false"})
    assert (answer.status_code, list(answer.json)) == (400, ["is_superuser"])
    assert api.put("users/ann/", data={"email": "none"}).status_code == 400
    assert api.put("users/nobody/", data={"email": ""}).status_code == 404


def test_nobody_removes_themselves_and_keys_end_with_their_account(api, api_of, key_of) -> None:
    reader = api_of(key_of("reader"))
    assert api.delete("users/admin/").status_code == 400
    assert api.delete("users/reader/").status_code == 204
    assert reader.get("users/?op=whoami").status_code == 401
    assert "Account reader was deleted" in trail(api)
    assert api.delete("users/reader/").status_code == 404


def test_owner_of_machines_is_removed_only_when_somebody_gets_them(api, key_of, execute) -> None:
    key_of("reader")
    for number in range(1, 8):
        owned(execute, f"m{number}", "reader")
    refused = api.delete("users/reader/")
    assert refused.status_code == 400
    assert refused.text.startswith("reader owns m1, m2, m3, m4, m5 and 2 more; ")
    for heir in ("reader", "nobody"):
        answer = api.delete(f"users/reader/?transfer_resources_to={heir}")
        assert (answer.status_code, list(answer.json)) == (400, ["transfer_resources_to"])
    assert api.delete("users/reader/?transfer_resources_to=admin").status_code == 204
    assert execute("SELECT DISTINCT username FROM machine JOIN account ON account.id = owner_id") == [("admin",)]
    handed = [f"Machine m{number} was changed: owner reader → admin" for number in range(1, 8)]
    assert {"Account reader was deleted", *handed} <= set(trail(api))


def test_heir_may_stand_in_the_body_as_well(api, key_of, execute) -> None:
    key_of("reader")
    owned(execute, "m1", "reader")
    assert api.delete("users/reader/", data={"transfer_resources_to": "admin"}).status_code == 204


def test_own_password_is_changed_by_whoever_knows_the_one_before(api, client, api_of, key_of) -> None:
    reader = api_of(key_of("reader"))
    change = "users/reader/?op=change_password"
    assert reader.post(change, data={"password": "the first one"}).status_code == 204, "there was none"
    for wrong in ({}, {"old_password": ""}, {"old_password": "the second one"}):
        answer = reader.post(change, data={"password": "the second one"} | wrong)
        assert (answer.status_code, list(answer.json)) == (400, ["old_password"])
    assert fits(client, "reader", "the first one")
    right = {"password": "the second one", "old_password": "the first one"}
    assert reader.post(change, data=right).status_code == 204
    assert not fits(client, "reader", "the first one")
    assert fits(client, "reader", "the second one")
    assert reader.get("users/?op=whoami").status_code == 200, "keys go on working"
    assert "Account reader was changed: password_hash (old secret) → (new secret)" in trail(api)


def test_stolen_key_does_not_guess_the_password_for_long(api, api_of, key_of) -> None:
    reader = api_of(key_of("reader"))
    change = "users/reader/?op=change_password"
    reader.post(change, data={"password": "the first one"})
    wrong = {"password": "the second one", "old_password": "a guess"}
    assert {reader.post(change, data=wrong).status_code for _ in range(10)} == {400}
    assert reader.post(change, data=wrong | {"old_password": "the first one"}).status_code == 429
    told = api.get("events/?op=query&level=AUDIT").json["events"]
    assert sum("Too many wrong passwords for 'reader'" in event["description"] for event in told) == 1


def test_administrator_sets_passwords_of_others_but_proves_to_know_their_own(api, client) -> None:
    api.post("users/", data=ANN)
    assert api.post("users/ann/?op=change_password", data={"password": "another horse"}).status_code == 204
    assert fits(client, "ann", "another horse")
    assert api.post("users/admin/?op=change_password", data={"password": "mine own one"}).status_code == 204
    assert api.post("users/admin/?op=change_password", data={"password": "of a thief"}).status_code == 400
    assert api.post("users/nobody/?op=change_password", data={"password": "of nobody"}).status_code == 404
    assert api.post("users/ann/?op=change_password").status_code == 400
    assert api.post("users/ann/?op=change_password", data={"password": "short"}).status_code == 400


def test_one_account_does_not_take_all_places_for_passwords(api, api_of, key_of, ctx) -> None:
    key = key_of("reader")
    reader = api_of(key)
    actor, what = accounts.authenticate(ctx, *key.split(":")), "a password"
    with ctx.logins.enter(actor, what), ctx.logins.enter(actor, what):
        change = {"path": "users/reader/?op=change_password", "data": {"password": "the first one"}}
        refused = reader.post(**change)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
        assert api.post(**change).status_code == 204


def test_nobody_sets_passwords_of_others_without_rights(api, api_of, key_of, client) -> None:
    api.post("users/", data=ANN)
    reader = api_of(key_of("reader"))
    assert reader.post("users/ann/?op=change_password", data={"password": "of a thief"}).status_code == 403
    assert fits(client, "ann", "correct horse")
