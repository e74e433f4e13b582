# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from judge import judging

from ansible_collections.rackyard.metal.plugins.modules import dhcp_snippet, subnet
from rackyard.region.context import Context
from rackyard.region.db.racks.identity import Rack

Result = dict[str, Any]
Run = Callable[..., Result]

GOOD = "option time-offset 0;"
OPTIONS = {"name": "clock", "value": f"{GOOD}\n"}
SNIPPET = {
    "name": "clock", "value": GOOD, "description": "", "enabled": True, "node": "", "subnet": "", "ip_range": "",
}  # fmt: skip
SCOPES: list[tuple[Result, Result]] = [
    ({}, {}),
    ({"subnet": "10.20.0.0/24"}, {"subnet": "boot"}),
    ({"ip_range": "10.20.0.100"}, {"ip_range": "10.20.0.100"}),
    ({"node": "m1"}, {"node": "m1"}),
]


@pytest.fixture
def judge(run: Run, register: Run, rack: str, execute: Any, ctx: Context, tmp_path: Path) -> Iterator[None]:
    execute("UPDATE rack SET abilities = '{dhcp_check}'")
    ((rack_id, system_id),) = execute("SELECT id, system_id FROM rack")
    ranges = [{"type": "dynamic", "start_ip": "10.20.0.100", "end_ip": "10.20.0.199"}]
    assert run(subnet, name="boot", cidr="10.20.0.0/24", fabric="lab", ranges=ranges)["changed"]
    assert register()["changed"]
    with judging(ctx, Rack(rack_id, system_id, rack), tmp_path):
        yield


@pytest.mark.parametrize(("scope", "shown"), SCOPES)
def test_create_then_again_converges_and_removes(run: Run, judge: None, scope: Result, shown: Result) -> None:
    options, there = {**OPTIONS, **scope}, {**SNIPPET, **shown}
    foretold, first = run(dhcp_snippet, check=True, **options), run(dhcp_snippet, **options)
    assert first["actions"] == foretold["actions"] == ["create DHCP snippet clock"]
    assert first["dhcp_snippet"] == foretold["dhcp_snippet"] == there
    assert first["diff"] == {"before": {}, "after": there}
    assert not run(dhcp_snippet, **options)["changed"]
    assert not run(dhcp_snippet, name="clock")["changed"], "what is not named is left alone"
    gone = {"name": "clock", "state": "absent"}
    assert run(dhcp_snippet, check=True, **gone)["changed"]
    assert run(dhcp_snippet, **gone)["actions"] == ["delete DHCP snippet clock"]
    assert not run(dhcp_snippet, **gone)["changed"]


def test_each_change_is_made_once(run: Run, judge: None) -> None:
    run(dhcp_snippet, **OPTIONS)
    there = dict(SNIPPET)
    changes: list[Result] = [
        {"value": "option time-offset 1;"}, {"enabled": False}, {"description": "noon"},
        *(scope for scope, _shown in SCOPES[1:]), {"global_snippet": True},
    ]  # fmt: skip
    for change in changes:
        options = {"name": "clock", **change}
        foretold, done = run(dhcp_snippet, check=True, **options), run(dhcp_snippet, **options)
        assert done["actions"] == foretold["actions"] == ["update DHCP snippet clock"], change
        assert done["dhcp_snippet"] == foretold["dhcp_snippet"]
        there = done["dhcp_snippet"]
        assert not run(dhcp_snippet, **options)["changed"]
    assert there == {**SNIPPET, "value": "option time-offset 1;", "enabled": False, "description": "noon"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"value": None}, "a new one needs its value"),
        ({"subnet": "moon"}, "There is no subnet moon for DHCP snippet clock"),
        ({"ip_range": "10.20.0.101"}, "There is no IP range that begins with 10.20.0.101"),
        ({"ip_range": "first"}, "'first' is no address"),
        ({"node": "moon"}, "There is no machine 'moon'"),
        ({"value": f"{GOOD}\noption time-offset noon;"}, "line 2 of the snippet"),
    ],
)
def test_refusals_are_worded_and_change_nothing(run: Run, judge: None, options: Result, words: str) -> None:
    refused = run(dhcp_snippet, **{**OPTIONS, **options})
    assert refused["failed"]
    assert words in refused["msg"]
    assert run(dhcp_snippet, check=True, **OPTIONS)["actions"] == ["create DHCP snippet clock"]
