# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import static_route, subnet

Result = dict[str, Any]
Run = Callable[..., Result]

ENDS = {"source": "boot", "destination": "store"}
OPTIONS = {**ENDS, "gateway_ip": "10.20.0.254"}
CREATED = ["create route from boot to store"]


@pytest.fixture
def network(run: Run) -> None:
    for name, cidr in (("boot", "10.20.0.0/24"), ("store", "10.99.0.0/16")):
        assert run(subnet, name=name, cidr=cidr, fabric="lab")["changed"]


def test_of_several_routes_one_is_named_by_its_gateway(run: Run, api: Any, network: None) -> None:
    for number in (253, 254):
        assert api.post("static-routes/", data={**ENDS, "gateway_ip": f"10.20.0.{number}"}).status_code == 200
    for options in ({**ENDS, "state": "absent"}, {**ENDS, "gateway_ip": "10.20.0.1"}):
        refused = run(static_route, **options)
        assert refused["failed"]
        assert "more than one route from boot to store, through 10.20.0.253, 10.20.0.254" in refused["msg"]
    assert not run(static_route, **{**OPTIONS, "source": "10.20.0.0/24", "destination": "10.99.0.0/16"})["changed"]
    assert run(static_route, **OPTIONS, state="absent")["changed"]
    assert run(static_route, **{**OPTIONS, "gateway_ip": "10.20.0.253"})["changed"] is False


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"gateway_ip": "10.21.0.1"}, "leads through 10.21.0.1, outside 10.20.0.0/24"),
        ({"gateway_ip": "router"}, "'router' is no address"),
    ],
)
def test_refusals_are_worded_and_change_nothing(
    run: Run, network: None, check: bool, options: Result, words: str
) -> None:
    refused = run(static_route, check=check, **{**OPTIONS, **options})
    assert refused["failed"]
    assert words in refused["msg"]
    assert run(static_route, **OPTIONS)["actions"] == CREATED


def test_subnet_that_is_not_there_may_come_before_in_check_mode_only(run: Run, network: None) -> None:
    options = {**OPTIONS, "destination": "moon"}
    assert run(static_route, check=True, **options)["changed"]
    assert not run(static_route, source="moon", destination="store", state="absent")["changed"]
    refused = run(static_route, **options)
    assert refused["failed"]
    assert "no subnet moon for the route from boot to moon" in refused["msg"]


def test_regions_refusal_is_worded(run: Run, network: None) -> None:
    run(subnet, name="boot6", cidr="2001:db8:20::/64", fabric="lab")
    refused = run(static_route, source="boot6", destination="store", gateway_ip="2001:db8:20::1")
    assert refused["failed"]
    assert "where DHCP tells no routes" in refused["msg"]
    assert refused["status"] == 400
