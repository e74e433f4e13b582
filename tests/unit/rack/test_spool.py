# SPDX-License-Identifier: GPL-3.0-or-later
"""The spool: order, batches, restarts, refusals, damage."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from rackyard.rack import spool as spool_module
from rackyard.rack.errors import RegionAway, RegionRefused
from rackyard.rack.reporter import Reporter
from rackyard.rack.spool import Spool


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
    assert len(list((tmp_path / "rejected").iterdir())) == 1


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
