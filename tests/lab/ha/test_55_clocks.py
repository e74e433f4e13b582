# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine whose clock is wrong. (Lab hosts share one; what a region with a wrong one does is in tests/service.)"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from ha_boots import Boots
from ha_site import HaLab
from lab_site import STATE


@pytest.fixture
def years_behind() -> Iterator[str]:
    """m1's hardware clock is ten years behind."""
    path = STATE / "machines.d" / "m1.json"
    before = path.read_text()
    then = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - 10 * 365.25 * 86400))
    path.write_text(json.dumps(json.loads(before) | {"clock": then}))
    try:
        yield then[:4]
    finally:
        path.write_text(before)


def test_machine_whose_clock_is_ten_years_behind_is_told_the_time(lab: HaLab, years_behind: str) -> None:
    boots = Boots(lab, ("m1",))
    try:
        ready = boots.end()
        lost = boots.lost()
        console = (STATE / "machines" / "m1" / "console.log").read_text(errors="replace")
        boot = console[console.rfind("Linux version") :]
        assert f"setting system clock to {years_behind}" in boot, "its clock was right"
        times = [row["at"] for row in boots.timeline("m1")["steps"] if row["at"]]
        assert all(at.startswith(time.strftime("%Y")) for at in times), times
    finally:
        boots.abort()
    lab.note("machine-clock", "m1's clock ten years behind", lost, {"Ready": ready})
