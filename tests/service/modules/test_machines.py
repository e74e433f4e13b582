# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response, request

from ansible_collections.rackyard.metal.plugins.modules import machine, machine_info, machines, tag

Result = dict[str, Any]
Run = Callable[..., Result]


def entry(number: int, **changes: Any) -> Result:
    power = {"type": "ipmi", "address": f"10.30.0.{number}", "user": "admin", "password": f"sesame-{number}"}
    base = {"hostname": f"m{number}", "mac_addresses": [f"52:54:00:20:01:{number:02x}"], "power": power}
    return {**base, **changes}


@pytest.fixture
def declare(run: Run) -> Run:
    """Run module machines with entries."""

    def run_machines(*entries: Result, **options: Any) -> Result:
        return run(machines, machines=list(entries), **options)

    return run_machines


@pytest.fixture
def known(run: Run) -> Callable[[], list[str]]:
    """Names of the machines that the region knows."""
    return lambda: [one["hostname"] for one in run(machine_info, fields=["hostname"])["machines"]]


def test_list_is_created_then_left_alone(declare: Run, known: Callable[[], list[str]]) -> None:
    entries = [entry(number) for number in range(1, 41)]
    first, second = declare(*entries), declare(*entries)
    assert first["changed"]
    assert [one["hostname"] for one in first["machines"]] == [one["hostname"] for one in entries]
    assert {one["status_name"] for one in first["machines"]} == {"New"}
    assert known() == sorted(one["hostname"] for one in entries)
    assert not second["changed"]
    assert second["diff"] == []
    assert [one["system_id"] for one in second["machines"]] == [one["system_id"] for one in first["machines"]]


def test_each_machine_becomes_what_module_machine_makes_of_it(declare: Run, run: Run) -> None:
    wanted = [
        entry(1, architecture="arm64", description="first shelf"),
        entry(2, power={"type": "manual"}),
        entry(3, commissioning_suite="trixie"),
    ]
    declare(*wanted)
    assert not declare(*wanted)["changed"]
    assert [run(machine, **one)["changed"] for one in wanted] == [False, False, False]


def test_check_mode_tells_the_truth_for_each_machine_and_changes_nothing(
    declare: Run, known: Callable[[], list[str]]
) -> None:
    declare(entry(1), entry(2), entry(3))
    wanted = [
        entry(1),
        entry(2, description="second shelf"),
        {"hostname": "m3", "state": "absent"},
        {"hostname": "m5", "state": "absent"},
        entry(4),
    ]
    foretold = declare(*wanted, check=True)
    assert [one["actions"] for one in foretold["machines"]] == [
        [],
        ["update machine m2"],
        ["delete machine m3"],
        [],
        ["create machine m4"],
    ]
    assert known() == ["m1", "m2", "m3"]
    done = declare(*wanted)
    assert {key: done[key] for key in ("actions", "diff")} == {key: foretold[key] for key in ("actions", "diff")}
    assert [one["before_header"] for one in done["diff"]] == ["machine m2", "machine m3", "machine m4"]
    assert known() == ["m1", "m2", "m4"]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([entry(2, mac_addresses=["nonsense"])], "m2: MAC address 'nonsense' is malformed"),
        ([entry(2), entry(2, mac_addresses=["52:54:00:20:01:63"])], "m2: declared 2 times"),
        (
            [entry(2), entry(3, mac_addresses=["52-54-00-20-01-02"])],
            "m2, m3: MAC address 52:54:00:20:01:02 is declared",
        ),
        ([entry(2, hostname="web_2")], "web_2: hostname: 'web_2' cannot be a host name"),
        ([entry(2, hostname="web-2.example.org")], "without a domain"),
        ([entry(2, power={"type": "ipmi", "address": "10.30.0"})], "m2: power.address: '10.30.0' is no IP address"),
        ([entry(2), entry(3, power={"type": "ipmi", "address": "10.30.0.2"})], "m2, m3: BMC 10.30.0.2 port 623 is"),
        (
            [entry(2), entry(3, power={"type": "ipmi", "address": "10.30.0.2", "port": 623})],
            "m2, m3: BMC 10.30.0.2 port 623 is",
        ),
        ([entry(2, mac_addresses=["52:54:00:20:01:09"])], "m2: MAC address 52:54:00:20:01:09 belongs to machine m9"),
    ],
)
def test_one_bad_entry_is_refused_before_anything_is_done(
    declare: Run, known: Callable[[], list[str]], bad: list[Result], words: str
) -> None:
    declare(entry(9))
    for check in (True, False):
        refused = declare(entry(1), *bad, entry(4), check=check)
        assert refused["failed"]
        assert words in refused["msg"]
        assert "nothing was done" in refused["msg"]
        assert known() == ["m9"]


def test_refusal_names_the_machine_and_the_others_are_gone_on_with(
    declare: Run, known: Callable[[], list[str]]
) -> None:
    refused = declare(entry(1), entry(2, architecture="vax"), entry(3))
    assert refused["failed"]
    assert "1 of 3 machines failed, 2 are as declared: m2: architecture: 'vax/generic' is not" in refused["msg"]
    assert [(one["hostname"], one["status"]) for one in refused["failures"]] == [("m2", 400)]
    assert refused["changed"]
    assert refused["actions"] == ["create machine m1", "create machine m3"]
    assert [one["before_header"] for one in refused["diff"]] == ["machine m1", "machine m3"]
    assert known() == ["m1", "m3"]


def test_address_of_a_machine_that_goes_away_is_free_for_another(declare: Run, known: Callable[[], list[str]]) -> None:
    declare(entry(1))
    replaced = declare(entry(1, hostname="m2"), {"hostname": "m1", "state": "absent"})
    assert "failed" not in replaced
    assert known() == ["m2"]


def test_nothing_further_is_tried_when_the_region_goes_away(app: Flask, declare: Run) -> None:
    calls = iter(range(1000))
    app.before_request_funcs.setdefault(None, []).append(
        lambda: Response("gone", 502) if request.method == "POST" and next(calls) >= 10 else None
    )
    lost = declare(*[entry(number) for number in range(1, 101)])
    assert lost["failed"]
    assert lost["status"] == 502
    assert len(lost["machines"]) == 10
    assert len(lost["failures"]) <= 8  # what was under way
    assert len(lost["machines"]) + len(lost["failures"]) + len(lost["untried"]) == 100


def test_password_is_sent_when_asked_and_never_shown(declare: Run) -> None:
    entries = [entry(1), entry(2, update_password="on_create")]
    declare(*entries)
    renewed = declare(*entries, update_password="always")
    assert [one["changed"] for one in renewed["machines"]] == [True, False]
    assert "sesame" not in json.dumps(renewed)


def test_number_of_requests_does_not_grow_with_unchanged_machines(app: Flask, declare: Run) -> None:
    entries = [entry(number) for number in range(1, 101)]
    declare(*entries)
    asked: list[str] = []
    app.before_request_funcs.setdefault(None, []).append(lambda: asked.append(request.full_path))
    assert not declare(*entries)["changed"]
    assert len(asked) <= 3


def test_fields_are_all_that_machine_info_gives(run: Run, declare: Run) -> None:
    declare(entry(1), entry(2))
    found = run(machine_info, fields=["status_name"])["machines"]
    assert found == [{"hostname": "m1", "status_name": "New"}, {"hostname": "m2", "status_name": "New"}]


def test_marks_of_many_machines_are_exact_and_converge(declare: Run, run: Run, known: Callable[[], list[str]]) -> None:
    entries = [entry(1, tags=["ssd"], owner_data={"team": "web"}), entry(2, tags=[]), entry(3)]
    refused = declare(*entries)
    assert refused["failed"]
    assert "There is no tag 'ssd'" in refused["msg"]
    assert known() == []
    run(tag, name="ssd")
    declare(*entries)
    assert not declare(*entries)["changed"]
    (first, *others) = run(machine_info, fields=["tag_names", "owner_data"])["machines"]
    assert (first["tag_names"], first["owner_data"]) == (["ssd"], {"team": "web"})
    assert all(other["tag_names"] == [] for other in others)
    moved = declare(entry(1, tags=[]), entry(2, tags=["ssd"]), entry(3))
    assert moved["actions"] == ["take tag ssd from machine m1", "give tag ssd to machine m2"]


def test_tags_go_to_all_of_their_machines_at_once_and_a_refusal_names_the_one_it_means(
    app: Flask, declare: Run, run: Run
) -> None:
    for name in ("ssd", "gpu"):
        run(tag, name=name)
    asked: list[str] = []

    def heard() -> Response | None:
        if "update_nodes" in request.full_path:
            asked.append(request.path.split("/")[-2])
            if "gpu" in request.path and broken in request.form.getlist("add"):
                return Response("not this one", 400)
            if "ssd" in request.path and gone:
                return Response("gone", 502)
        return None

    broken, gone = "", False
    app.before_request_funcs.setdefault(None, []).append(heard)
    made = declare(*[entry(number, tags=["ssd"]) for number in range(1, 41)])
    assert ("failed" not in made, asked) == (True, ["ssd"])
    broken = made["machines"][1]["system_id"]
    refused = declare(*[entry(number, tags=["gpu", "ssd"]) for number in range(1, 4)])
    assert [(one["hostname"], one["status"]) for one in refused["failures"]] == [("m2", 400)]
    assert [one["hostname"] for one in refused["machines"]] == ["m1", "m3"]
    gone = True
    lost = declare(entry(4, tags=[]), entry(5, tags=[], description="no more"), entry(6, description="stays"))
    assert ([one["hostname"] for one in lost["failures"]], lost["status"], lost["untried"]) == (["m4", "m5"], 502, [])
    assert [one["hostname"] for one in lost["machines"]] == ["m6"]
    gone = False
    assert "failed" not in declare(entry(4, tags=[]), entry(5, tags=[]))
    tagged = run(machine_info, fields=["tag_names"])["machines"]
    assert {one["hostname"] for one in tagged if "gpu" in one["tag_names"]} == {"m1", "m3"}
    assert {one["hostname"] for one in tagged if "ssd" not in one["tag_names"]} == {"m4", "m5"}
