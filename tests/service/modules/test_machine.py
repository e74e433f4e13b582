# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import machine, machine_info, tag
from rackyard.region.context import Context

MAC, OTHER = "52:54:00:20:01:01", "52:54:00:20:01:02"
POWER = {"type": "ipmi", "address": "10.30.0.11", "user": "admin", "password": "sesame"}

WEBHOOK = {
    "power_on_uri": "https://Hooks.example.org/m1/on",
    "power_off_uri": "https://hooks.example.org/m1/off",
    "power_query_uri": "https://hooks.example.org/m1",
}
VM = {"power_vm_name": 101, "power_token_name": "rack"}

Result = dict[str, Any]
Run = Callable[..., Result]


def test_create_then_again_converges(register: Run) -> None:
    first, second = register(), register()
    assert first["changed"]
    assert first["actions"] == ["create machine m1"]
    assert first["machine"]["status_name"] == "New"
    assert first["machine"]["boot_interface"]["mac_address"] == MAC
    assert not second["changed"]
    assert second["machine"]["system_id"] == first["machine"]["system_id"]
    assert second["diff"]["before"] == second["diff"]["after"]


def test_check_mode_foretells_and_changes_nothing(run: Run, register: Run) -> None:
    foretold = register(check=True)
    assert foretold["changed"]
    assert foretold["machine"]["hostname"] == "m1"
    assert run(machine_info)["machines"] == []
    done = register()
    assert {key: done[key] for key in ("actions", "diff")} == {key: foretold[key] for key in ("actions", "diff")}


def test_absent_twice(run: Run, register: Run) -> None:
    register()
    assert run(machine, check=True, hostname="m1", state="absent")["changed"]
    assert run(machine, hostname="m1", state="absent")["machine"] == {}
    assert not run(machine, hostname="m1", state="absent")["changed"]


@pytest.mark.parametrize(
    "change",
    [
        {"description": "second shelf"},
        {"architecture": "arm64"},
        {"mac_addresses": [OTHER, MAC]},
        {"power": {**POWER, "address": "10.30.0.12", "port": 6230}},
        {"power": {"type": "manual"}},
        {"power": {**POWER, "boot_type": "efi"}},
        {"power": {**POWER, "off_mode": "soft", "privilege_level": "OPERATOR", "cipher_suite_id": "17"}},
        {"power": {**POWER, "cipher_suite_id": ""}},
        {"power": {"type": "webhook", "parameters": WEBHOOK, "secrets": {"power_token": "t0ken"}}},
        {
            "power": {
                "type": "proxmox",
                "address": "PVE.example.org",
                "user": "root@pam",
                "parameters": VM,
                "verify_ssl": "n",
                "secrets": {"power_token_secret": "0-1-2"},
            }
        },
    ],
)
def test_each_change_is_made_once(register: Run, change: Result) -> None:
    register()
    assert register(check=True, **change)["changed"]
    assert register(**change)["actions"] == ["update machine m1"]
    assert not register(**change)["changed"]


def test_usual_port_is_the_same_as_none(register: Run) -> None:
    register()
    assert not register(power={**POWER, "port": 623})["changed"]
    assert register(power={**POWER, "port": 6230})["changed"]
    assert not register()["changed"], "what is not given is left alone"
    back = register(power={**POWER, "port": 623})
    assert back["changed"]
    assert not register(power={**POWER, "port": 623})["changed"]


def test_password_is_stored_by_update_and_never_shown(register: Run, ctx: Context, execute: Run) -> None:
    register()
    renewed = register(power={**POWER, "password": "open"}, update_password="always")
    assert renewed["changed"]
    assert "open" not in json.dumps({key: renewed[key] for key in ("diff", "machine", "actions")})
    assert stored_password(ctx, execute, renewed["machine"]["system_id"]) == "open"


def test_other_changes_keep_the_password(register: Run, ctx: Context, execute: Run) -> None:
    system_id = register()["machine"]["system_id"]
    register(power=None, description="third shelf")
    assert stored_password(ctx, execute, system_id) == "sesame"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hostname": "m2"}, f"MAC {MAC} already belongs to machine m1"),
        ({"hostname": "m2", "mac_addresses": ["nonsense"]}, "'nonsense' is malformed"),
        ({"hostname": "-bad-", "mac_addresses": [OTHER]}, "hostname: "),
        ({"hostname": "m2", "mac_addresses": []}, "MAC"),
    ],
)
def test_refusals_are_worded_and_change_nothing(run: Run, register: Run, options: Result, words: str) -> None:
    register()
    refused = register(**options)
    assert refused["failed"]
    assert words in refused["msg"]
    assert [one["hostname"] for one in run(machine_info)["machines"]] == ["m1"]


def test_wrong_key_is_worded(register: Run) -> None:
    refused = register(api_key="a:b:c")
    assert "does not know this API key" in refused["msg"]
    assert refused["status"] == 401


def stored_password(ctx: Context, execute: Callable[..., Any], system_id: str) -> str:
    ((secrets,),) = execute(
        "SELECT bmc.secrets FROM bmc JOIN machine ON bmc_id = bmc.id WHERE system_id = %s", system_id
    )
    return ctx.box.decrypt(secrets["power_pass"].encode())


def test_all_or_named_with_hardware_and_timeline(run: Run, register: Run) -> None:
    register()
    register(hostname="m2", mac_addresses=[OTHER], power=None)
    assert [one["hostname"] for one in run(machine_info)["machines"]] == ["m1", "m2"]
    (found,) = run(machine_info, hostnames=["m2"], timeline=True)["machines"]
    assert found["hardware"]["disks"] == []
    assert len(found["timeline"]["steps"]) == 12


def test_unknown_name_is_an_error_that_lists_the_known(run: Run, register: Run) -> None:
    register()
    assert "There is no machine 'm9'" in run(machine_info, hostnames=["m9"])["msg"]
    assert "Known machines: m1" in run(machine_info, hostnames=["m9"])["msg"]


MARKS = {
    "tags": ["ssd", "gpu", "ssd"],
    "owner_data": {"team": "web", "rack unit": 12, "spare": False, "empty": ""},
    "workload_annotations": {"service": "shop"},
}
KEPT = {"team": "web", "rack unit": "12", "spare": "false"}


@pytest.fixture
def two_tags(run: Run) -> None:
    for name in ("gpu", "ssd"):
        run(tag, name=name)


def test_marks_are_exact_and_converge(register: Run, two_tags: None) -> None:
    foretold, made = register(check=True, **MARKS), register(**MARKS)
    assert (
        foretold["actions"]
        == made["actions"]
        == [
            "create machine m1",
            "give tag gpu to machine m1",
            "give tag ssd to machine m1",
            "write owner_data of machine m1",
            "write workload_annotations of machine m1",
        ]
    )
    for shown in (foretold["machine"], made["machine"]):
        assert (shown["tag_names"], shown["owner_data"]) == (["gpu", "ssd"], KEPT)
    assert not register(**MARKS)["changed"]
    assert not register()["changed"], "what is not mentioned is left alone"
    assert made["machine"]["workload_annotations"] == foretold["machine"]["workload_annotations"] == {"service": "shop"}
    other = {"tags": ["ssd"], "owner_data": {"team": "db"}}
    foretold, changed = register(check=True, **other), register(**other)
    assert changed["actions"] == ["take tag gpu from machine m1", "write owner_data of machine m1"]
    assert (changed["actions"], changed["diff"]) == (foretold["actions"], foretold["diff"])
    assert (changed["machine"]["tag_names"], changed["machine"]["owner_data"]) == (["ssd"], {"team": "db"})
    assert changed["machine"]["workload_annotations"] == {"service": "shop"}
    bare = register(tags=[], owner_data={}, workload_annotations={})["machine"]
    assert (bare["tag_names"], bare["owner_data"], bare["workload_annotations"]) == ([], {}, {})
    assert not register(tags=[], owner_data={})["changed"]


def test_tag_that_is_not_there_is_named_before_anything_is_done(run: Run, register: Run, two_tags: None) -> None:
    assert register(check=True, tags=["gpu", "sdd"])["changed"], "another task may make that tag first"
    refused = register(tags=["gpu", "sdd"])
    assert refused["failed"]
    assert "There is no tag 'sdd'" in refused["msg"]
    assert run(machine_info)["machines"] == []


def test_texts_may_have_names_of_the_client_itself_but_not_that_of_the_operation(register: Run) -> None:
    texts = {"path": "a", "self": "b", "format": "c", "values": "d"}
    assert register(owner_data=texts)["machine"]["owner_data"] == texts
    refused = register(owner_data={"op": "x"})
    assert refused["failed"]
    assert "'op'" in refused["msg"]
