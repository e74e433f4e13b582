# SPDX-License-Identifier: GPL-3.0-or-later
"""The spool: order, batches, restarts, refusals, damage."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rackyard.rack import journal
from rackyard.rack import spool as spool_module
from rackyard.rack.errors import RegionAway, RegionFailed, RegionRefused
from rackyard.rack.reporter import Reporter
from rackyard.rack.spool import Spool, SpoolFull


def reporter(spool: Spool, call: Any) -> Reporter:
    return Reporter(spool, call, threading.Event())


def sent_by(spool: Spool) -> list[tuple[str, Any]]:
    sent: list[tuple[str, Any]] = []
    reporter(spool, lambda method, path, body: sent.append((path, body))).drain()
    return sent


def test_reports_are_sent_in_order_and_neighbours_together(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append("leases", [{"key": "1"}])
    spool.append("leases", [{"key": "2"}, {"key": "3"}])
    spool.append("events", [{"key": "4"}])
    spool.append("result", [{"job": 7, "result": {"ok": True}}])
    spool.append("leases", [{"key": "5"}])
    assert sent_by(spool) == [
        ("leases", {"leases": [{"key": "1"}, {"key": "2"}, {"key": "3"}]}),
        ("events", {"events": [{"key": "4"}]}),
        ("jobs/7/result", {"ok": True}),
        ("leases", {"leases": [{"key": "5"}]}),
    ]
    assert len(spool) == 0


def test_order_holds_across_restarts_and_when_the_clock_steps_back(tmp_path: Path) -> None:
    Spool(tmp_path, now_ns=lambda: 2_000).append("leases", [{"key": "first"}])
    again = Spool(tmp_path, now_ns=lambda: 1_000)
    again.append("leases", [{"key": "second"}])
    assert [item["key"] for batch in again.batches() for item in batch.items] == ["first", "second"]


def test_outage_keeps_everything(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append("leases", [{"key": "1"}])
    spool.append("events", [{"key": "2"}])

    def away_after_first(method: str, path: str, body: Any) -> None:
        if path == "events":
            raise RegionAway("no region answers")

    with pytest.raises(RegionAway):
        reporter(spool, away_after_first).drain()
    assert sent_by(spool) == [("events", {"events": [{"key": "2"}]})]


def test_one_refused_report_is_put_aside_and_its_neighbours_are_taken(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for key in ("1", "bad", "3"):
        spool.append("events", [{"key": key}])
    taken: list[str] = []

    def picky(method: str, path: str, body: Any) -> None:
        keys = [item["key"] for item in body["events"]]
        if "bad" in keys:
            raise RegionRefused(400, "events[1]: nonsense")
        taken.extend(keys)

    reporter(spool, picky).drain()
    assert taken == ["1", "3"]
    assert len(spool) == 0
    assert rejected(tmp_path) == ["bad"]


def rejected(spool: Path) -> list[str]:
    found = [json.loads(path.read_bytes()) for path in sorted((spool / "rejected").glob("*.json"))]
    assert all(entry["reason"] for entry in found)
    return [item["key"] for entry in found for item in entry["items"]]


def numbered(count: int) -> list[dict[str, str]]:
    return [{"key": str(number)} for number in range(count)]


class Region:
    """A region with taste: judges batches of leases, and remembers what it took."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.calls = 0
        self.fails_on: set[str] = set()
        self.refuses_singly: set[str] = set()
        self.away_after = 10_000

    def __call__(self, method: str, path: str, body: Any) -> Any:
        self.calls += 1
        if self.calls > self.away_after:
            raise RegionAway("gone")
        keys = [item["key"] for item in body["leases"]]
        if self.fails_on.intersection(keys):
            raise RegionFailed("HTTP 500: oh")
        refused = [{"key": key, "error": "no such"} for key in keys if key in self.refuses_singly]
        self.taken += [key for key in keys if key not in self.refuses_singly]
        return {"taken": len(keys) - len(refused), "refused": refused}


def drained(spool: Spool, region: Region) -> Reporter:
    """Drain as the agent does, over and over, without its pauses."""
    sending = reporter(spool, region)
    for _turn in range(40):
        with contextlib.suppress(RegionAway):
            sending.drain()
            break
    return sending


def test_bad_report_inside_a_file_does_not_take_its_neighbours_with_it(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append("leases", numbered(400))

    def picky(_method: str, _path: str, body: Any) -> None:
        keys = [item["key"] for item in body["leases"]]
        if "217" in keys:
            raise RegionRefused(400, "leases[217]: nonsense")
        taken.extend(keys)

    taken: list[str] = []
    reporter(spool, picky).drain()
    assert taken == [str(number) for number in range(400) if number != 217]
    assert rejected(tmp_path) == ["217"]
    assert len(spool) == 0


def test_reports_that_a_region_refuses_by_name_are_put_aside_and_the_rest_counts_as_taken(tmp_path: Path) -> None:
    spool, region = Spool(tmp_path), Region()
    spool.append("leases", numbered(5))
    region.refuses_singly = {"1", "3"}
    reporter(spool, region).drain()
    assert (region.calls, region.taken, rejected(tmp_path), len(spool)) == (1, ["0", "2", "4"], ["1", "3"], 0)


@pytest.mark.parametrize("status", [401, 403])
def test_region_that_does_not_know_the_rack_loses_no_report(tmp_path: Path, status: int) -> None:
    spool = Spool(tmp_path)
    spool.append("leases", numbered(3))
    spool.append("result", [{"job": 7, "result": {"ok": True}}])

    def unknown(_method: str, _path: str, _body: Any) -> None:
        raise RegionRefused(status, "this certificate belongs to no rack")

    for _turn in range(20):
        with pytest.raises(RegionRefused):
            reporter(spool, unknown).drain()
    assert not (tmp_path / "rejected").exists()
    assert len(sent_by(spool)) == 2


def test_report_that_makes_a_region_fail_is_found_and_put_aside(tmp_path: Path) -> None:
    spool, region = Spool(tmp_path), Region()
    spool.append("leases", numbered(6))
    spool.append("leases", [{"key": "later"}])
    region.fails_on = {"3"}
    drained(spool, region)
    assert region.taken == ["0", "1", "2", "4", "5", "later"]
    assert rejected(tmp_path) == ["3"]
    # Five times together, five times the bad one alone, and each of the others once.
    assert region.calls == 5 + 5 + 6


def test_single_report_that_makes_a_region_fail_is_tried_five_times(tmp_path: Path) -> None:
    spool, region = Spool(tmp_path), Region()
    spool.append("leases", [{"key": "bad"}])
    region.fails_on = {"bad"}
    sending = reporter(spool, region)
    for _turn in range(4):
        with pytest.raises(RegionFailed):
            sending.drain()
    assert len(spool) == 1
    sending.drain()
    assert (region.calls, rejected(tmp_path), len(spool)) == (5, ["bad"], 0)


def test_region_that_recovers_before_the_fifth_time_gets_everything(tmp_path: Path) -> None:
    spool, region = Spool(tmp_path), Region()
    spool.append("leases", numbered(3))
    region.fails_on = {"1"}
    sending = reporter(spool, region)
    for _turn in range(4):
        with pytest.raises(RegionFailed):
            sending.drain()
    region.fails_on = set()
    sending.drain()
    assert region.taken == ["0", "1", "2"]
    assert not (tmp_path / "rejected").exists()


def test_outage_among_single_reports_repeats_none_of_them(tmp_path: Path) -> None:
    spool, region = Spool(tmp_path), Region()
    spool.append("leases", numbered(6))
    region.fails_on = {"5"}
    region.away_after = 5 + 3
    sending = drained(spool, region)
    assert region.taken == ["0", "1", "2"]
    region.away_after, region.fails_on = 10_000, set()
    sending.drain()
    assert region.taken == ["0", "1", "2", "3", "4", "5"]


def test_delivered_results_are_told_once_they_need_no_sending_any_more(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append("result", [{"job": 7, "result": {"ok": True}}, {"job": 8, "result": {"ok": True}}])
    settled: list[int] = []

    def picky(_method: str, path: str, _body: Any) -> None:
        if "8" in path:
            raise RegionRefused(404, "rack1 has no job 8")

    Reporter(spool, picky, threading.Event(), settled.append).drain()
    assert settled == [7, 8]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    def no_room(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    return monkeypatch


def test_full_disk_keeps_results_in_memory_and_evidence_out(tmp_path: Path, full_disk: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, keeps=True)
    spool.append("result", [{"job": 7, "result": {"ok": True}}])
    assert "No space left on device" in spool.trouble
    with pytest.raises(SpoolFull, match="No space left on device"):
        spool.append("leases", [{"key": "1"}])
    assert [path.name for path in tmp_path.iterdir()] == []
    assert sent_by(spool) == [("jobs/7/result", {"ok": True})]
    assert len(spool) == 0
    full_disk.undo()
    assert spool.append("leases", [{"key": "1"}])
    assert spool.trouble == ""


def test_full_disk_is_told_to_a_process_that_does_not_send(tmp_path: Path, full_disk: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpoolFull):
        Spool(tmp_path).append("result", [{"job": 7, "result": {}}])


def test_evidence_waits_in_the_journal_until_the_disk_has_room(
    tmp_path: Path, full_disk: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, stop = Spool(tmp_path / "spool", keeps=True), threading.Event()
    monkeypatch.setattr(journal, "_FULL_S", 0.05)
    follower = journal.JournalFollower(spool, tmp_path / "cursor", stop)
    line = {
        "__CURSOR": "c", "__REALTIME_TIMESTAMP": "1760000000000000", "SYSLOG_IDENTIFIER": "dhcpd",
        "MESSAGE": "rackyard-lease commit 10.20.0.101 52:54:00:00:00:01 600",
    }  # fmt: skip
    reading = threading.Thread(target=follower.take, args=([json.dumps(line).encode()],))
    reading.start()
    time.sleep(0.2)
    assert reading.is_alive()
    assert not (tmp_path / "cursor").exists()
    full_disk.undo()
    reading.join(timeout=5)
    assert [path for path, _body in sent_by(spool)] == ["leases"]
    assert (tmp_path / "cursor").read_bytes() == b"c"


def test_damaged_file_does_not_hold_up_the_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append("leases", [{"key": "1"}])
    next(tmp_path.glob("*.json")).write_text("{half a fi")
    spool.append("leases", [{"key": "2"}])
    assert sent_by(spool) == [("leases", {"leases": [{"key": "2"}]})]


def test_machines_cannot_fill_the_disk_with_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "MAX_EVENT_FILES", 2)
    spool = Spool(tmp_path)
    assert [spool.append("events", [{"key": str(number)}]) for number in range(3)] == [True, True, False]
    assert spool.append("result", [{"job": 1, "result": {}}])


def test_batches_are_bounded(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(5):
        spool.append("leases", [{"key": f"{number}-{item}"} for item in range(90)])
    assert [len(batch.items) for batch in spool.batches()] == [180, 180, 90]
