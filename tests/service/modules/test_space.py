# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import space, subnet

Result = dict[str, Any]
Run = Callable[..., Result]

OPTIONS = {"name": "dmz", "description": "behind the outer firewall"}


def test_create_then_again_converges(run: Run) -> None:
    foretold, first, second = run(space, check=True, **OPTIONS), run(space, **OPTIONS), run(space, **OPTIONS)
    assert first["actions"] == foretold["actions"] == ["create space dmz"]
    assert first["space"] == foretold["space"] == {**OPTIONS, "vlans": []}
    assert first["diff"] == {"before": {}, "after": first["space"]}
    assert not second["changed"]
    assert second["space"] == first["space"]


def test_description_is_changed_only_where_it_is_given(run: Run) -> None:
    run(space, **OPTIONS)
    assert not run(space, name="dmz")["changed"]
    foretold = run(space, check=True, name="dmz", description="")
    assert run(space, **OPTIONS)["space"]["description"] == "behind the outer firewall", "check mode changes nothing"
    done = run(space, name="dmz", description="")
    assert done["actions"] == foretold["actions"] == ["update space dmz"]
    assert done["space"] == foretold["space"] == {"name": "dmz", "description": "", "vlans": []}


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
