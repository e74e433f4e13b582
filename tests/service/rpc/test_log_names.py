# SPDX-License-Identifier: GPL-3.0-or-later
"""The region's rsyslog learns which machine has which address, from the leases that racks report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rackyard.region.context import Context
from rackyard.region.worker.log_names import LogNames

from .conftest import RackClient
from .hardware import MAC
from .play import INTERFACES, register_machine


class Units:
    """Supervisor of units that obey, or do not."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.trouble = ""

    def act(self, verb: str, unit: str) -> str:
        self.calls.append((verb, unit))
        return self.trouble

    def is_active(self, unit: str) -> bool:
        return not self.trouble

    stays_active = is_active


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "syslog").mkdir()
    return tmp_path


def table(root: Path) -> dict[str, str]:
    entries = json.loads((root / "syslog/machines.json").read_text())["table"]
    return {entry["index"]: entry["value"] for entry in entries}


def test_leases_of_registered_machines_name_files_while_they_last(
    api: Any, world: Context, root: Path, lease: Callable[[str, str, float], None]
) -> None:
    units = Units()
    logs = LogNames(world, units, root)
    register_machine(api)
    lease("10.20.0.101", MAC, 600)
    lease("10.20.0.150", "02:aa:00:00:00:01", 600)
    lease("10.20.0.102", MAC, -1)
    assert logs.apply()
    assert table(root) == {"10.20.0.101": "m1"}, "neither strangers nor leases that are over"
    assert units.calls == [("reload", "rsyslog")]
    assert not logs.apply()
    assert units.calls == [("reload", "rsyslog")], "the same again is no news"


def test_rsyslog_that_did_not_hear_is_told_again(api: Any, world: Context, root: Path) -> None:
    units = Units()
    units.trouble = "rsyslog.service is not active"
    logs = LogNames(world, units, root)
    assert not logs.apply()
    units.trouble = ""
    assert logs.apply()
    assert len(units.calls) == 2


def test_where_machines_send_to_the_region_itself_it_knows_racks_apart_from_them(
    api: Any, rack: RackClient, world: Context, root: Path, lease: Callable[[str, str, float], None]
) -> None:
    rack.register(*INTERFACES)
    register_machine(api)
    lease("10.20.0.101", MAC, 600)
    both = replace(world, config=replace(world.config, tiers=frozenset({"region", "rack"})))
    assert LogNames(both, Units(), root).apply()
    racks = dict.fromkeys(("10.10.0.21", "10.20.0.2", "10.30.0.2"), "_rack")
    assert table(root) == {"10.20.0.101": "m1", **racks}


def test_host_without_the_role_is_left_alone(api: Any, world: Context, tmp_path: Path) -> None:
    root = tmp_path / "var"
    root.mkdir()
    assert not LogNames(world, Units(), root).apply()
    assert list(root.iterdir()) == []
