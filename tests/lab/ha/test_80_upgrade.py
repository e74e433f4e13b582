# SPDX-License-Identifier: GPL-3.0-or-later
"""`upgrade.yml` to another release while three machines boot."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from gaps import waited_for
from ha_boots import BOOT_LIMIT_S, CONFIGURED, Boots
from ha_site import INVENTORY, RACKS, REGIONS, HaLab
from lab_site import ROOT, recap

NEWER = "9.9.9"
UPGRADE_LIMIT_S = 2400


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """A copy of this repository, of a release that nobody has installed."""
    copy = tmp_path / "rackyard"
    ignored = shutil.ignore_patterns(
        ".git", ".nox", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"
    )
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
    path = copy / "src/rackyard/__init__.py"
    before = path.read_text()
    path.write_text(before.replace('__version__ = "', f'__version__ = "{NEWER}+'))
    assert path.read_text() != before
    return copy


def playbook(lab: HaLab, home: Path, name: str) -> str:
    """What a playbook of that release prints."""
    done = subprocess.run(
        ["ansible-playbook", "-i", str(home / INVENTORY), str(home / f"playbooks/{name}.yml")],
        cwd=home,
        env={**os.environ, "ANSIBLE_CONFIG": str(home / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
        timeout=UPGRADE_LIMIT_S,
    )
    (lab.work / f"{name}-newer.log").write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    return done.stdout


def versions(lab: HaLab) -> set[str]:
    """What the controllers say that they are."""
    picture = lab.region().get("controllers/")
    return {str(each["version"]).partition("+")[0] for tier in ("regions", "racks") for each in picture[tier]}


def test_upgrade_loses_no_machine_that_boots_meanwhile(lab: HaLab, newer: Path) -> None:
    boots = Boots(lab)
    try:
        waited_for("a machine fetches its system, or has it", lambda: boots.any_at(CONFIGURED), BOOT_LIMIT_S)
        began = time.monotonic()
        playbook(lab, newer, "upgrade")
        took = time.monotonic() - began
        ready = boots.end()
        lost = boots.lost()
        assert versions(lab) == {NEWER}
        # A machine that begins after it is served by the new release alone.
        second = recap(playbook(lab, newer, "upgrade"))
        lab.note("upgrade", "upgrade.yml in three boots", lost, {"upgrade": took, "all Ready, afterwards": ready})
        assert {host: second[host]["changed"] for host in (*REGIONS, *RACKS)} == dict.fromkeys((*REGIONS, *RACKS), 0)
    finally:
        boots.abort()
        lab.playbook("site", inventory=INVENTORY)
    assert lab.alive(*RACKS)
