# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks that talk to the region only, from blank to Ready and broken, as jobs; the region is real."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader

from ansible_collections.rackyard.metal.plugins.modules import machine_info, subnet
from rackyard.region.clock import Clock
from rackyard.region.context import Context

from ..test_machine_commission import RANGE, play_machine
from .jobs import Controller, Job

Run = Callable[..., dict[str, Any]]
Launch = Callable[..., Job]
NETWORK = {
    "rackyard_fabrics": [{"name": "lab", "vlans": [{"vid": 0, "dhcp_on": True, "primary_rack": "rack1"}]}],
    "rackyard_subnets": [{"name": "boot", "cidr": "10.20.0.0/24", "fabric": "lab", "ranges": [RANGE]}],
}
BMC = {"type": "ipmi", "address": "10.30.0.11", "user": "admin", "password": "sesame-of-the-bmc"}
MACHINES = {
    "rackyard_tags": [{"name": "gpu", "comment": "has a card"}],
    "rackyard_machines": [{"hostname": "m1", "mac_addresses": ["52:54:00:20:01:01"], "power": BMC}],
}
INVENTORY = "inventory/region/site.rackyard.yml"
# What each playbook is told, in the order of a machine's life. A second run finds nothing to do.
LIFE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("network", NETWORK),
    ("machines", MACHINES),
    ("tag", {"rackyard_tag": "gpu", "rackyard_tag_machines": ["m1"]}),
    ("commission", {"rackyard_commission": ["m1"]}),
    ("power", {"rackyard_power": ["m1"], "rackyard_power_state": "off"}),
    ("mark_broken", {"rackyard_broken": ["m1"], "rackyard_broken_comment": "a disk is gone"}),
)
# What AWX does with answers that nobody gave, and what a person would answer.
ANSWERS = {
    "machine_names": "m1",
    "machine_macs": "52:54:00:20:01:01",
    "bmc_address": "10.30.0.11",
    "bmc_user": "admin",
    "bmc_password": "sesame-of-the-bmc",
    "tag_name": "gpu",
}
OPTIONAL = {"bmc_address", "bmc_user", "bmc_password"}


@pytest.fixture
def image(execute: Run) -> None:
    """The image that machines are commissioned with."""
    execute(
        "INSERT INTO image (name, arch, suite, manifest, manifest_sha256, registered_at, is_default) "
        "VALUES ('test', 'amd64', 'bookworm', '{}', decode(repeat('00', 32), 'hex'), now(), true)"
    )


@pytest.fixture
def machine_boots(ctx: Context, execute: Run) -> Callable[[], threading.Thread]:
    """Have the machine do its part as soon as a job has it boot."""
    live = replace(ctx, clock=Clock())

    def play() -> None:
        give_up_at = time.monotonic() + 60
        while not execute("SELECT 1 FROM boot"):
            assert time.monotonic() < give_up_at, "no job has a machine boot"
            time.sleep(0.1)
        ((system_id,),) = execute("SELECT system_id FROM machine")
        play_machine(live, system_id)

    def start() -> threading.Thread:
        playing = threading.Thread(target=play)
        playing.start()
        return playing

    return start


@pytest.mark.usefixtures("rack", "image", "obedient_rack")
def test_a_machines_life_in_jobs(
    controller: Controller, served: str, admin_key: str, machine_boots: Callable[[], threading.Thread], run: Run
) -> None:
    inventory = (controller.collection / INVENTORY).read_text(encoding="utf-8")

    def job(name: str, variables: dict[str, Any], by_file: bool, *options: str) -> Job:
        secret = {"files": {"RACKYARD_API_KEY_FILE": f"{admin_key}\n"}, "environment": {"RACKYARD_URL": served}}
        if not by_file:
            secret = {"environment": {"RACKYARD_URL": served, "RACKYARD_API_KEY": admin_key}}
        given = json.dumps(variables)
        return controller.run(f"rackyard.metal.{name}", *options, inventory=inventory, variables=given, **secret)

    for name, variables in LIFE:
        playing = machine_boots() if name == "commission" else None
        first = job(name, variables, False)
        if playing:
            playing.join()
        assert first.status == 0, first.stdout
        assert first.changed > 0, first.stdout
        if name == "commission":
            assert "m1: step 12" in first.stdout
            ready = job("ready", {"rackyard_ready": ["m1"]}, True)
            assert (ready.status, ready.changed) == (0, 0), ready.stdout
        again = job(name, variables, True, "--diff", "-vvv")
        assert (again.status, again.changed) == (0, 0), again.stdout
    (machine,) = run(machine_info)["machines"]
    assert (machine["status_name"], machine["tag_names"]) == ("Broken", ["gpu"])

    report = str(controller.folder / "home" / "drift.json")
    drift = job("drift", {"rackyard_drift_report": report, "rackyard_drift_machines": ["m1"]}, False)
    assert drift.status == 0, drift.stdout
    assert job("drift", {"rackyard_drift_machines": ["m1"]}, True).status == 0
    assert [one["hostname"] for one in json.loads((controller.folder / "home" / "drift.json").read_text())["machines"]]
    enlisted = job("enlist", {"rackyard_enlist_accept": "all"}, False)
    assert (enlisted.status, enlisted.changed) == (0, 0), enlisted.stdout
    refused = job("ready", {}, False)
    assert refused.status == 2, refused.stdout
    assert "Not Ready: m1 is Broken" in refused.failures[0]


@pytest.mark.usefixtures("rack", "image", "obedient_rack")
def test_surveys_answers_go_through_the_playbooks_of_their_templates(
    controller: Controller, served: str, admin_key: str, machine_boots: Callable[[], threading.Thread], run: Run
) -> None:
    options = {"name": "boot", "cidr": "10.20.0.0/24", "fabric": "lab", "dhcp_on": True, "primary_rack": "rack1"}
    assert run(subnet, **options, ranges=[RANGE])["changed"]
    known = DataLoader().load_from_file(str(controller.collection / "playbooks" / "vars" / "awx.yml"))
    questions = known["__rackyard_awx_questions"]
    templates = known["__rackyard_awx_templates"]
    # A repository of the team's own: what docs/awx.md says under 2.
    project = {f"site/{one['playbook']}": wrapper(one["playbook"]) for one in templates}
    inventory = (controller.collection / INVENTORY).read_text(encoding="utf-8")
    injected = {"RACKYARD_API_KEY_FILE": admin_key}

    def launch(template: dict[str, Any], **chosen: str) -> bool:
        asked = [questions[name] for name in template["asks"]]
        answers = {one["variable"]: answer(one) for one in asked}
        done = controller.run(
            f"site/{template['playbook']}",
            *([f"--forks={template['forks']}"] if "forks" in template else []),
            inventory=inventory,
            variables=as_awx({**answers, **chosen}, template["extra_vars"]),
            environment={"RACKYARD_URL": served},
            files=injected,
            project=project,
        )
        assert done.status == 0, done.stdout
        return done.changed > 0

    changed = {}
    for template in templates:
        playing = machine_boots() if template["name"] == "commission" else None
        changed[template["name"]] = launch(template)
        if playing:
            playing.join()
    # Commissioning has switched it on; this rack does nothing that it is not asked for.
    assert changed == {"register": True, "commission": True, "tag": True, "ready": False, "power": False}
    (machine,) = run(machine_info)["machines"]
    assert (machine["hostname"], machine["status_name"], machine["tag_names"]) == ("m1", "Ready", ["gpu"])
    (power,) = [one for one in templates if one["name"] == "power"]
    assert questions["power"]["choices"] == ["switch on", "switch off", "cycle"]
    assert [launch(power, power_wish=wish) for wish in ("switch off", "cycle", "switch on")] == [True, True, False]


def answer(question: dict[str, Any]) -> str:
    """The default; where there is none, what a person has to answer, and with a BMC what its driver needs."""
    needed = question["required"] or question["variable"] in OPTIONAL
    text: str = question["default"] or (ANSWERS[question["variable"]] if needed else "")
    return text


def wrapper(playbook: str) -> str:
    return f"- import_playbook: rackyard.metal.{playbook.removesuffix('.yml')}\n"


def as_awx(answers: dict[str, str], own: dict[str, Any]) -> str:
    """Extra variables as AWX writes them: text of people is never evaluated, that of the template is."""
    lines = [f"{variable}: !unsafe {json.dumps(text)}" for variable, text in answers.items()]
    lines += [f"{variable}: {json.dumps(value)}" for variable, value in own.items()]
    return "\n".join(lines)
