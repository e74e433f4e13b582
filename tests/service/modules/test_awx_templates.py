# SPDX-License-Identifier: GPL-3.0-or-later
"""The job templates of playbook awx, as AWX runs them: their variables and a survey's answers; the service is real."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader

from ansible_collections.rackyard.metal.plugins.modules import tag

from . import test_machine_commission as commissioning

ROOT = commissioning.ROOT
Run = Callable[..., dict[str, Any]]
Launch = Callable[..., tuple[int, str]]

served = commissioning.served


@pytest.fixture
def launch(served: str, admin_key: str, tmp_path: Path) -> Launch:
    """Run the playbook of a template; answers are text that is never evaluated. Gives exit status and output."""
    templates = DataLoader().load_from_file(str(ROOT / "playbooks/vars/awx.yml"))["__rackyard_awx_templates"]

    def job(name: str, **answers: str) -> tuple[int, str]:
        (template,) = [one for one in templates if one["name"] == name]
        given = tmp_path / "extravars.yml"
        lines = [f"{variable}: !unsafe {json.dumps(value)}" for variable, value in answers.items()]
        lines += [f"{variable}: {json.dumps(value)}" for variable, value in template["extra_vars"].items()]
        given.write_text("\n".join(lines), encoding="utf-8")
        running = commissioning.playbook(template["playbook"], served, "-e", f"@{given}", RACKYARD_API_KEY=admin_key)
        text, _ = running.communicate(timeout=60)
        return running.returncode, text

    return job


def test_answers_register_tag_and_look_at_a_machine(launch: Launch, run: Run, register: Run) -> None:
    nothing = dict.fromkeys(("bmc_address", "bmc_user", "bmc_password"), "")
    second = {"machine_names": "m2", "machine_macs": "52:54:00:20:01:02", "bmc_type": "manual", **nothing}
    status, text = launch("register", **second)
    assert status == 0, text
    run(tag, name="gpu", machines=["m2"])
    machine = {"machine_names": " m1", "machine_macs": "52:54:00:20:01:01, 52:54:00:20:01:11"}
    power = {"bmc_type": "ipmi", "bmc_address": "10.30.0.11", "bmc_user": "admin", "bmc_password": "{{ sesame }}"}
    status, text = launch("register", **machine, **power)
    assert status == 0, text
    known = register(mac_addresses=["52:54:00:20:01:01", "52:54:00:20:01:11"], update_password="on_create")
    assert not known["changed"], known

    status, text = launch("register", **machine, **{**power, "bmc_password": "no"})
    assert status == 2, text
    assert "takes this password of the BMC for a number" in text

    status, text = launch("tag", machine_names="m1", tag_name="gpu")
    assert status == 0, text
    assert run(tag, name="gpu")["tag"]["machines"] == ["m1", "m2"]

    status, text = launch("ready", machine_names="")
    assert status == 2, text
    assert "Not Ready: m1 is New, m2 is New; commission" in text


def test_inventory_of_the_project_has_groups(run: Run, register: Run) -> None:
    run(tag, name="gpu")
    register(tags=["gpu"])
    inventory = InventoryManager(DataLoader(), sources=[str(ROOT / "inventory/region/site.rackyard.yml")])
    assert {"status_new", "pool_default", "zone_default", "tag_gpu"} <= set(inventory.groups)
