# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import dhcp_snippet, subnet

Result = dict[str, Any]
Run = Callable[..., Result]

GOOD = "option time-offset 0;"
OPTIONS = {"name": "clock", "value": f"{GOOD}\n"}
SNIPPET = {
    "name": "clock", "value": GOOD, "description": "", "enabled": True, "node": "", "subnet": "", "ip_range": "",
}  # fmt: skip


@pytest.fixture
def network(run: Run, register: Run, judge: None) -> None:
    ranges = [{"type": "dynamic", "start_ip": "10.20.0.100", "end_ip": "10.20.0.199"}]
    assert run(subnet, name="boot", cidr="10.20.0.0/24", fabric="lab", ranges=ranges)["changed"]
    assert register()["changed"]


def test_each_change_is_made_once(run: Run, network: None) -> None:
    run(dhcp_snippet, **OPTIONS)
    there = dict(SNIPPET)
    scopes = []
    changes: list[Result] = [
        {"value": "option time-offset 1;"}, {"enabled": False}, {"description": "noon"},
        {"subnet": "10.20.0.0/24"}, {"ip_range": "10.20.0.100"}, {"node": "m1"}, {"global_snippet": True},
    ]  # fmt: skip
    for change in changes:
        options = {"name": "clock", **change}
        foretold, done = run(dhcp_snippet, check=True, **options), run(dhcp_snippet, **options)
        assert done["actions"] == foretold["actions"] == ["update DHCP snippet clock"], change
        assert done["diff"] == foretold["diff"]
        there = done["diff"]["after"]
        assert there.items() <= done["dhcp_snippet"].items()
        scopes.append([there[scope] for scope in ("subnet", "ip_range", "node")])
        assert not run(dhcp_snippet, **options)["changed"]
    assert scopes[3:] == [["boot", "", ""], ["", "10.20.0.100", ""], ["", "", "m1"], ["", "", ""]]
    assert there == {**SNIPPET, "value": "option time-offset 1;", "enabled": False, "description": "noon"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"value": None}, "There is no DHCP snippet clock yet; give its value"),
        ({"subnet": "moon"}, "There is no subnet moon for the DHCP snippet"),
        ({"ip_range": "10.20.0.101"}, "There is no IP range that begins with 10.20.0.101"),
        ({"ip_range": "first"}, "'first' is no address"),
        ({"node": "moon"}, "There is no machine 'moon'"),
        ({"value": f"{GOOD}\noption time-offset noon;"}, "line 2 of the snippet"),
    ],
)
def test_refusals_are_worded_and_change_nothing(run: Run, network: None, options: Result, words: str) -> None:
    refused = run(dhcp_snippet, **{**OPTIONS, **options})
    assert refused["failed"]
    assert words in refused["msg"]
    assert run(dhcp_snippet, check=True, **OPTIONS)["actions"] == ["create DHCP snippet clock"]
