# SPDX-License-Identifier: GPL-3.0-or-later
"""`site.yml` on a site that works: two runs at once, and runs that are killed while they change something."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

from gaps import waited_for
from ha_site import HOSTS, INVENTORY, RACKS, HaLab
from lab_site import ROOT, eventually, recap

COMMAND = ("ansible-playbook", "-i", str(ROOT / INVENTORY), str(ROOT / "playbooks/site.yml"))
TOGETHER_S = 900
# What a run that is killed was to change, on regions and racks.
ANOTHER = "-e", '{"rackyard_ntp_upstream": ["192.0.2.123"], "rackyard_rpc_ports": [5250, 5251, 5252]}'


def begun(log: Path, *words: str) -> subprocess.Popen[bytes]:
    """A run of site.yml in the background, in a process group of its own."""
    with log.open("wb") as said:
        return subprocess.Popen([*COMMAND, *words], cwd=ROOT, stdout=said, stderr=said, start_new_session=True)


def assert_converged(lab: HaLab) -> None:
    """Hold that another run has nothing to do on any host, and that the site is whole."""
    done = recap(lab.playbook("site", inventory=INVENTORY))
    changed = {host: numbers["changed"] for host, numbers in done.items() if host in HOSTS}
    assert changed == dict.fromkeys(HOSTS, 0)
    assert eventually(lab.whole, within_s=480, every_s=2)


def test_two_runs_at_once(lab: HaLab) -> None:
    logs = [lab.work / f"site-together-{number}.log" for number in (1, 2)]
    began = time.monotonic()
    runs = [begun(log, *ANOTHER) for log in logs]
    codes = [run.wait(timeout=TOGETHER_S) for run in runs]
    took = time.monotonic() - began
    lab.playbook("site", inventory=INVENTORY)
    assert_converged(lab)
    lab.note("site-together", f"two site.yml at once ended with {codes}", "nothing", {"both": took})
    assert codes == [0, 0], [log.read_text()[-3000:] for log in logs]


def test_runs_that_are_killed_are_finished_by_the_next(lab: HaLab) -> None:
    seed = int(os.environ.get("RACKYARD_FAULTS_SEED") or random.SystemRandom().randrange(10_000))
    dice = random.Random(seed)
    moments = [round(dice.uniform(5, 60), 1) for _run in range(3)]
    for number, seconds in enumerate(moments):
        run = begun(lab.work / f"site-killed-{number}.log", *(ANOTHER if number % 2 == 0 else ()))
        time.sleep(seconds)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        # It may have died while it restarted the processes that are asked.
        waited_for("both racks are alive", lambda: lab.alive(*RACKS), within_s=60)
    began = time.monotonic()
    lab.playbook("site", inventory=INVENTORY)
    took = time.monotonic() - began
    assert_converged(lab)
    times = ", ".join(f"{each} s" for each in moments)
    lab.note("site-killed", f"site.yml killed after {times} (RACKYARD_FAULTS_SEED={seed})", "nothing", {"next": took})
