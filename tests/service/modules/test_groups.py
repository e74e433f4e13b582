# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules zone and resource_pool, and the options of module machine that put a machine in one."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import machines, resource_pool, zone

Result = dict[str, Any]
Run = Callable[..., Result]
MODULES = pytest.mark.parametrize(("module", "key"), [(zone, "zone"), (resource_pool, "resource_pool")])


@MODULES
def test_made_once_corrected_once_removed_once(run: Run, module: ModuleType, key: str) -> None:
    foretold = run(module, check=True, name="east", description="a")
    first = run(module, name="east", description="a")
    assert foretold["actions"] == first["actions"] == [f"create {key.replace('_', ' ')} east"]
    assert first["diff"]["after"] == {"name": "east", "description": "a"}
    for again in (run(module, name="east"), run(module, name=" east ", description="a")):
        assert not again["changed"]
        assert again[key] == first[key]
    assert run(module, check=True, name="east", description="b")["diff"]["before"]["description"] == "a"
    assert run(module, name="east", description="b")[key] == {**first[key], "description": "b"}
    assert run(module, check=True, name="east", state="absent")[key] == {}
    assert run(module, name="east", state="absent")["changed"]
    assert not run(module, name="east", state="absent")["changed"]


@MODULES
def test_default_one_is_there_and_stays(run: Run, module: ModuleType, key: str) -> None:
    assert not run(module, name="default")["changed"]
    refused = run(module, name="default", state="absent")
    assert refused["failed"]
    assert "cannot be deleted" in refused["msg"]
    assert refused["status"] == 400


@MODULES
def test_bad_name_is_refused_with_the_remedy(run: Run, module: ModuleType, key: str) -> None:
    refused = run(module, name="a/b")
    assert refused["failed"]
    assert "cannot be a name" in refused["msg"]


def test_machine_is_put_where_it_is_declared(run: Run, register: Callable[..., Result]) -> None:
    run(zone, name="east")
    run(resource_pool, name="web")
    made = register(zone="east")
    assert made["machine"]["zone"]["name"] == "east"
    assert made["machine"]["pool"]["name"] == "default"
    assert not register()["changed"]
    foretold = register(check=True, pool="web")
    assert foretold["machine"]["pool"]["name"] == "web"
    moved = register(pool="web")
    assert moved["diff"]["before"]["pool"] == "default"
    assert moved["diff"]["after"]["pool"] == "web"
    assert moved["machine"]["pool"]["name"] == "web"
    assert not register(zone="east", pool="web")["changed"]


def test_list_of_machines_knows_zones_too(run: Run) -> None:
    run(zone, name="east")
    entries = [{"hostname": "m1", "mac_addresses": ["52:54:00:20:01:01"], "zone": "east"}]
    assert run(machines, machines=entries)["changed"]
    assert not run(machines, machines=entries)["changed"]


def test_machine_of_an_unknown_zone_is_refused(register: Callable[..., Result]) -> None:
    refused = register(zone="east")
    assert refused["failed"]
    assert "There is no zone 'east'" in refused["msg"]
