# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs in dhcpd's configuration: what stands there, what does not depend on them, and hostile values."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from rackyard.daemons import Refused
from rackyard.daemons.dhcp import render
from rackyard.daemons.dhcp_pairs import declared, names_in

DATA = Path(__file__).resolve().parents[2] / "data"
PAIR = {
    "name": "pair-abc234-def567",
    "role": "primary",
    "address": "10.10.0.21",
    "peer_address": "10.10.0.22",
    "mclt_s": 300,
    "partner_down": None,
}


def section(**changes: Any) -> dict[str, Any]:
    """A rack that shares its only subnet."""
    found: dict[str, Any] = json.loads((DATA / "desired_rack.json").read_text())["dhcp"]
    found["networks"][0]["subnets"][0]["pair"] = PAIR["name"]
    return {**found, "hosts": [], "pairs": [{**PAIR, **changes}]}


def text(**changes: Any) -> list[str]:
    return [line.strip() for line in render(section(**changes)).decode().splitlines()]


def test_both_sides_of_a_pair() -> None:
    primary = text()
    begin = primary.index('failover peer "pair-abc234-def567" {')
    assert primary[begin + 1 : primary.index("}", begin)] == [
        "primary;",
        "address 10.10.0.21;",
        "port 647;",
        "peer address 10.10.0.22;",
        "peer port 647;",
        "max-response-delay 10;",
        "max-unacked-updates 10;",
        "load balance max seconds 3;",
        "mclt 300;",
        "split 128;",
    ]
    secondary = text(role="secondary")
    assert "secondary;" in secondary
    assert not [line for line in secondary if line.startswith(("mclt", "split"))], "the primary's to say"


def test_every_pool_of_a_shared_subnet_is_the_pairs_and_no_other() -> None:
    shared = section()
    alone = copy.deepcopy(shared["networks"][0]["subnets"][0])
    alone.update(cidr="10.21.0.0/24", next_server="10.21.0.2", pair=None)
    alone["pools"] = [{"start": "10.21.0.100", "end": "10.21.0.200"}]
    shared["networks"][0]["subnets"].append(alone)
    lines = [line.strip() for line in render(shared).decode().splitlines()]
    pools = [lines[index + 1] for index, line in enumerate(lines) if line == "pool {"]
    assert pools.count('failover peer "pair-abc234-def567";') == 2
    assert len(pools) == 4


def test_file_does_not_depend_on_who_is_dead() -> None:
    assert render(section(partner_down=5)) == render(section())
    assert declared(section(partner_down=5)) == {"pair-abc234-def567": 5}
    assert declared(section()) == {}


def test_names_are_found_in_the_file() -> None:
    assert names_in(render(section())) == ["pair-abc234-def567"]
    assert names_in(b"") == []


@pytest.mark.parametrize("value", ['x";', "10.0.0.1; }", "", 5, ["a"], {"a": 1}, "fd00::1"])
@pytest.mark.parametrize("field", ["name", "role", "address", "peer_address", "mclt_s", "pair"])
def test_hostile_values_are_refused_and_named(field: str, value: Any) -> None:
    if field == "mclt_s" and value == 5:
        return
    hostile = section(**({} if field == "pair" else {field: value}))
    if field == "pair":
        hostile["networks"][0]["subnets"][0]["pair"] = value
    with pytest.raises(Refused, match="dhcp"):
        render(hostile)


@pytest.mark.parametrize("value", ["1", 0, -1, 1.5, True])
def test_declaration_is_a_number(value: Any) -> None:
    with pytest.raises(Refused, match="partner_down"):
        declared(section(partner_down=value))
