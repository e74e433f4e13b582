# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import tag

Result = dict[str, Any]
Run = Callable[..., Result]

OPTIONS = {"name": "gpu", "comment": "has an accelerator", "kernel_opts": "iommu=pt  quiet", "machines": ["m1", "m2"]}


@pytest.fixture
def machines(register: Run) -> dict[str, str]:
    """The system_ids of m1, m2 and m3."""
    made = [
        register(hostname=f"m{number}", mac_addresses=[f"52:54:00:20:01:0{number}"], power={"type": "manual"})
        for number in (1, 2, 3)
    ]
    return {result["machine"]["hostname"]: result["machine"]["system_id"] for result in made}


def test_create_then_again_converges(run: Run, machines: dict[str, str]) -> None:
    first, second = run(tag, **OPTIONS), run(tag, **OPTIONS)
    assert first["actions"] == ["create tag gpu", "give tag gpu to m1, m2"]
    assert first["tag"] == {
        "name": "gpu",
        "comment": "has an accelerator",
        "definition": "",
        "definition_fault": "",
        "kernel_opts": "iommu=pt quiet",
        "machines": ["m1", "m2"],
    }
    assert first["diff"] == {"before": {}, "after": first["tag"]}
    assert not second["changed"]
    assert second["tag"] == first["tag"]


def test_check_mode_foretells_and_changes_nothing(run: Run, machines: dict[str, str]) -> None:
    foretold = run(tag, check=True, **OPTIONS)
    assert foretold["changed"]
    done = run(tag, **OPTIONS)
    assert (foretold["actions"], foretold["tag"], foretold["diff"]) == (done["actions"], done["tag"], done["diff"])


@pytest.mark.parametrize(
    ("change", "actions"),
    [
        ({"comment": ""}, ["update tag gpu"]),
        ({"kernel_opts": ""}, ["update tag gpu"]),
        ({"machines": ["m2", "m3"]}, ["give tag gpu to m3", "take tag gpu from m1"]),
        ({"machines": []}, ["take tag gpu from m1, m2"]),
    ],
)
def test_each_change_is_made_once(run: Run, machines: dict[str, str], change: Result, actions: list[str]) -> None:
    run(tag, **OPTIONS)
    options = {**OPTIONS, **change}
    foretold = run(tag, check=True, **options)
    assert foretold["actions"] == actions
    changed = run(tag, **options)
    assert (changed["actions"], changed["tag"]) == (actions, foretold["tag"])
    assert not run(tag, **options)["changed"]


def test_without_purge_nobody_loses_the_tag(run: Run, machines: dict[str, str]) -> None:
    run(tag, **OPTIONS)
    more = {"name": "gpu", "machines": ["m2", "m3"], "purge": False}
    foretold, done = run(tag, check=True, **more), run(tag, **more)
    assert foretold["actions"] == done["actions"] == ["give tag gpu to m3"]
    assert foretold["tag"]["machines"] == done["tag"]["machines"] == ["m1", "m2", "m3"]
    assert not run(tag, **more)["changed"]


def test_what_is_not_mentioned_is_left_alone(run: Run, machines: dict[str, str]) -> None:
    made = run(tag, **OPTIONS)
    again = run(tag, name="gpu")
    assert not again["changed"]
    assert again["tag"] == made["tag"]


def test_machines_may_be_named_by_system_id(run: Run, machines: dict[str, str]) -> None:
    run(tag, **OPTIONS)
    assert not run(tag, name="gpu", machines=[machines["m1"], "M2", "m1"])["changed"]


@pytest.mark.parametrize("check", [True, False])
def test_unknown_machine_is_named_and_no_tag_is_made(run: Run, machines: dict[str, str], check: bool) -> None:
    refused = run(tag, check=check, **{**OPTIONS, "machines": ["m1", "m9"]})
    assert refused["failed"]
    assert "There is no machine 'm9'" in refused["msg"]
    assert run(tag, check=True, name="gpu")["actions"] == ["create tag gpu"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("name", ["", "a b", "a/b", "a?b"])
def test_name_that_cannot_be_is_refused(run: Run, check: bool, name: str) -> None:
    refused = run(tag, check=check, name=name)
    assert refused["failed"]
    assert "cannot be a tag" in refused["msg"]


def test_regions_refusal_has_its_words_and_status(run: Run) -> None:
    refused = run(tag, name="gpu", kernel_opts="quiet $(x)")
    assert refused["failed"]
    assert refused["status"] == 400
    assert "not safe on a kernel line" in refused["msg"]


def test_absent_takes_it_from_its_machines_and_converges(run: Run, machines: dict[str, str]) -> None:
    made = run(tag, **OPTIONS)["tag"]
    foretold = run(tag, check=True, name="gpu", state="absent")
    gone = run(tag, name="gpu", state="absent")
    assert gone["actions"] == foretold["actions"] == ["delete tag gpu"]
    assert gone["diff"] == foretold["diff"] == {"before": made, "after": {}}
    assert gone["tag"] == {}
    assert not run(tag, name="gpu", state="absent")["changed"]


def test_definition_is_declared_once_and_decides_which_machines_have_the_tag(
    run: Run, machines: dict[str, str]
) -> None:
    options = {"name": "gpu", "definition": " //node[@class='display'] "}
    run(tag, name="gpu", machines=["m1"])
    foretold = run(tag, check=True, **options)
    assert foretold["actions"] == ["update tag gpu"]
    made = run(tag, **options)
    assert made["tag"] == {
        "name": "gpu", "comment": "", "definition": "//node[@class='display']", "definition_fault": "",
        "kernel_opts": "", "machines": [],
    }  # fmt: skip
    assert not run(tag, **options)["changed"]
    both = run(tag, **options, machines=["m1"])
    assert (both["failed"], "its definition decides" in both["msg"]) == (True, True)
    refused = run(tag, name="gpu", machines=["m1"])
    assert (refused["status"], "has a definition" in refused["msg"]) == (409, True)
    wrong = run(tag, name="gpu", definition="//node[foo()]")
    assert "there is no function foo()" in wrong["msg"]
