# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent takes from the boot service, and what not, should machines have taken the boot service over."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from rackyard.rack import boot_evidence
from rackyard.rack.spool import Spool

EVENT = {
    "key": "k1", "at": "2026-01-02T03:04:05+00:00", "type": "boot-config", "ip": "10.20.0.100",
    "mac": "52:54:00:00:00:01", "detail": "ipxe: commissioning", "daemon": "boot",
}  # fmt: skip


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    path = tmp_path / "boot"
    path.mkdir()
    return path


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def waiting(spool: Spool) -> list[dict[str, Any]]:
    return [{"kind": batch.kind, **item} for batch in spool.batches() for item in batch.items]


def test_events_arrive_in_order_and_once(outbox: Path, spool: Spool) -> None:
    for second in (7, 5, 6):
        boot_evidence.write(outbox, {**EVENT, "key": f"k{second}", "at": f"2026-01-02T03:04:0{second}+00:00"})
    assert boot_evidence.collect(outbox, spool) == 3
    assert boot_evidence.collect(outbox, spool) == 0
    assert [(each["kind"], each["key"]) for each in waiting(spool)] == [("events", f"k{n}") for n in (5, 6, 7)]


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "result", "items": [{"job": 1, "result": {"ok": True}}]},
        {**EVENT, "type": "lease"},
        {**EVENT, "daemon": "dhcpd"},
        {**EVENT, "extra": "x"},
        {**EVENT, "mac": ["52:54:00:00:00:01"]},
        {**EVENT, "detail": "x" * 5000},
        [EVENT],
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_nothing_but_boot_configurations_is_believed(outbox: Path, spool: Spool, content: object) -> None:
    (outbox / "1.json").write_text(json.dumps(content))
    assert boot_evidence.collect(outbox, spool) == 0
    assert waiting(spool) == []
    assert os.listdir(outbox) == []


def test_links_pipes_and_directories_do_not_stop_the_agent(outbox: Path, spool: Spool, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(EVENT))
    (outbox / "1.json").symlink_to(secret)
    os.mkfifo(outbox / "2.json")
    (outbox / "3.json").mkdir()
    boot_evidence.write(outbox, EVENT)
    assert boot_evidence.collect(outbox, spool) == 1
    assert secret.exists()
    assert os.listdir(outbox) == ["3.json"]


def test_too_much_waits_is_said_and_not_written(outbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot_evidence, "MAX_FILES", 2)
    assert [boot_evidence.write(outbox, EVENT) for _event in range(3)] == [True, True, False]
