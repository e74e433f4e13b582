# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that die while three machines boot: each machine ends Ready, and nobody does anything about it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

import pytest
from gaps import said_by_dhcpd, until, waited_for
from ha_boots import BOOT_LIMIT_S, CONFIGURED, FACTS, FETCHED, MACHINES, STORED, Boots
from ha_site import RACKS, HaLab
from lab_site import stored

from rackyard_core.client import RegionError

AWAY_S = 600
# A line of a rack's nginx with the first thing that it gave a machine.
SERVED = (
    "journalctl -t rackyard_http -o short-unix --no-pager --since '@{since:.0f}'"
    ' | grep -m1 \'"remote":"10.20.0.\' || true'
)


@pytest.fixture
def boots(lab: HaLab) -> Iterator[Boots]:
    found = Boots(lab)
    try:
        yield found
    finally:
        lab.run("lab", "start", "region1")
        lab.asked = "region1"
        with suppress(RegionError):
            found.abort()


def served_by(lab: HaLab, rack: str, since: float) -> float | None:
    """Seconds from `since` (Unix time) until a rack's nginx had given a machine of pxe-a something."""
    line = lab.ssh(rack, SERVED.format(since=since)).strip()
    return round(float(line.split()[0]) - since, 1) if line else None


def partner_gaps(lab: HaLab, rack: str, since: float) -> Mapping[str, float | None]:
    """Seconds from a rack's death to the other one's first answer by DHCP, and by HTTP."""
    return {
        "partner's DHCPACK": said_by_dhcpd(lab, rack, since, ("DHCPACK",)),
        "partner's HTTP": served_by(lab, rack, since),
    }


def test_rack_dies_in_three_boots(lab: HaLab, boots: Boots) -> None:
    """rack1 alone reaches the BMCs of m1 and m2: they switch themselves off, and that is read once it is back."""
    waited_for("a machine fetches its system, or has it", lambda: boots.any_at(CONFIGURED), BOOT_LIMIT_S)
    before = {name: boots.outcomes(name) for name in boots.ids}
    at = time.time()
    lab.run("lab", "kill", "rack1")
    ready = boots.end()
    gaps = partner_gaps(lab, "rack2", at)
    lost = boots.lost()
    lab.run("lab", "start", "rack1")
    off = until({"all known as off": lambda: all(lab.power_state(name) == "off" for name in MACHINES)}, within_s=120)
    lab.note("rack-in-boots", "rack1's host dies in three boots", lost, {**gaps, "all Ready": ready, **off})
    stored(lab, "rack-in-boots-steps", before)
    assert off


def test_both_racks_lose_their_power_in_three_boots(lab: HaLab, boots: Boots) -> None:
    waited_for("a machine fetches its system, or has it", lambda: boots.any_at(CONFIGURED), BOOT_LIMIT_S)
    at = time.time()
    for rack in RACKS:
        lab.run("lab", "kill", rack)
    for rack in RACKS:
        lab.run("lab", "start", rack)
    started = round(time.time() - at, 1)
    ready = boots.end()
    lost = boots.lost()
    lab.note(
        "racks-in-boots",
        "both racks lose their power in three boots, and have it back",
        lost,
        {"both started": started, "rack2's HTTP": served_by(lab, "rack2", at + started), "all Ready": ready},
    )


def test_region_dies_in_three_boots(lab: HaLab, boots: Boots) -> None:
    waited_for("a machine fetches its system, or has it", lambda: boots.any_at(CONFIGURED), BOOT_LIMIT_S)
    lab.asked = "region2"
    lab.run("lab", "kill", "region1")
    answers = until({"the other one's API": lab.answers}, within_s=90)
    ready = boots.end()
    lost = boots.lost()
    done = waited_for("step 12 of all is done", lambda: boots.all_at(STORED), 120)
    lab.note(
        "region-in-boots",
        "region1's host, with its member of the database, dies in three boots",
        lost,
        {**answers, "all Ready": ready, "all off, as read from BMCs": ready + done},
    )
    assert answers


def keeps_all(lab: HaLab, rack: str) -> bool:
    """Whether a rack has what the boots of all three machines need."""
    return f"is kept: {len(MACHINES)}" in lab.ssh(rack, "rackyard-rack status", check=False)


def test_every_region_is_away_for_ten_minutes_in_three_boots(lab: HaLab, boots: Boots) -> None:
    waited_for("a machine has its system", lambda: boots.any_at(FETCHED), BOOT_LIMIT_S)
    for rack in RACKS:
        waited_for(f"{rack} keeps the boots", lambda rack=rack: keeps_all(lab, rack), 60)
    early = [name for name in boots.ids if boots.outcomes(name)[FACTS] == "done"]
    assert not early, f"{early} had said everything before the regions went"
    for region in ("region1", "region2"):
        lab.run("lab", "kill", region)
    began = time.monotonic()
    time.sleep(AWAY_S)
    for region in ("region1", "region2"):
        lab.run("lab", "start", region)
    away = round(time.monotonic() - began, 1)
    answers = waited_for("a region answers", lab.answers, 180)
    ready = boots.end()
    lost = boots.lost()
    done = waited_for("step 12 of all is done", lambda: boots.all_at(STORED), 300)
    refused = [
        rack for rack in RACKS if "refused" in lab.ssh(rack, "ls /var/lib/rackyard/posts/refused 2>/dev/null || true")
    ]
    lab.note(
        "regions-away",
        f"both regions without power in three boots, for {away:.0f} s",
        lost,
        {"API, after ssh": answers, "all Ready, from then on": ready, "all off": ready + done},
    )
    assert not refused
