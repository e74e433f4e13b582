# SPDX-License-Identifier: GPL-3.0-or-later
"""Module ssh_key against the real region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from key_server import FIRST, SECOND, KeyServer

from ansible_collections.rackyard.metal.plugins.modules import ssh_key

Result = dict[str, Any]
Run = Callable[..., Result]
BODY = "AAAAC3NzaC1lZDI1NTE5AAAAIMo+9BHWzjF8JkD2crhjL3OxxtO+V1aaQQGGjqyamTs8"
KEY = f"ssh-ed25519 {BODY} ann@laptop"


def test_key_is_added_once(run: Run) -> None:
    foretold = run(ssh_key, check=True, key=KEY)
    first, second = run(ssh_key, key=f"{KEY}\n"), run(ssh_key, key=KEY)
    assert first["actions"] == foretold["actions"] == ["create SSH key ann@laptop"]
    assert first["diff"] == foretold["diff"] == {"before": {}, "after": {"key": KEY}}
    assert (first["ssh_key"]["key"], foretold["ssh_key"]["key"]) == (KEY, KEY)
    assert (second["changed"], second["ssh_key"]) == (False, first["ssh_key"])


@pytest.mark.parametrize("comment", ["", " ann@desk", "  ann@laptop"])
def test_key_with_another_comment_is_the_same(run: Run, comment: str) -> None:
    first = run(ssh_key, key=KEY)
    again = run(ssh_key, key=f"ssh-ed25519 {BODY}{comment}")
    assert (again["changed"], again["ssh_key"]) == (False, first["ssh_key"])
    removed = run(ssh_key, key=f"ssh-ed25519 {BODY}{comment}", state="absent")
    assert (removed["changed"], removed["ssh_key"]) == (True, {})


def test_key_is_removed_once_and_no_other(run: Run, execute: Callable[..., Any]) -> None:
    other = f"ssh-ed25519 {BODY[:-4]}AAAA"
    run(ssh_key, key=KEY)
    run(ssh_key, key=other)
    assert run(ssh_key, check=True, key=KEY, state="absent")["changed"]
    removed = run(ssh_key, key=KEY, state="absent")
    assert (removed["actions"], removed["diff"]["after"]) == (["delete SSH key ann@laptop"], {})
    assert execute("SELECT key FROM ssh_key") == [(other,)]
    assert not run(ssh_key, key=KEY, state="absent")["changed"]


def test_key_without_a_comment_is_named_by_its_end(run: Run) -> None:
    assert run(ssh_key, key=f"ssh-ed25519 {BODY}")["actions"] == ["create SSH key ssh-ed25519 ...QQGGjqyamTs8"]


@pytest.mark.parametrize("key", ["", "ssh-ed25519", "ssh-ed25519 !", f"{KEY}\n{KEY}", "-----BEGIN PRIVATE KEY-----"])
@pytest.mark.parametrize("check", [True, False])
def test_what_has_not_the_form_of_a_key_is_refused_in_check_mode_too(run: Run, key: str, check: bool) -> None:
    result = run(ssh_key, check=check, key=key)
    assert result["failed"]
    assert "key: this is no public key" in result["msg"]


def test_region_refuses_what_is_no_whole_key(run: Run) -> None:
    result = run(ssh_key, key=f"ssh-rsa {BODY}")
    assert (result["failed"], result["status"]) == (True, 400)
    assert "no whole key" in result["msg"]


def test_keys_of_a_source_are_imported_once_and_removed_together(run: Run, key_server: KeyServer) -> None:
    key_server.publish("/ann.keys", FIRST)
    run(ssh_key, key=SECOND)
    foretold = run(ssh_key, check=True, source="gh:ann")
    assert (foretold["actions"], key_server.asked) == (["import SSH keys of gh:ann"], [])
    first = run(ssh_key, source="gh:ann")
    assert first["actions"] == ["import SSH key ssh-ed25519 ...QQGGjqyamTs8 of gh:ann"]
    assert first["diff"] == {"before": {"keys": []}, "after": {"keys": [FIRST]}}
    assert [(each["key"], each["keysource"]) for each in first["ssh_keys"]] == [(FIRST, "gh:ann")]
    for check in (False, True):
        again = run(ssh_key, check=check, source="gh:ann")
        assert (again["changed"], again["ssh_keys"]) == (False, first["ssh_keys"])
    assert "GitHub knows no bob" in run(ssh_key, source="gh:bob")["msg"]
    for check in (True, False):
        gone = run(ssh_key, check=check, source="gh:ann", state="absent")
        assert (gone["actions"], gone["ssh_keys"]) == (["delete SSH key ssh-ed25519 ...QQGGjqyamTs8"], [])
    assert not run(ssh_key, source="gh:ann", state="absent")["changed"]
    assert run(ssh_key, key=SECOND)["changed"] is False
