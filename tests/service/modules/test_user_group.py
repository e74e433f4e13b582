# SPDX-License-Identifier: GPL-3.0-or-later
"""Module user_group, and option grants of module user, against the real region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import resource_pool, user, user_group

Result = dict[str, Any]
Run = Callable[..., Result]
TEAM = {"name": "web-team", "members": ["ben", "ann"], "grants": [{"pool": "web"}]}


@pytest.fixture(autouse=True)
def site(run: Run) -> None:
    """Two accounts and a pool."""
    run(resource_pool, name="web")
    for name in ("ann", "ben"):
        run(user, name=name, password="correct horse")


def role(run: Run, name: str) -> str:
    shown: str = run(user, name=name)["user"]["role"]
    return shown


def test_group_is_foretold_made_changed_and_removed_once(run: Run) -> None:
    foretold, made = run(user_group, check=True, **TEAM), run(user_group, **TEAM)
    assert made["actions"] == [
        "create user group web-team",
        "add ann, ben to user group web-team",
        "grant operator of web to user group web-team",
    ]
    shown = {"name": "web-team", "description": "", "members": ["ann", "ben"], "grants": ["operator of web"]}
    for result in (foretold, made):
        assert (result["actions"], result["diff"], result["user_group"]) == (made["actions"], made["diff"], shown)
    assert role(run, "ann") == "operator"
    again = run(user_group, **TEAM)
    assert (again["changed"], again["user_group"]) == (False, shown)
    assert not run(user_group, name="web-team")["changed"]

    other = {**TEAM, "description": "of the shop", "members": ["ben"], "grants": [{"pool": "*"}]}
    foretold, made = run(user_group, check=True, **other), run(user_group, **other)
    assert (
        foretold["actions"]
        == made["actions"]
        == [
            "update user group web-team",
            "remove ann from user group web-team",
            "grant operator of * to user group web-team",
            "revoke operator of web from user group web-team",
        ]
    )
    assert foretold["user_group"] == made["user_group"]
    assert (role(run, "ann"), role(run, "ben")) == ("viewer", "operator")
    assert run(user_group, name="web-team", members=[], grants=[])["user_group"]["members"] == []
    assert run(user_group, check=True, name="web-team", state="absent")["actions"] == ["delete user group web-team"]
    assert run(user_group, name="web-team", state="absent")["user_group"] == {}
    assert not run(user_group, name="web-team", state="absent")["changed"]


@pytest.mark.parametrize("wrong", [{"members": ["cal"]}, {"grants": [{"pool": "wbe"}]}])
def test_who_is_not_there_is_refused_by_name(run: Run, wrong: Result) -> None:
    refused = run(user_group, **{**TEAM, **wrong})
    assert (refused["failed"], refused["status"] in (400, 404)) == (True, True)
    assert "cal" in refused["msg"] or "wbe" in refused["msg"]


def test_account_has_the_roles_that_are_declared(run: Run) -> None:
    foretold, made = (run(user, check=check, name="ann", grants=[{"pool": "web"}]) for check in (True, False))
    for result in (foretold, made):
        assert result["actions"] == ["grant operator of web to user ann"]
        assert (result["user"]["role"], result["user"]["grants"]) == ("operator", [{"role": "operator", "pool": "web"}])
    assert foretold["diff"] == made["diff"]
    assert not run(user, name="ann", grants=[{"pool": "web"}])["changed"]
    assert not run(user, name="ann")["changed"], "what is not said is left alone"
    taken = run(user, name="ann", grants=[])
    assert (taken["actions"], taken["user"]["role"]) == (["revoke operator of web from user ann"], "viewer")
    new = run(user, name="cal", password="correct horse", grants=[{"pool": "*"}])
    assert (new["actions"], new["user"]["role"]) == (["create user cal", "grant operator of * to user cal"], "operator")
