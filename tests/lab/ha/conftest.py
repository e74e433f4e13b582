# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab of topology ha for all files of this folder, whole again after each test."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ha_site import HOSTS, INVENTORY, HaLab
from lab_site import ROOT, eventually

# With RACKYARD_KEEP_LAB, the lab that is there is taken, and stays: for work on single tests.
KEEP = "RACKYARD_KEEP_LAB" in os.environ
FIGURES = pytest.StashKey[list[str]]()
CUT_OFF = 3


def cut_off_site_runs(handle: HaLab) -> str:
    """Have the first `site.yml` of fresh hosts die at random moments; when and with which seed. Whoever runs it again
    has a site."""
    seed = int(os.environ.get("RACKYARD_FAULTS_SEED") or random.SystemRandom().randrange(10_000))
    dice = random.Random(seed)
    moments = [round(dice.uniform(5, 60), 1) for _run in range(CUT_OFF)]
    command = ["ansible-playbook", "-i", str(ROOT / INVENTORY), str(ROOT / "playbooks/site.yml")]
    for seconds in moments:
        with (handle.work / "site-cut-off.log").open("a") as log:
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
            time.sleep(seconds)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    times = ", ".join(f"{each} s" for each in moments)
    return f"site.yml of fresh hosts killed after {times} (RACKYARD_FAULTS_SEED={seed})"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[HaLab]:
    """Two regions, two racks, three machines that were commissioned once; removed at the end whatever happens."""
    work = Path(os.environ.get("RACKYARD_TEST_LOGS") or tmp_path_factory.mktemp("ha"))
    work.mkdir(parents=True, exist_ok=True)
    handle = HaLab(work)
    pytestconfig.stash[FIGURES] = handle.figures
    if KEEP:
        yield handle
        return
    handle.run("lab", "down")
    try:
        handle.run("lab", "up", "--topology", "ha")
        killed = cut_off_site_runs(handle)
        handle.figures.append(f"{killed}: no site from the next run")
        handle.run("demo", "--topology", "ha", timeout_s=3600)
        handle.figures[-1] = f"{killed}: lost nothing"
        yield handle
    finally:
        handle.run("lab", "down", check=False)


@pytest.fixture(autouse=True)
def whole(lab: HaLab) -> Iterator[None]:
    """Both racks and both regions are there before and after each test."""
    yield
    lab.run("lab", "heal")
    for host in HOSTS:
        lab.run("lab", "start", host)
    lab.asked = "region1"
    # A partner that was away for less than five minutes is waited for that long by dhcpd.
    assert eventually(lab.whole, within_s=480, every_s=2), "the site does not become whole again"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What was lost and how long each gap was, whether the tests passed or not."""
    figures = config.stash.get(FIGURES, [])
    if figures:
        terminalreporter.section("what was lost, and how long the gaps were")
        for line in figures:
            terminalreporter.write_line(line)
