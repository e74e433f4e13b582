# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's rulebooks in ansible-rulebook itself, at a real region: `./run rulebooks`."""

from __future__ import annotations

import http.server
import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import front
import pytest

from . import test_event_source
from . import test_whole_commissioning as whole
from .play import AgentPlay, MachinePlay, poll, register_machine
from .test_drift import commissioned

agent, image, m1, machine = whole.agent, whole.image, whole.m1, whole.machine
region = test_event_source.region
pytestmark = pytest.mark.rulebooks
RULEBOOKS = ("new_machine", "hardware_changed", "commissioning_failed")
# ansible-rulebook starts a Java program, and each rule an ansible-playbook.
START_S, ACT_S = 90, 120


@pytest.fixture
def incidents() -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    """The address of a webhook, and what is sent there."""
    sent: queue.Queue[dict[str, Any]] = queue.Queue()

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Not among the words of the test."""

    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", sent
        server.shutdown()
        thread.join()


@contextmanager
def running(name: str, variables: Path, place: Path, access: dict[str, str]) -> Iterator[Path]:
    """ansible-rulebook with one of the collection's rulebooks; its log."""
    program, log = Path(os.environ["RACKYARD_RULEBOOK"]), place / f"{name}.log"
    inventory = place / "inventory.yml"
    host = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    inventory.write_text(json.dumps({"all": {"hosts": {"localhost": host}}}), encoding="utf-8")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE")},
        **access,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(test_event_source.ROOT / "collections"),
    }
    command = [str(program), "--rulebook", f"rackyard.metal.{name}", "--inventory", str(inventory)]
    command += ["--vars", str(variables)]
    with log.open("wb") as said:
        process = subprocess.Popen(command, env=environment, cwd=place, stdout=said, stderr=said)
    try:
        yield log
    finally:
        process.terminate()
        process.wait(30)


def power_job(agent: AgentPlay) -> dict[str, Any]:
    """The rack asks for work until there is some."""
    give_up_at = time.monotonic() + ACT_S
    while True:
        jobs = poll(agent.rack, wait_s=1)
        if jobs:
            return jobs[0]
        assert time.monotonic() < give_up_at, "no job for the rack"


def test_rulebooks_of_the_collection_do_what_they_say(
    region: test_event_source.Region,
    admin_key: str,
    incidents: tuple[str, queue.Queue[dict[str, Any]]],
    api: Any,
    agent: AgentPlay,
    machine: MachinePlay,
    m1: str,
    tmp_path: Path,
) -> None:
    address, sent = incidents
    commissioned(api, agent, machine, m1)
    variables = tmp_path / "variables.json"
    variables.write_text(json.dumps({"incident_url": address, "rackyard_state_folder": str(tmp_path)}))
    access = {"RACKYARD_URL": region.url, "RACKYARD_API_KEY": admin_key}
    with ExitStack() as programs:
        logs = [programs.enter_context(running(name, variables, tmp_path, access)) for name in RULEBOOKS]
        try:
            states = [tmp_path / f"{name}.json" for name in RULEBOOKS]
            front.wait_for(lambda: all(state.exists() for state in states), "the rulebooks", START_S)
            # A machine that nobody knew.
            m2 = register_machine(api, "m2", "52:54:00:00:02:01", "10.30.0.12")
            job = power_job(agent)
            assert job["hostname"] == "m2"
            assert whole.read(api, m2)["tag_names"] == ["new"]
            # Its BMC refuses the rack.
            agent.refuse(job, "auth", "the password is wrong")
            incident = sent.get(timeout=ACT_S)
            assert incident["title"] == "Commissioning of m2 failed"
            assert "the password is wrong" in incident["text"]
            # Another one has lost a disk.
            commissioned(api, agent, machine, m1, _20_storage=b'{"disks": []}')
            front.wait_for(lambda: whole.read(api, m1)["status_name"] == "Broken", "the mark", ACT_S)
            assert "DISK1" in whole.read(api, m1)["status_message"]
        finally:
            print(*(log.read_text(errors="replace")[-3000:] for log in logs), sep="\n")
    assert sent.empty()
