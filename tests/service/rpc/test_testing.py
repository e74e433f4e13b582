# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of a machine, from `op=test` to what it is afterwards: the runner itself runs them, and posts to the region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import test_uploaded_scripts as uploaded
from . import test_whole_commissioning as whole
from .play import AgentPlay, MachinePlay

agent, image, m1, machine = whole.agent, whole.image, whole.m1, whole.machine
run_scripts = uploaded.run_scripts


def run_operation(api: Any, agent: AgentPlay, machine: MachinePlay, run: Callable[[], None], call: str, **data: str):
    """Ask for an operation, boot, and run its scripts; the machine afterwards."""
    asked = api.post(call, data=data)
    assert asked.status_code == 200, asked.text
    agent.report(agent.job())
    machine.pull(str(agent.boots()["boot_id"]))
    run()
    agent.report(agent.job(), "off")
    return whole.read(api, call.split("/")[1])


def test_machine_that_fails_a_test_says_so_until_somebody_overrides_it(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, run_scripts: Callable[[], None]
) -> None:
    path = f"machines/{m1}/"
    assert run_operation(api, agent, machine, run_scripts, f"{path}?op=commission")["status_name"] == "Ready"
    not_failed = api.post(f"{path}?op=override_failed_testing")
    assert (not_failed.status_code, "only what Failed testing" in not_failed.text) == (409, True)
    uploaded.upload(api, "a-disk", "#!/bin/sh\nexit 3\n", type="testing", parameters='{"disk": {"type": "storage"}}')
    failed = run_operation(api, agent, machine, run_scripts, f"{path}?op=test", testing_scripts="a-disk")
    assert (failed["status_name"], failed["testing_status_name"]) == ("Failed testing", "Failed")
    assert failed["power_state"] == "off"
    assert "testing scripts of m1 failed: a-disk (/dev/sda) failed (exit status 3)" in failed["status_message"]
    (newest, first) = api.get(f"nodes/{m1}/results/").json
    assert (newest["type_name"], newest["type"], first["type_name"]) == ("Testing", 2, "Commissioning")
    assert [each["name"] for each in newest["results"]] == ["20-network", "20-storage", "a-disk"]
    used = api.post(f"{path}?op=override_failed_testing", data={"comment": "for scratch"}).json
    assert (used["status_name"], used["testing_status"]) == ("Ready", -1)
    events = [each["description"] for each in api.get("events/?op=query").json["events"]]
    assert any("tests that failed were overridden: for scratch" in text for text in events)


def test_machine_is_what_it_was_when_its_tests_pass_or_are_aborted(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, run_scripts: Callable[[], None]
) -> None:
    path = f"machines/{m1}/"
    uploaded.upload(api, "a-well", "#!/bin/sh\n", type="testing")
    uploaded.upload(
        api, "b-half", '#!/bin/sh\necho "status: degraded" > "$RESULT_PATH"\n', type="testing", tags="commissioning"
    )
    passed = run_operation(api, agent, machine, run_scripts, f"{path}?op=test", testing_scripts="a-well,b-half")
    assert (passed["status_name"], passed["power_state"]) == ("New", "off")
    events = [each["description"] for each in api.get("events/?op=query").json["events"]]
    assert any("4 scripts; degraded: b-half" in text for text in events)
    begun = api.post(f"{path}?op=test").json
    assert (begun["status_name"], begun["testing_status_name"]) == ("Testing", "Running")
    assert api.post(f"{path}?op=commission").status_code == 409
    chosen = {each["name"] for each in api.get(f"nodes/{m1}/results/").json[0]["results"]}
    assert chosen >= {"b-half", "smartctl-validate", "network-link", "gateway", "ntp"}
    assert not chosen & {"a-well", "badblocks", "20-cpu"}
    assert api.post(f"{path}?op=abort").json["status_name"] == "New"


def test_what_cannot_be_tested_is_refused_and_nothing_begins(api: Any, agent: AgentPlay, m1: str) -> None:
    for words, why in (("none", "None is no test"), ("nobody", "named or tagged"), ("20-cpu", "named or tagged")):
        refused = api.post(f"machines/{m1}/?op=test", data={"testing_scripts": words})
        assert (refused.status_code, refused.json.keys()) == (400, {"testing_scripts"})
        assert why in refused.json["testing_scripts"][0]
    assert api.get(f"machines/{m1}/").json["status_name"] == "New"
    mine = api.post("scripts/", data={"name": "fio", "script": "#!/bin/sh\n"})
    assert (mine.status_code, "this region's own" in mine.text) == (400, True)


def test_tests_have_the_time_that_they_may_take(api: Any, agent: AgentPlay, m1: str, execute: Any) -> None:
    long = api.post(f"machines/{m1}/?op=test", data={"testing_scripts": "memtester"})
    assert long.status_code == 200, long.text
    ((seconds,),) = execute("SELECT extract(epoch FROM ends_at - requested_at)::integer FROM operation")
    assert seconds >= 24 * 3600
