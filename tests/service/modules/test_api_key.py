# SPDX-License-Identifier: GPL-3.0-or-later
"""Module api_key: a key is shown once and opens the region until it is ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.rackyard.metal.plugins.modules import api_key, zone

Run = Callable[..., dict[str, Any]]


def test_key_is_shown_once_and_opens_until_it_is_ended(run: Run) -> None:
    foretold = run(api_key, check=True, name="cmdb")
    assert (foretold["actions"], foretold["api_keys"]) == (["create API key cmdb"], [])
    assert "secret" not in foretold
    made = run(api_key, name="cmdb")
    assert foretold["diff"] == made["diff"]
    again = run(api_key, name=" cmdb ")
    assert (again["changed"], "secret" in again, again["api_keys"]) == (False, False, made["api_keys"])
    assert run(zone, name="east", api_key=made["secret"])["changed"]
    (token,) = (key["token_key"] for key in made["api_keys"])
    assert run(api_key, check=True, name="cmdb", state="absent")["actions"] == [f"delete API key cmdb ({token})"]
    assert run(api_key, name="cmdb", state="absent")["api_keys"] == []
    assert run(zone, name="west", api_key=made["secret"])["status"] == 401
    assert not run(api_key, name="cmdb", state="absent")["changed"]
