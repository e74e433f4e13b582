# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbook awx with the real modules of awx.awx and a stand-in for AWX's HTTP API: what it stores a team finds."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from awx_stand_in import Item, Store, standing_in

ROOT = Path(__file__).resolve().parents[3]
KEY = "consumer:token:secret-of-the-key"
GIVEN = {
    "rackyard_awx_project_url": "https://git.example.org/site.git",
    "rackyard_awx_image": "registry.example.org/rackyard:1",
    "rackyard_awx_prefix": "Lab",
}


@pytest.fixture(scope="module")
def awx() -> Iterator[Store]:
    """What an AWX has after one run."""
    with standing_in() as (address, store):
        run = subprocess.run(
            ["ansible-playbook", "-i", "localhost,", "-c", "local", "playbooks/awx.yml", "-e", json.dumps(GIVEN)],
            cwd=ROOT,
            env={
                **os.environ,
                "CONTROLLER_HOST": address,
                "CONTROLLER_OAUTH_TOKEN": "token",
                "RACKYARD_URL": "https://region.example.org/MAAS",
                "RACKYARD_API_KEY": KEY,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert KEY not in run.stdout + run.stderr
        yield store


def survey(store: Store, item: Item) -> dict[str, Item]:
    return {question["variable"]: question for question in store.surveys[item["related"]["survey_spec"]]["spec"]}


def rendered(item: Item, answers: Item) -> Any:
    """The extra variables of a job as Ansible makes them of a template's own and a survey's answers."""
    templar = Templar(DataLoader(), variables=answers)
    return templar.template(trusted(json.loads(item["extra_vars"])))


def trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: trusted(one) for name, one in value.items()}
    if isinstance(value, list):
        return [trusted(one) for one in value]
    return trust_as_template(value) if isinstance(value, str) else value


def test_credential_hands_the_key_to_jobs_as_a_file(awx: Store) -> None:
    kind = awx.named("credential_types", "Lab region")
    assert kind["injectors"]["env"] == {
        "RACKYARD_URL": "{{ url }}",
        "RACKYARD_API_KEY_FILE": "{{ tower.filename.api_key }}",
        "RACKYARD_CA_PATH": "{{ tower.filename.ca }}",
    }
    assert kind["injectors"]["file"]["template.api_key"] == "{{ api_key }}"
    assert [field["id"] for field in kind["inputs"]["fields"] if field.get("secret")] == ["api_key"]
    credential = awx.named("credentials", "Lab region")
    assert credential["inputs"] == {"url": "https://region.example.org/MAAS", "api_key": KEY, "ca": ""}
    assert credential["credential_type"] == kind["id"]


def test_inventory_asks_the_region_before_each_job(awx: Store) -> None:
    source = awx.named("inventory_sources", "Lab region")
    assert (ROOT / source["source_path"]).is_file()
    assert source["source_project"] == awx.named("projects", "Lab playbooks")["id"]
    assert source["credential"] == awx.named("credentials", "Lab region")["id"]
    assert source["update_on_launch"]
    assert source["overwrite"]


def test_each_template_has_a_playbook_and_the_credential(awx: Store) -> None:
    templates = awx.objects["job_templates"]
    assert len(templates) == 6
    environment = awx.named("execution_environments", "Lab environment")["id"]
    for item in templates:
        assert (ROOT / item["playbook"]).is_file()
        assert item["execution_environment"] == environment
        if item["name"] == "Lab site":
            assert all(item[f"ask_{what}_on_launch"] for what in ("inventory", "limit", "tags", "job_type"))
        else:
            assert awx.links[f"{item['url']}credentials/"] == [awx.named("credentials", "Lab region")["id"]]


def test_answers_become_the_variables_of_the_playbooks(awx: Store) -> None:
    answers = {
        "machine_names": "web-01",
        "machine_macs": "00:00:5e:00:53:01, 00:00:5e:00:53:02",
        "bmc_type": "ipmi",
        "bmc_address": "192.0.2.141",
        "bmc_user": "",
        "bmc_password": "secret",
    }
    register = awx.named("job_templates", "Lab register")
    assert set(survey(awx, register)) == set(answers)
    assert survey(awx, register)["bmc_password"]["type"] == "password"
    assert rendered(register, answers)["rackyard_machines"] == [
        {
            "hostname": "web-01",
            "mac_addresses": ["00:00:5e:00:53:01", "00:00:5e:00:53:02"],
            "power": {"type": "ipmi", "address": "192.0.2.141", "password": "secret"},
        }
    ]
    commission = awx.named("job_templates", "Lab commission")
    for nothing in ("", None):
        assert rendered(commission, {"machine_names": nothing}) == {"rackyard_commission": "all"}
    assert rendered(commission, {"machine_names": "a, b\nc"}) == {"rackyard_commission": ["a", "b", "c"]}
    power = awx.named("job_templates", "Lab power")
    on = rendered(power, {"machine_names": "a", "power_wish": "switch on"})
    assert on == {"rackyard_power": ["a"], "rackyard_power_state": "on", "rackyard_power_action": ""}
    cycle = rendered(power, {"machine_names": "a", "power_wish": "cycle"})
    assert cycle == {"rackyard_power": ["a"], "rackyard_power_state": "", "rackyard_power_action": "cycle"}


def test_workflow_goes_on_step_by_step_and_passes_its_answers_on(awx: Store) -> None:
    workflow = awx.named("workflow_job_templates", "Lab from blank to Ready")
    nodes = {node["identifier"]: node for node in awx.objects["workflow_job_template_nodes"]}
    steps = ["register", "commission", "tag", "ready"]
    assert set(nodes) == set(steps)
    asked = survey(awx, workflow)
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        leads_to = awx.links.get(f"{nodes[step]['url']}success_nodes/", [])
        assert leads_to == ([nodes[following]["id"]] if following else [])
        template = awx.named("job_templates", f"Lab {step}")
        assert nodes[step]["unified_job_template"] == template["id"]
        assert set(survey(awx, template)) <= set(asked)


def test_container_is_built_of_this_collection_and_stays_out_of_it() -> None:
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    container = yaml.safe_load((ROOT / "execution-environment.yml").read_text(encoding="utf-8"))
    archive = f"{galaxy['namespace']}-{galaxy['name']}-{galaxy['version']}.tar.gz"
    (files,) = container["additional_build_files"]
    assert files["src"] == archive
    assert container["dependencies"]["galaxy"]["collections"][0]["name"] == f"{files['dest']}/{archive}"
    assert "execution-environment.yml" in galaxy["build_ignore"]
