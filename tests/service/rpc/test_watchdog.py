# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker tells systemd that it lives, and stops telling so when a task hangs."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import front
import pytest
from front import environment

from rackyard.region.config import Config
from rackyard.region.context import Context
from rackyard.region.worker import loop

from .conftest import write_toml


def test_worker_says_that_it_is_ready_and_that_it_lives(config: Config, tmp_path: Path):
    write_toml(config, tmp_path / "region.toml")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        command = [sys.executable, "-m", "rackyard.region.worker", "--config", str(tmp_path / "region.toml")]
        variables = environment(tmp_path / "region.toml") | {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        worker = subprocess.Popen([*command, "--root", str(tmp_path)], env=variables, stderr=subprocess.DEVNULL)
        try:
            said = [systemd.recv(100) for _turn in range(3)]
        finally:
            worker.terminate()
            worker.wait(20)
    assert said == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]


def test_task_that_hangs_silences_the_worker(ctx: Context, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop, "HANGS_S", 2.0)
    alive, release = [], threading.Event()
    tasks = [loop.Task("hangs", 1, lambda: release.wait(30)), loop.Task("works", 1, lambda: None)]
    running = loop.Loop(ctx, tasks, lambda: True, alive=lambda: alive.append(1))
    thread = threading.Thread(target=running.run)
    thread.start()
    time.sleep(5)
    told = len(alive)
    assert told >= 1
    time.sleep(3)
    assert len(alive) == told
    release.set()
    front.wait_for(lambda: len(alive) > told, "the next word")
    running.stop()
    thread.join(15)
