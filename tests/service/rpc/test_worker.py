# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker: own daemons, leadership, liveness, power polling."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from rackyard.region.context import Context
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site import retention, settings
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.worker.leadership import Leadership
from rackyard.region.worker.loop import Loop, Task
from rackyard.region.worker.own_daemons import OwnDaemons, beat
from rackyard.region.worker.tasks import power, racks, tidying

from .conftest import RackClient, secret_of, write_toml
from .play import INTERFACES, AgentPlay, declare_network, register_machine


@dataclass
class Units:
    """A host whose units all run; it remembers what was asked of it."""

    orders: list[tuple[str, str]] = field(default_factory=list)

    def act(self, verb: str, unit: str) -> str:
        self.orders.append((verb, unit))
        return ""

    def is_active(self, unit: str) -> bool:
        return True

    def stays_active(self, unit: str) -> bool:
        return True


def test_region_applies_its_own_document_to_the_daemons_that_ansible_set_up(
    api: Any, rack: RackClient, world: Context, tmp_path: Path
):
    rack.register(*INTERFACES)
    declare_network(api, rack.system_id)
    root = tmp_path / "lib"
    (root / "dns").mkdir(parents=True)
    units = Units()
    own = OwnDaemons(world, units, root)
    assert own.apply()["dns"].changed
    assert b"10.20.0.0/24;" in (root / "dns/named.conf").read_bytes()
    assert units.orders == [("reload-or-restart", "named")]
    assert not own.apply()["dns"].changed
    assert not (root / "proxy").exists(), "a daemon without a directory is not this host's"


def test_one_of_two_workers_leads_and_the_other_follows_when_it_dies(world: Context):
    first, second = Leadership(world.config.dsn), Leadership(world.config.dsn)
    try:
        assert first.held()
        assert not second.held()
        assert first.held()
        first.close()
        deadline = time.monotonic() + 5
        while not second.held() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert second.held()
    finally:
        first.close()
        second.close()


@contextmanager
def running(world: Context, tasks: list[Task], leads: bool = True) -> Iterator[Loop]:
    loop = Loop(world, tasks, lambda: leads)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield loop
    finally:
        loop.stop()
        thread.join(15)
        assert not thread.is_alive()


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def test_failing_task_stops_no_other_and_leader_tasks_need_leadership(world: Context, caplog: pytest.LogCaptureFixture):
    done: list[str] = []

    def fails() -> None:
        done.append("fails")
        raise RuntimeError("on purpose")

    tasks = [
        Task("fails", 0.05, fails, leader_only=False),
        Task("everywhere", 60, lambda: done.append("everywhere"), leader_only=False),
        Task("leader", 60, lambda: done.append("leader")),
    ]
    with running(world, tasks, leads=False):
        until(lambda: done.count("fails") > 3 and "everywhere" in done)
    assert "leader" not in done
    assert caplog.text.count("fails: RuntimeError: on purpose") == 1, "one complaint for one trouble"
    with running(world, tasks):
        until(lambda: "leader" in done)


def test_task_that_hangs_keeps_no_other_waiting_and_never_runs_twice_at_a_time(world: Context):
    let_go, starts, ticks = threading.Event(), [], []

    def hangs() -> None:
        starts.append(1)
        let_go.wait(20)

    tasks = [Task("hangs", 0.05, hangs), Task("deadlines", 0.05, lambda: ticks.append(1))]
    with running(world, tasks):
        until(lambda: len(ticks) > 10)
        assert len(starts) == 1
        let_go.set()
        until(lambda: len(starts) > 1)


def test_worker_that_is_left_on_a_racks_host_keeps_off_its_daemons(world: Context, tmp_path: Path):
    (tmp_path / "dns").mkdir()
    units = Units()
    rack_only = replace(world, config=replace(world.config, tiers=frozenset({"rack"})))
    assert OwnDaemons(rack_only, units, tmp_path).apply() == {}
    assert list((tmp_path / "dns").iterdir()) == []
    assert OwnDaemons(world, units, tmp_path).apply()["dns"].changed


def test_burst_of_changes_runs_a_task_once_after_its_breath(world: Context):
    runs: list[float] = []
    tasks = [
        Task("follows", 60, lambda: runs.append(time.monotonic()), leader_only=False, on_change=True, breath_s=0.5),
        Task("does not", 60, lambda: None, leader_only=False),
    ]
    with running(world, tasks):
        until(lambda: len(runs) == 1)
        for seconds in range(60, 65):
            settings.put(world, COMMAND_LINE, "commissioning_timeout_s", str(seconds))
        until(lambda: len(runs) == 2, 5)
        assert runs[1] - runs[0] >= 0.5
        time.sleep(1.0)
        assert len(runs) in (2, 3), "a change after the run began is followed once more, and no more"


def test_change_while_a_task_runs_is_not_forgotten(world: Context):
    begun, let_go, runs = threading.Event(), threading.Event(), []

    def follows() -> None:
        runs.append(1)
        begun.set()
        let_go.wait(20)

    with running(world, [Task("follows", 60, follows, on_change=True)]):
        assert begun.wait(10)
        settings.put(world, COMMAND_LINE, "commissioning_timeout_s", "60")
        time.sleep(0.5)
        let_go.set()
        until(lambda: len(runs) == 2)


def test_silent_rack_is_buried_and_a_word_from_it_revives_it(api: Any, rack: RackClient, world: Context):
    rack.register(*INTERFACES)
    world.clock.advance(34)
    assert racks.bury_dead_racks(world) == 0
    world.clock.advance(3)
    assert racks.bury_dead_racks(world) == 1
    assert racks.bury_dead_racks(world) == 0
    events = api.get("events/?op=query&level=WARNING").get_json()["events"]
    assert [event["type"] for event in events] == ["RACK_SILENT"]
    rack.get("jobs")
    with world.db.transaction() as tx:
        row = tx.one("power.rack_choice.racks")
    assert row is not None
    assert row["alive"]


def test_each_bmc_is_asked_once_in_a_period(api: Any, rack: RackClient, world: Context):
    rack.register(*INTERFACES)
    register_machine(api)
    agent = AgentPlay(rack)
    assert power.poll_power(world) == 1
    assert power.poll_power(world) == 0, "one question at a time"
    job = agent.job()
    assert job["kind"] == "power_query"
    agent.report(job, "off")
    assert api.get("machines/").get_json()[0]["power_state"] == "off"
    assert power.poll_power(world) == 0
    world.clock.advance(301)
    assert power.poll_power(world) == 1


def test_pass_reads_what_the_choice_weighs_once_and_each_machine_is_a_transaction(
    api: Any, rack: RackClient, world: Context, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(power, "POLL_PASS_S", 300)
    rack.register(*INTERFACES)
    for number in range(3):
        register_machine(api, f"m{number}", f"52:54:00:00:00:0{number}", f"10.30.0.{20 + number}")
    statements: list[str] = []
    world.db.on_statement = statements.append
    with world.db.transaction() as held:
        held.script("SELECT 1 FROM machine WHERE hostname = 'm2' FOR UPDATE")
        waiting = threading.Thread(target=power.poll_power, args=(world,))
        waiting.start()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and open_jobs(world) < 2:
            time.sleep(0.05)
        assert open_jobs(world) == 2, "the third one waits for its machine, and holds no other back"
    waiting.join()
    assert open_jobs(world) == 3
    assert statements.count("power.polling.due") == 1
    assert statements.count("power.rack_choice.contacts") == 1


def open_jobs(world: Context) -> int:
    with world.db.transaction() as tx:
        (row,) = [row for row in tx.all("power.rack_choice.racks") if row["hostname"] == "rack1"]
    return int(row["open_jobs"])


def test_unreachable_bmc_is_told_once_until_its_error_changes(api: Any, rack: RackClient, world: Context):
    rack.register(*INTERFACES)
    register_machine(api)
    agent = AgentPlay(rack)

    def poll(kind: str) -> None:
        assert power.poll_power(world) == 1
        agent.report(agent.job(), "unknown", ok=kind == "", error=kind, error_kind=kind)
        world.clock.advance(301)

    def told() -> int:
        events = api.get("events/?op=query&level=WARNING&hostname=m1").get_json()["events"]
        return [event["type"] for event in events].count("NODE_POWER_QUERY_FAILED")

    for kinds, expected in ((["unreachable"] * 3, 1), (["timeout"] * 2, 2), ([""], 2), (["timeout"], 3)):
        for kind in kinds:
            poll(kind)
        assert told() == expected, kinds


def test_rack_that_reached_a_bmc_is_remembered_longer_than_its_jobs(
    api: Any, rack: RackClient, world: Context, tmp_path: Path
):
    rack.register(*INTERFACES)
    register_machine(api)
    assert power.poll_power(world) == 1
    AgentPlay(rack).report(AgentPlay(rack).job(), "off")
    first_by_name = RackClient(rack.server, "rack0", tmp_path)
    assert first_by_name.enroll(secret_of(enrolment.mint_token(world, COMMAND_LINE))).status == 200
    first_by_name.register(("bmc0", "10.30.0.3/24"))
    world.clock.advance(2 * 3600)
    assert retention.tidy(world)["site.retention.queries"] == 1
    assert power.poll_power(world) == 1
    assert AgentPlay(rack).job()["kind"] == "power_query"


def test_region_beats_and_tidies(world: Context, authority: Any):
    beat(world)
    with world.db.transaction() as tx:
        rows = tx.all("site.processes.addresses")
    assert [(row["address"], row["port"]) for row in rows] == [("10.10.0.11", 5250), ("10.10.0.11", 5251)]
    world.clock.advance(8 * 24 * 3600)
    tidying.tidy(world)
    with world.db.transaction() as tx:
        assert tx.all("site.processes.addresses") == []


def test_worker_runs_as_a_process_and_ends_on_sigterm(world: Context, rack: RackClient, tmp_path: Path):
    write_toml(world.config, tmp_path / "region.toml")
    # Debian's Python with Debian's packages: what a region runs on.
    interpreter = "/usr/bin/python3"
    where = ["--config", str(tmp_path / "region.toml"), "--root", str(tmp_path / "lib")]
    command = [interpreter, "-m", "rackyard.region.worker", *where]
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}:{root / 'plugins/module_utils'}"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    try:
        time.sleep(4)
        assert process.poll() is None
        rival = Leadership(world.config.dsn)
        assert not rival.held(), "the worker leads"
        rival.close()
    finally:
        process.terminate()
        _, stderr = process.communicate(timeout=10)
    assert process.returncode == 0, stderr.decode()
    assert b"Traceback" not in stderr, stderr.decode()
    assert b"cannot read the TSIG key" in stderr
