# SPDX-License-Identifier: GPL-3.0-or-later
"""What lshw says while a machine is commissioned, and the tags whose definitions describe it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rackyard.region.context import Context
from rackyard.region.worker.tasks import tags

from . import test_whole_commissioning as whole
from .play import AgentPlay, MachinePlay

agent, image, m1, machine = whole.agent, whole.image, whole.m1, whole.machine
SERVER = (Path(__file__).resolve().parents[2] / "data/lshw/server.xml").read_bytes()


def test_machine_of_which_lshw_says_nothing_is_ready_and_another_gets_its_tags(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, world: Context
):
    """The tag was defined before; the machine is commissioned twice."""
    api.post("tags/", data={"name": "nvme", "definition": "//node[@class='disk'][starts-with(@handle, 'GUID:')]"})
    whole.until_scripts(api, agent, machine, m1)
    machine.run_scripts()
    failed = {"script_result_id": machine.scripts()["maas-lshw"], "name": "maas-lshw", "exit_status": 124}
    said = {"maas-lshw.out": SERVER}
    assert machine.signal("WORKING", said, **failed, runtime="30").status_code == 200
    assert machine.signal("OK").status_code == 200
    tags.evaluate(world)
    assert (whole.read(api, m1)["status_name"], whole.read(api, m1)["tag_names"]) == ("Ready", [])
    agent.report(agent.job(), "off")

    whole.until_scripts(api, agent, machine, m1)
    machine.run_scripts({"maas-lshw": SERVER})
    assert machine.signal("OK").status_code == 200
    tags.evaluate(world)
    assert (whole.read(api, m1)["status_name"], whole.read(api, m1)["tag_names"]) == ("Ready", ["nvme"])
