# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in with a password: what is given for it, and what guessing costs whom."""

from __future__ import annotations

import pytest

from rackyard.region import passwords
from rackyard.region.app import create_app
from rackyard.region.services.site import accounts, retention
from rackyard.region.services.site.logins import MAX_ATTEMPTS, WINDOW

PATH = "/MAAS/accounts/authenticate/"
RIGHT = {"username": "ann", "password": "correct hörse", "consumer": "ann@laptop"}
WRONG = RIGHT | {"password": "wrong horse"}


@pytest.fixture
def ann(api) -> None:
    """An account with a password."""
    assert api.post("users/", data={"username": "ann", "password": RIGHT["password"]}).status_code == 200


@pytest.fixture
def attempt(client, ann):
    """Try to log in from an address, as the region's nginx names it; the answer."""

    def call(data: dict[str, str] = RIGHT, address: str = "192.0.2.1"):
        return client.post(PATH, data=data, headers={"X-Forwarded-For": address})

    return call


def text_of(key: dict[str, str]) -> str:
    return f"{key['consumer_key']}:{key['token_key']}:{key['token_secret']}"


def test_password_is_good_for_a_key_in_maas_words(attempt, api, api_of) -> None:
    answer = attempt()
    assert answer.status_code == 200
    assert answer.json.keys() == {"consumer_key", "name", "token_key", "token_secret"}
    assert answer.json["name"] == "ann@laptop"
    assert answer.headers["Cache-Control"] == "no-store"
    assert api_of(text_of(answer.json)).get("users/?op=whoami").json["username"] == "ann"
    (event,) = api.get("events/?op=query&level=AUDIT&owner=ann").json["events"]
    assert event["description"] == f"API key {answer.json['token_key']} of ann was created"
    assert answer.json["token_secret"] not in str(event)


@pytest.mark.parametrize("consumer", [{"consumer": "ann@laptop"}, {"consumer": ""}, {}])
def test_of_many_logins_with_one_name_the_oldest_key_ends_and_no_other(attempt, api_of, consumer) -> None:
    credentials = {"username": "ann", "password": RIGHT["password"]}
    other = attempt(credentials | {"consumer": "another"}).json
    keys = [attempt(credentials | consumer).json for _ in range(accounts.KEYS_OF_A_NAME + 1)]
    states = [api_of(text_of(key)).get("users/?op=whoami").status_code for key in (other, *keys)]
    assert states == [200, 401, *[200] * accounts.KEYS_OF_A_NAME]
    assert keys[-1]["name"] == (consumer.get("consumer") or "MAAS consumer")


def test_login_touches_no_key_of_another_account(attempt, ctx, api, api_of) -> None:
    made = api.post("account/?op=create_authorisation_token", data={"name": "ann@laptop"}).json
    attempt()
    assert api_of(text_of(made)).get("users/?op=whoami").status_code == 200


def test_password_typed_with_combining_characters_is_the_same(attempt) -> None:
    assert attempt(RIGHT | {"password": "correct ho\u0308rse"}).status_code == 200


@pytest.mark.parametrize(
    "data",
    [
        WRONG,
        RIGHT | {"username": "nobody"},
        RIGHT | {"username": "ANN"},
        RIGHT | {"username": "n" * 1000},
        RIGHT | {"password": RIGHT["password"] + "x" * 512},
        # An account without a password.
        {"username": "admin", "password": ""},
        {},
    ],
)
def test_wrong_user_or_password_is_one_and_the_same_403(attempt, data) -> None:
    answer = attempt(data)
    assert (answer.status_code, answer.text) == (403, "The user name or the password is wrong.")


def test_password_longer_than_any_is_not_taken_for_its_beginning(api, attempt, client) -> None:
    api.post("users/", data={"username": "long", "password": "x" * 512})
    assert attempt({"username": "long", "password": "x" * 512}).status_code == 200
    assert attempt({"username": "long", "password": "x" * 513}).status_code == 403


def test_unknown_user_costs_what_a_known_one_does(ctx, attempt, monkeypatch) -> None:
    """Both ways go through the same hash: that of nobody has today's parameters, and no password fits it."""
    assert not passwords.is_dated(passwords.NOBODY)
    assert not passwords.match("", None)
    seen: list[str] = []
    ctx.db.on_statement = seen.append
    attempt(WRONG)
    known, seen[:] = list(seen), []
    attempt(WRONG | {"username": "nobody"})
    assert seen == known


def test_too_many_wrong_passwords_are_429_for_that_address_only(attempt, clock, api) -> None:
    assert [attempt(WRONG).status_code for _ in range(MAX_ATTEMPTS)] == [403] * MAX_ATTEMPTS
    clock.advance(60)
    for _ in range(2):
        refused = attempt(RIGHT)
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == str(int(WINDOW.total_seconds()) - 60)
    assert attempt(RIGHT, "192.0.2.2").status_code == 200, "who guesses from elsewhere keeps nobody out"
    assert attempt(RIGHT | {"username": "nobody"}).status_code == 403, "another name"
    trail = [event["description"] for event in api.get("events/?op=query&level=AUDIT").json["events"]]
    assert sum("Too many wrong passwords for 'ann' from 192.0.2.1" in line for line in trail) == 1
    clock.advance(WINDOW.total_seconds() - 60)
    assert attempt(RIGHT).status_code == 200


def test_right_password_forgets_wrong_ones(attempt) -> None:
    for _ in range(2):
        assert {attempt(WRONG).status_code for _ in range(MAX_ATTEMPTS - 1)} == {403}
        assert attempt(RIGHT).status_code == 200


def test_network_of_ipv6_counts_as_one_address(attempt) -> None:
    for number in range(MAX_ATTEMPTS):
        attempt(WRONG, f"2001:db8:0:1::{number:x}")
    assert attempt(RIGHT, "2001:db8:0:1:ffff::1").status_code == 429
    assert attempt(RIGHT, "2001:db8:0:2::1").status_code == 200
    for _ in range(MAX_ATTEMPTS):
        attempt(WRONG, "::ffff:192.0.2.1")
    assert attempt(RIGHT, "192.0.2.1").status_code == 429


def test_one_address_does_not_take_all_places_for_logins(ctx, attempt) -> None:
    with ctx.logins.enter("192.0.2.1", "a login"), ctx.logins.enter("192.0.2.1", "a login"):
        refused = attempt(RIGHT)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
        assert attempt(RIGHT, "192.0.2.2").status_code == 200
    assert attempt(RIGHT).status_code == 200


def test_what_was_tried_is_forgotten_after_an_hour(ctx, attempt, clock, execute) -> None:
    attempt(WRONG)
    clock.advance(3590)
    assert retention.tidy(ctx)["site.retention.logins"] == 0
    clock.advance(20)
    assert retention.tidy(ctx)["site.retention.logins"] == 1
    assert execute("SELECT count(*) FROM login_attempt") == [(0,)]


def test_hash_of_older_parameters_is_made_anew(attempt, execute) -> None:
    from argon2 import PasswordHasher, Type  # as an older release would have

    older = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1, type=Type.ID).hash(RIGHT["password"])
    execute("UPDATE account SET password_hash = %s WHERE username = 'ann'", (older,))
    assert attempt(WRONG).status_code == 403
    assert execute("SELECT password_hash FROM account WHERE username = 'ann'") == [(older,)]
    assert attempt(RIGHT).status_code == 200
    ((newer,),) = execute("SELECT password_hash FROM account WHERE username = 'ann'")
    assert not passwords.is_dated(newer)
    assert attempt(RIGHT).status_code == 200


def test_only_post_of_a_form_is_a_login(attempt, client) -> None:
    assert client.get(PATH).status_code == 405
    assert client.post(PATH, data=b"username=ann", content_type="text/xml").status_code == 400
    assert client.post(PATH, data={"username": "a\0"}).status_code == 400
    assert client.post(PATH, json=RIGHT).status_code == 200


def test_machines_process_has_no_login(ctx) -> None:
    machines = create_app(ctx.config, ctx, parts=("metadata",))
    assert not [str(rule) for rule in machines.url_map.iter_rules() if "accounts" in str(rule)]


def test_clients_are_told_that_they_may_log_in(client) -> None:
    assert "authenticate-api" in client.get("/MAAS/api/2.0/version/").json["capabilities"]
