# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbook awx with the real modules of awx.awx and a stand-in for AWX's HTTP API: what it stores a team finds."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[3]
Item = dict[str, Any]
KEY = "consumer:token:secret-of-the-key"
GIVEN = {
    "rackyard_awx_project_url": "https://git.example.org/site.git",
    "rackyard_awx_image": "registry.example.org/rackyard:1",
    "rackyard_awx_prefix": "Lab",
}


class Store:
    """Objects by kind, surveys by path, and associations as (path, id)."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Item]] = {}
        self.surveys: dict[str, Item] = {}
        self.links: dict[str, list[int]] = {}
        self.count = 0

    def add(self, kind: str, values: Item) -> Item:
        self.count += 1
        url = f"/api/v2/{kind}/{self.count}/"
        item = {
            **values,
            "id": self.count,
            "url": url,
            "related": {"survey_spec": f"{url}survey_spec/"},
            "summary_fields": {},
            "scm_revision": "",
        }
        self.objects.setdefault(kind, []).append(item)
        return item

    def find(self, kind: str, wanted: dict[str, str]) -> list[Item]:
        kinds = ("job_templates",) if kind == "unified_job_templates" else (kind,)
        items = [item for one in kinds for item in self.objects.get(one, [])]
        return [item for item in items if all(str(item.get(name)) == value for name, value in wanted.items())]

    def named(self, kind: str, name: str) -> Item:
        (item,) = self.find(kind, {"name": name})
        return item


class Handler(BaseHTTPRequestHandler):
    store: Store

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        parts = address.path.strip("/").split("/")[2:]
        if len(parts) == 3 and parts[2] == "survey_spec":
            self.answer(200, self.store.surveys.get(address.path, {}))
            return
        if len(parts) == 3:
            found = [{"id": number} for number in self.store.links.get(address.path, [])]
        else:
            found = self.store.find(parts[0], dict(parse_qsl(address.query)))
        self.answer(200, {"count": len(found), "next": None, "results": found})

    def do_POST(self) -> None:
        body = self.body()
        parts = self.path.strip("/").split("/")[2:]
        if len(parts) == 1:
            self.answer(201, self.store.add(parts[0], body))
        elif parts[2] == "survey_spec":
            self.store.surveys[self.path] = body
            self.answer(200, {})
        else:
            self.store.links.setdefault(self.path, []).append(body["id"])
            self.answer(204, None)

    def do_PATCH(self) -> None:
        parts = self.path.strip("/").split("/")[2:]
        (item,) = self.store.find(parts[0], {"id": parts[1]})
        item.update(self.body())
        self.answer(200, item)

    def body(self) -> Item:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, status: int, value: Any) -> None:
        text = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_args: Any) -> None:
        """Nothing; pytest shows what the playbook says."""


@pytest.fixture(scope="module")
def awx() -> Iterator[Store]:
    """What an AWX has after one run."""
    store = Store()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"store": store}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        run = subprocess.run(
            ["ansible-playbook", "-i", "localhost,", "-c", "local", "playbooks/awx.yml", "-e", json.dumps(GIVEN)],
            cwd=ROOT,
            env={
                **os.environ,
                "CONTROLLER_HOST": f"http://127.0.0.1:{server.server_port}",
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
    finally:
        server.shutdown()
        server.server_close()


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
