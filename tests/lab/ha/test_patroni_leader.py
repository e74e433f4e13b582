# SPDX-License-Identifier: GPL-3.0-or-later
"""The member of the database that takes writes dies, again and again, while both regions write: another one takes its
place, nothing that was acknowledged is lost, nothing is there that was refused, and nothing twice."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gaps import waited_for
from ha_site import MEMBERS, REGIONS
from lab_site import STATE, Lab, stored

from rackyard_core.client import RegionClient, RegionError

PATRONI = "patroni@15-main.service"
PATRONICTL = "patronictl -c /etc/patroni/15-main.yml"
KILLS = int(os.environ.get("RACKYARD_LEADER_KILLS", "20"))
# Patroni gives a leader 20 s; who takes over has to be asked, and a cut-off connection to be noticed.
GAP_LIMIT_S, WHOLE_LIMIT_S = 60, 180
# A question is given up after 40 s of silence, a worker that says nothing replaced after 100 s.
FROZEN_LIMIT_S = 150
# Rows that are acknowledged while a leader is frozen.
WRITE = "INSERT INTO acknowledged SELECT 'while frozen', n FROM generate_series(1, 100) AS n"
# A busy host writes down late what was acknowledged before; nobody takes over so soon.
SETTLED_S = 1.0
WRITER = Path(__file__).with_name("database_writer.py")


@dataclass
class Writers:
    """A writer on each region, and all that they have said."""

    lab: Lab
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    logs: list[Path] = field(default_factory=list)

    def start(self) -> None:
        """Have one on each region that has none, which an earlier death may have taken along."""
        for region in REGIONS:
            if region in self.running and self.running[region].poll() is None:
                continue
            log = self.lab.work / f"writer-{region}-{len(self.logs)}.log"
            self.logs.append(log)
            command = ["ssh", "-F", str(STATE / "ssh/config"), "-o", "ServerAliveInterval=2", region]
            command += [f"PYTHONPATH=/usr/lib/rackyard/current exec python3 - {log.stem}"]
            with WRITER.open("rb") as code, log.open("wb") as said:
                self.running[region] = subprocess.Popen(command, stdin=code, stdout=said, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """End them all."""
        for process in self.running.values():
            process.terminate()
            process.wait()

    def said(self) -> Iterator[tuple[str, str, int, float]]:
        """Writer, outcome, number and time of each whole line."""
        for log in self.logs:
            for line in log.read_text().splitlines(keepends=True):
                if line.endswith("\n"):
                    outcome, number, at = line.split()
                    yield log.stem, outcome, int(number), float(at)

    def gap_s(self, since: float) -> float | None:
        """Seconds from the last number stored before `since` to the first after it; None while there is none."""
        times = [at for _writer, outcome, _number, at in self.said() if outcome == "stored"]
        later = [at for at in times if at > since + SETTLED_S]
        return min(later) - max(at for at in times if at <= since + SETTLED_S) if later else None


class Members:
    """The members, as Patroni on any that lives shows them."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        # Who is asked. One that was cut off takes itself for the leader until its etcd has caught up.
        self.asked: tuple[str, ...] = MEMBERS

    def listed(self, *asked: str) -> dict[str, dict[str, Any]]:
        """Each member with its role and state; empty when none of those that are asked says."""
        for host in asked or self.asked:
            said = self._lab.ssh(host, f"timeout 15 {PATRONICTL} list -f json 2>/dev/null", check=False)
            with suppress(ValueError):
                return {each["Member"]: each for each in json.loads(said)}
        return {}

    def leader(self, *asked: str) -> str:
        """Who takes writes; empty when nobody does."""
        found = self.listed(*asked).items()
        return next((name for name, each in found if (each["Role"], each["State"]) == ("Leader", "running")), "")

    def whole(self) -> bool:
        """Whether all of them are there, two following one, and one of the two by every commit."""
        roles = Counter(each["Role"] for each in self.listed().values() if each["State"] in ("running", "streaming"))
        return roles == {"Leader": 1, "Sync Standby": 1, "Replica": 1}

    def sql(self, host: str, statement: str) -> list[str]:
        """What a member's own PostgreSQL answers; nothing when it does not."""
        command = "runuser -u postgres -- timeout 5 psql -XAtq -v ON_ERROR_STOP=1 rackyard 2>/dev/null"
        return self._lab.ssh(host, f"cd / && {command} || true", stdin=f"{statement};\n").splitlines()


@pytest.fixture(scope="module")
def members(lab: Lab) -> Iterator[Members]:
    if (STATE / "topology").read_text().strip() != "lab_ha":
        pytest.skip("the lab that is up has one member only: topology ha has three")
    found = Members(lab)
    waited_for("all members are well", found.whole, WHOLE_LIMIT_S)
    made = "DROP TABLE IF EXISTS acknowledged; CREATE TABLE acknowledged (writer text, number int)"
    found.sql(found.leader(), f"{made}; ALTER TABLE acknowledged OWNER TO rackyard")
    yield found
    found.sql(found.leader(), "DROP TABLE acknowledged")


@pytest.fixture
def writers(lab: Lab, members: Members) -> Iterator[Writers]:
    members.sql(members.leader(), "TRUNCATE acknowledged")
    found = Writers(lab)
    found.start()
    yield found
    found.stop()
    lab.run("lab", "heal")
    for host in MEMBERS:
        lab.run("lab", "start", host)
        lab.ssh(host, f"systemctl unmask --runtime {PATRONI} 2>/dev/null; systemctl start {PATRONI}")


def assert_nothing_lost(members: Members, writers: Writers) -> dict[str, int]:
    """Hold what writers were told against what there is; how many numbers had which outcome."""
    rows = members.sql(members.leader(), "SELECT writer, number, count(*) FROM acknowledged GROUP BY 1, 2")
    there = {(writer, int(number)): int(count) for writer, number, count in (row.split("|") for row in rows)}
    told: dict[str, set[tuple[str, int]]] = {"stored": set(), "undecided": set(), "refused": set()}
    for writer, outcome, number, _at in writers.said():
        told[outcome].add((writer, number))
    assert len(told["stored"]) > 100, "they hardly wrote"
    assert told["stored"] - set(there) == set(), "acknowledged and lost"
    assert told["refused"] & set(there) == set(), "refused and stored all the same"
    assert set(there.values()) == {1}, "stored twice"
    return {outcome: len(numbers) for outcome, numbers in told.items()}


def api_answers(region: str, key: str) -> Callable[[], bool]:
    """Whether a region's API answers, and PostgreSQL with it."""
    client = RegionClient(f"http://{REGIONS[region]}:5240/MAAS", key, timeout_s=10)

    def answers() -> bool:
        with suppress(RegionError):
            client.get("rackcontrollers/")
            return True
        return False

    return answers


def cut_power(lab: Lab, host: str) -> Callable[[], Any]:
    """The host is dead; what is returned brings it back."""
    lab.run("lab", "kill", host)
    return lambda: lab.run("lab", "start", host)


def kill_processes(lab: Lab, host: str) -> Callable[[], Any]:
    """Patroni and PostgreSQL are dead, and stay so, on a host that lives."""
    lab.ssh(host, f"systemctl mask --runtime {PATRONI} 2>/dev/null; systemctl kill --signal=KILL {PATRONI}")
    return lambda: lab.ssh(host, f"systemctl unmask --runtime {PATRONI} 2>/dev/null; systemctl start {PATRONI}")


def test_leader_dies_again_and_again_and_no_acknowledged_write_is_lost(
    lab: Lab, members: Members, writers: Writers
) -> None:
    turns: list[dict[str, Any]] = []
    key = lab.ssh("region1", "cat /etc/rackyard/admin.apikey").strip()
    for turn in range(KILLS):
        writers.start()
        waited_for("all members are well", members.whole, WHOLE_LIMIT_S)
        time.sleep(2)
        leader, kill = members.leader(), (cut_power, kill_processes)[turn % 2]
        others = [name for name in MEMBERS if name != leader]
        answers = api_answers(next(name for name in others if name in REGIONS), key)
        revive = kill(lab, leader)
        at = time.time()
        waited_for("somebody stores again", lambda at=at: writers.gap_s(at), GAP_LIMIT_S)
        api_s = time.time() - at + waited_for("the API answers", answers, GAP_LIMIT_S)
        gap_s = round(writers.gap_s(at) or 0, 1)
        turns.append({"leader": leader, "by": kill.__name__, "gap_s": gap_s, "api_s": round(api_s, 1)})
        print(turns[-1], flush=True)
        revive()
    waited_for("all members are well", members.whole, WHOLE_LIMIT_S)
    writers.stop()
    counts = assert_nothing_lost(members, writers)
    gaps = [turn["gap_s"] for turn in turns]
    figures = {"kills": len(turns), "gap_p50_s": statistics.median(gaps), "gap_max_s": max(gaps), **counts}
    print(figures)
    stored(lab, "patroni-leader-killed", {**figures, "lost": 0, "turns": turns})


def test_leader_that_is_cut_off_stops_taking_writes(lab: Lab, members: Members, writers: Writers) -> None:
    """No watchdog in the lab: Patroni itself has to do it before its time is over."""
    waited_for("all members are well", members.whole, WHOLE_LIMIT_S)
    old = members.leader()
    members.asked = tuple(name for name in MEMBERS if name != old)
    time.sleep(2)
    for other in members.asked:
        lab.run("lab", "partition", old, other)
    at = time.time()
    gap_s = waited_for("the others have a leader", lambda: members.leader() in members.asked, GAP_LIMIT_S)
    follows = "SELECT pg_is_in_recovery()"
    waited_for("the old one takes no writes", lambda: members.sql(old, follows) != ["f"], GAP_LIMIT_S)
    refused_s = time.time() - at
    waited_for("somebody stores again", lambda: writers.gap_s(at), GAP_LIMIT_S)
    written_s = writers.gap_s(at)
    time.sleep(5)
    lab.run("lab", "heal")
    healed = waited_for("all members are well", members.whole, WHOLE_LIMIT_S)
    time.sleep(5)
    writers.stop()
    counts = assert_nothing_lost(members, writers)
    members.asked = MEMBERS
    figures = {
        "new_leader_s": gap_s,
        "old_one_seen_to_refuse_s": refused_s,
        "gap_s": written_s,
        "whole_s": healed,
        **counts,
    }
    print(figures)
    stored(lab, "patroni-leader-cut-off", figures)


def test_leader_that_is_frozen_is_replaced_and_takes_no_writes_when_it_goes_on(lab: Lab, members: Members) -> None:
    """Its kernel still answers for it, so that nobody's connection breaks: regions have to give it up themselves."""
    old = members.leader()
    key = lab.ssh("region1", "cat /etc/rackyard/admin.apikey").strip()
    members.asked = tuple(name for name in MEMBERS if name != old)
    lab.ssh(old, f"systemctl kill --signal=STOP {PATRONI}")
    figures: dict[str, Any] = {"leader": old}
    counted = "SELECT count(*) FROM acknowledged WHERE writer = 'while frozen'"
    began = time.monotonic()

    def until_now(what: str, true: Callable[[], Any], within_s: float) -> float:
        waited_for(what, true, within_s)
        return round(time.monotonic() - began, 1)

    def led() -> bool:
        """Whether a region's worker has said so a moment ago."""
        return members.sql(members.leader(), "SELECT beat_at > now() - interval '5 s' FROM leadership") == ["t"]

    try:
        figures["new_leader_s"] = until_now("there is a leader", lambda: members.leader() in members.asked, GAP_LIMIT_S)
        for region in REGIONS:
            figures[f"api_of_{region}_s"] = until_now(f"{region} answers", api_answers(region, key), FROZEN_LIMIT_S)
        figures["worker_leads_s"] = until_now("a worker leads", led, FROZEN_LIMIT_S)
        new = members.leader()
        members.sql(new, WRITE)
        assert members.sql(new, counted) == ["100"]
    finally:
        lab.ssh(old, f"systemctl kill --signal=CONT {PATRONI}")
    waited_for("the old one takes no writes", lambda: members.sql(old, "SELECT pg_is_in_recovery()") == ["t"], 60)
    members.asked = MEMBERS
    waited_for("all members are well", members.whole, WHOLE_LIMIT_S)
    assert members.leader() == new, "it took the lock back"
    assert members.sql(new, counted) == ["100"], "acknowledged and lost"
    print(figures)
    stored(lab, "patroni-leader-frozen", figures)
