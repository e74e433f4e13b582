# SPDX-License-Identifier: GPL-3.0-or-later
"""machine_commission against the real service; the machine's own part is played by recording its evidence."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from ansible_collections.rackyard.metal.plugins.modules import machine_abort, machine_commission, machine_info, subnet
from rackyard.region.app import create_app
from rackyard.region.clock import Clock
from rackyard.region.context import Context
from rackyard.region.db.machines import state
from rackyard.region.services.boots import steps, timeline
from rackyard.region.services.operations import lifecycle

ROOT = Path(__file__).resolve().parents[3]
RANGE = {"type": "dynamic", "start_ip": "10.20.0.100", "end_ip": "10.20.0.199"}

Result = dict[str, Any]
Run = Callable[..., Result]


@pytest.fixture
def site(run: Run, register: Run, rack: str, execute: Run) -> str:
    """m1, ready to be commissioned: network, rack and image are there. Gives its system id."""
    options = {"name": "boot", "cidr": "10.20.0.0/24", "fabric": "lab", "dhcp_on": True, "primary_rack": rack}
    assert run(subnet, **options, ranges=[RANGE])["changed"]
    execute(
        "INSERT INTO image (name, arch, suite, manifest, manifest_sha256, registered_at, is_default) "
        "VALUES ('test', 'amd64', 'bookworm', '{}', decode(repeat('00', 32), 'hex'), now(), true)"
    )
    system_id: str = register()["machine"]["system_id"]
    return system_id


def play_machine(ctx: Context, system_id: str, last_step: int = steps.LAST, pause_s: float = 0.0) -> None:
    """Record the evidence of the boot from power-on to ``last_step``, as rack and machine would cause it."""
    with ctx.db.transaction() as tx:
        row = tx.one("boots.records.latest", system_id=system_id)
        machine = state.lock(tx, system_id)
    assert row is not None
    assert machine is not None
    for step in range(steps.POWERED_ON, last_step + 1):
        time.sleep(pause_s)
        with ctx.db.transaction() as tx:
            now = ctx.clock.now()
            if step == steps.STORED:
                lifecycle.complete(ctx, tx, machine, off=None)
            timeline.record(tx, row["id"], step, "rack1", now)


def commission(run: Run, **options: Any) -> Result:
    return run(machine_commission, hostname="m1", **{"timeout_s": 5, "poll_interval_s": 0.05, **options})


def test_without_waiting_it_has_only_begun(run: Run, site: str) -> None:
    begun = commission(run, wait=False)
    assert begun["changed"]
    assert begun["machine"]["status_name"] == "Commissioning"
    assert [step["outcome"] for step in begun["timeline"]["steps"][:4]] == ["done", "done", "done", "waiting"]


def test_commissioning_is_aborted_once(run: Run, site: str) -> None:
    assert not run(machine_abort, hostname="m1")["changed"]
    commission(run, wait=False)
    foretold, done = run(machine_abort, check=True, hostname="m1"), run(machine_abort, hostname="m1")
    assert foretold["actions"] == done["actions"] == ["abort machine m1"]
    assert (foretold["machine"]["status_name"], done["machine"]["status_name"]) == ("Commissioning", "New")
    assert not run(machine_abort, hostname="m1")["changed"]


def test_machine_that_is_at_it_is_only_waited_for(run: Run, site: str, ctx: Context) -> None:
    commission(run, wait=False)
    play_machine(ctx, site)
    done = commission(run)
    assert not done["changed"]
    assert done["machine"]["status_name"] == "Ready"
    assert done["timeline"]["outcome"] == "done"
    assert {step["outcome"] for step in done["timeline"]["steps"]} == {"done"}


def test_ready_machine_is_left_alone_unless_forced(run: Run, site: str, ctx: Context) -> None:
    commission(run, wait=False)
    play_machine(ctx, site)
    assert not commission(run)["changed"]
    assert commission(run, check=True, force=True)["changed"]
    assert commission(run, force=True, wait=False)["machine"]["status_name"] == "Commissioning"


def test_waiting_ends_with_how_far_it_came(run: Run, site: str, ctx: Context) -> None:
    commission(run, wait=False)
    play_machine(ctx, site, last_step=steps.LEASED)
    late = commission(run, timeout_s=0.2)
    assert "m1 is not ready after 0.2 s; it reached step 5 (address leased)" in late["msg"]
    assert late["timeline"]["steps"][4]["outcome"] == "done"
    assert run(machine_info)["machines"][0]["status_name"] == "Commissioning"


def test_check_mode_starts_nothing(run: Run, site: str) -> None:
    foretold = commission(run, check=True)
    assert foretold["changed"]
    assert foretold["diff"] == {"before": {"status_name": "New"}, "after": {"status_name": "Ready"}}
    assert run(machine_info)["machines"][0]["status_name"] == "New"


def test_refusal_is_in_the_regions_words(run: Run, register: Run) -> None:
    register()
    refused = commission(run)
    assert refused["failed"]
    assert "rackyard.metal.image" in refused["msg"]


def test_unknown_machine_is_named(run: Run) -> None:
    assert "There is no machine 'm1'" in commission(run)["msg"]


@pytest.fixture
def served(ctx: Context) -> Iterator[str]:
    """The application on a port of the loopback, with a clock that runs; gives its URL."""
    app: Flask = create_app(ctx.config, replace(ctx, clock=Clock()))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.port}/MAAS"
    server.shutdown()
    thread.join()


def playbook(name: str, url: str, *more: str, **secret: str) -> subprocess.Popen[str]:
    own = {name: value for name, value in os.environ.items() if name != "RACKYARD_API_KEY"}
    environment = {**own, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **secret}
    environment["PYTHONUNBUFFERED"] = "1"  # as on a terminal: into a pipe, Ansible's words would come in blocks
    program = str(Path(sys.executable).parent / "ansible-playbook")
    return subprocess.Popen(
        [program, "-i", "nobody,", f"playbooks/{name}", "-e", f"rackyard_region_url={url}", *more],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_playbook_shows_each_step_while_it_waits(
    run: Run, site: str, served: str, admin_key: str, ctx: Context, execute: Run, tmp_path: Path
) -> None:
    running = playbook("commission.yml", served, RACKYARD_API_KEY=admin_key)
    give_up_at = time.monotonic() + 60
    while not execute("SELECT 1 FROM boot") and time.monotonic() < give_up_at and running.poll() is None:
        time.sleep(0.1)
    live = replace(ctx, clock=Clock())
    player = threading.Thread(target=play_machine, args=(live, site), kwargs={"pause_s": 0.5})
    if running.poll() is None:
        player.start()
    assert running.stdout is not None
    seen: list[tuple[float, str]] = [(time.monotonic(), line.rstrip()) for line in running.stdout]
    text = "\n".join(line for _, line in seen)
    assert running.wait() == 0, text
    player.join()
    lines = [(at, line) for at, line in seen if line.startswith("m1: ")]
    shown = [line.split(" ")[2] for _, line in lines if line.startswith("m1: step ")]
    assert shown == [str(number) for number in range(1, 13)], text
    assert lines[-1][1].startswith("m1: Ready, power"), text
    # Shown while it went on, not all at the end.
    assert lines[-1][0] - lines[0][0] > 1.5, text
    assert admin_key.split(":")[2] not in text
    (tmp_path / "key").write_text(f"{admin_key}\n", encoding="utf-8")
    second = playbook("commission.yml", served, RACKYARD_API_KEY_FILE=str(tmp_path / "key"))
    assert second.communicate()[0].count("m1: ") == 0
    assert second.returncode == 0
