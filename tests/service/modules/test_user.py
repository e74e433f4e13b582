# SPDX-License-Identifier: GPL-3.0-or-later
"""Module user against the real region."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from ansible_collections.rackyard.metal.plugins.modules import user

Result = dict[str, Any]
Run = Callable[..., Result]
ANN = {"name": "ann", "email": "ann@example.org", "password": "correct horse"}


@pytest.fixture
def fits(client: FlaskClient) -> Callable[[str], bool]:
    """Whether ann's password is this."""

    def call(password: str) -> bool:
        form = {"username": "ann", "password": password}
        return client.post("/MAAS/accounts/authenticate/", data=form).status_code == 200

    return call


def test_account_is_made_once(run: Run, fits: Callable[[str], bool]) -> None:
    first, second = run(user, **ANN), run(user, **ANN)
    assert (first["changed"], first["actions"]) == (True, ["create user ann"])
    assert first["user"] == {
        "username": "ann",
        "email": "ann@example.org",
        "is_local": True,
        "is_superuser": False,
        "role": "viewer",
        "grants": [],
        "groups": [],
        "resource_uri": "/MAAS/api/2.0/users/ann/",
    }
    assert (second["changed"], second["actions"], second["user"]) == (False, [], first["user"])
    assert second["diff"]["before"] == second["diff"]["after"]
    assert fits("correct horse")


@pytest.mark.parametrize("change", [{"email": "a@example.net"}, {"email": ""}, {"is_superuser": True}])
def test_each_change_is_foretold_and_made_once(run: Run, change: Result) -> None:
    run(user, **ANN)
    options = {**ANN, **change}
    foretold = run(user, check=True, **options)
    assert foretold["actions"] == ["update user ann"]
    made = run(user, **options)
    assert (made["actions"], made["diff"], made["user"]) == (foretold["actions"], foretold["diff"], foretold["user"])
    assert not run(user, **options)["changed"]


def test_what_is_not_given_is_left_alone(run: Run) -> None:
    run(user, **ANN, is_superuser=True)
    assert not run(user, name="ann")["changed"]
    assert run(user, name="ann")["user"]["is_superuser"] is True


def test_check_mode_makes_no_account(run: Run) -> None:
    foretold = run(user, check=True, **ANN)
    assert (foretold["changed"], foretold["user"]["username"]) == (True, "ann")
    assert run(user, check=True, name="ann", state="absent")["changed"] is False


def test_password_is_set_on_create_or_always(run: Run, fits: Callable[[str], bool]) -> None:
    run(user, **ANN)
    other = {**ANN, "password": "another horse"}
    assert not run(user, **other)["changed"]
    assert fits("correct horse")
    foretold = run(user, check=True, **other, update_password="always")
    assert foretold["actions"] == ["set password of user ann"]
    assert fits("correct horse")
    assert run(user, **other, update_password="always")["diff"] == foretold["diff"]
    assert fits("another horse")
    assert run(user, **other, update_password="always")["changed"]


def test_no_password_is_shown(run: Run) -> None:
    results = [run(user, **ANN), run(user, **{**ANN, "password": "another horse"}, update_password="always")]
    # The module's arguments come back with no_log's mark.
    assert "horse" not in json.dumps(results)
    assert results[1]["diff"]["before"]["password"] != results[1]["diff"]["after"]["password"]


def test_account_is_removed_once(run: Run) -> None:
    run(user, **ANN)
    foretold = run(user, check=True, name="ann", state="absent")
    removed = run(user, name="ann", state="absent")
    assert removed["actions"] == foretold["actions"] == ["delete user ann"]
    assert (removed["user"], removed["diff"]["after"]) == ({}, {})
    assert not run(user, name="ann", state="absent")["changed"]


def test_machines_of_a_removed_account_go_to_another(run: Run, execute: Callable[..., Any]) -> None:
    run(user, **ANN)
    execute("INSERT INTO machine (system_id, hostname, owner_id) SELECT 'abcdef', 'm1', max(id) FROM account")
    refused = run(user, name="ann", state="absent")
    assert (refused["failed"], refused["status"]) == (True, 400)
    assert "ann owns m1" in refused["msg"]
    assert run(user, name="ann", state="absent", transfer_resources_to="admin")["changed"]
    assert execute("SELECT username FROM machine JOIN account ON account.id = owner_id") == [("admin",)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "a b"}, "name: 'a b' cannot be a user name"),
        ({"name": ".."}, "name: '..' cannot be a user name"),
        ({"name": "ann"}, "give the password of the new account"),
        ({"name": "ann", "password": "short"}, "password: that of ann must have 8 to 512 characters"),
        ({"name": "ann", "password": "with\na line"}, "password: that of ann must have 8 to 512 characters"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_what_cannot_be_is_refused_in_check_mode_as_well(run: Run, options: Result, words: str, check: bool) -> None:
    result = run(user, check=check, **options)
    assert result["failed"]
    assert words in result["msg"]


def test_name_with_characters_of_urls_is_one(run: Run) -> None:
    options = {**ANN, "name": "ann+ops@example.org"}
    assert run(user, **options)["user"]["username"] == "ann+ops@example.org"
    assert not run(user, **options)["changed"]


def test_key_that_is_no_administrators_is_refused(
    run: Run, key_of: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RACKYARD_API_KEY", key_of("reader"))
    result = run(user, **ANN)
    assert (result["failed"], result["status"]) == (True, 403)


def test_own_password_needs_the_one_before(run: Run) -> None:
    own = {"name": "admin", "update_password": "always"}
    assert run(user, **own, password="the first one")["changed"]
    refused = run(user, **own, password="the second one")
    assert (refused["failed"], refused["status"]) == (True, 400)
    assert "old_password" in refused["msg"]
