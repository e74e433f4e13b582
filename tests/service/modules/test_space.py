# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import space, subnet

Result = dict[str, Any]
Run = Callable[..., Result]

OPTIONS = {"name": "dmz", "description": "behind the outer firewall"}


def test_space_is_removed_and_its_vlans_stay(run: Run) -> None:
    run(space, **OPTIONS)
    place = {"name": "web", "cidr": "10.20.0.0/24", "fabric": "lab", "vid": 20}
    run(subnet, **place, space="dmz")
    assert run(space, **OPTIONS)["space"]["vlans"] == ["lab/20"]
    assert run(space, check=True, name="dmz", state="absent")["actions"] == ["delete space dmz"]
    gone = run(space, name="dmz", state="absent")
    assert (gone["actions"], gone["space"]) == (["delete space dmz"], {})
    assert not run(space, name="dmz", state="absent")["changed"]
    assert run(subnet, **place)["subnet"]["space"] == ""


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("state", ["present", "absent"])
def test_undefined_space_is_left_alone(run: Run, check: bool, state: str) -> None:
    refused = run(space, check=check, name="undefined", state=state)
    assert refused["failed"]
    assert "always there as it is" in refused["msg"]


def test_regions_refusal_is_worded(run: Run) -> None:
    refused = run(space, name="12")
    assert refused["failed"]
    assert "would be taken for an id" in refused["msg"]
    assert refused["status"] == 400
