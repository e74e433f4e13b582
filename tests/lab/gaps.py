# SPDX-License-Identifier: GPL-3.0-or-later
"""How long something was not so: measured beside what a test does, or read in a daemon's journal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from lab_site import Lab

from rackyard_core.client import RegionError

Questions = Mapping[str, Callable[[], object]]

# Kills every process of a unit, and prints the seconds until systemd has it running with another main process.
REVIVED = r"""
import subprocess, sys, time
def shown(unit):
    command = ["systemctl", "show", "--property=ActiveState,MainPID", unit]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return dict(line.split("=", 1) for line in said.splitlines())
for unit in sys.argv[1:]:
    before = shown(unit)["MainPID"]
    subprocess.run(["systemctl", "kill", "--signal=KILL", unit], check=True)
    began = time.monotonic()
    while time.monotonic() - began < 60:
        now = shown(unit)
        if now["ActiveState"] == "active" and now["MainPID"] not in (before, "0"):
            print(unit, round(time.monotonic() - began, 2), flush=True)
            break
        time.sleep(0.05)
"""


@contextmanager
def watched(questions: Questions) -> Iterator[dict[str, float]]:
    """Ask each question again and again beside what the test does; yields the seconds until it was true first."""
    began, ended = time.monotonic(), threading.Event()
    seen: dict[str, float] = {}

    def ask(name: str, question: Callable[[], object]) -> None:
        while not ended.wait(0.3):
            with suppress(RegionError):
                if question():
                    seen[name] = round(time.monotonic() - began, 1)
                    return

    threads = [threading.Thread(target=ask, args=each) for each in questions.items()]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def until(questions: Questions, within_s: float) -> dict[str, float]:
    """Seconds until each question was true first; those that were not in time are missing."""
    with watched(questions) as seen:
        deadline = time.monotonic() + within_s
        while len(seen) < len(questions) and time.monotonic() < deadline:
            time.sleep(0.1)
    return seen


def waited_for(what: str, true: Callable[[], object], within_s: float, every_s: float = 1) -> float:
    """Seconds until something is so, also where no region can say for a while; fails the test when it takes longer."""
    began = time.monotonic()
    while True:
        with suppress(RegionError):
            if true():
                return round(time.monotonic() - began, 1)
        assert time.monotonic() - began < within_s, f"after {within_s:.0f} s still not so: {what}"
        time.sleep(every_s)


def said_by_dhcpd(lab: Lab, host: str, since: float, words: Sequence[str]) -> float | None:
    """Seconds from `since` (Unix time) to the first line of a rack's dhcpd that has all of these words."""
    journal = lab.ssh(host, f"journalctl -t dhcpd -o short-unix --no-pager --since '@{since:.0f}'")
    for line in journal.splitlines():
        if all(word in line for word in words) and float(line.split()[0]) >= since:
            return round(float(line.split()[0]) - since, 1)
    return None
