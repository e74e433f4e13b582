# SPDX-License-Identifier: GPL-3.0-or-later
"""A region's processes die, while PostgreSQL on its host lives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gaps import until
from ha_site import RACKS, HaLab

PROCESSES = "'rackyard-region*' nginx.service named.service squid.service"


@pytest.fixture
def units(lab: HaLab) -> Iterator[str]:
    """region1's processes as names for systemctl; whatever a test does to them, they run again afterwards."""
    found = lab.ssh("region1", f"systemctl list-units --plain --no-legend --state=running -t service {PROCESSES}")
    names = " ".join(line.split()[0] for line in found.splitlines())
    yield names
    # Units whose files are in /etc cannot be masked there; the drop-in that keeps them down goes.
    lab.ssh("region1", f"for u in {names}; do rm -rf /run/systemd/system/$u.d; done; systemctl daemon-reload")
    lab.ssh("region1", f"systemctl reset-failed {names}; systemctl start {names}")


def keep_down(lab: HaLab, units: str) -> None:
    """Kill units, and have systemd not start them again."""
    lab.ssh(
        "region1",
        f"for u in {units}; do mkdir -p /run/systemd/system/$u.d;"
        " printf '[Service]\\nRestart=no\\n' > /run/systemd/system/$u.d/zz-down.conf; done;"
        f" systemctl daemon-reload; systemctl kill --signal=KILL {units}",
    )


def test_other_region_goes_on_when_one_dies_and_postgresql_lives(lab: HaLab, units: str) -> None:
    keep_down(lab, units)
    lab.asked = "region2"
    seen = until(
        {
            "the other one's API": lab.answers,
            "an order by it": lambda: lab.power_state("m1") == "off",
            "the other one's names": lambda: lab.named(*RACKS),
        },
        within_s=60,
    )
    lab.asked = "region1"
    gone = until({"region1 is known as dead": lambda: region_is_dead(lab)}, within_s=30)
    lab.note("region-dies", "all processes of region1 killed but PostgreSQL", "region1's own address", seen | gone)
    assert len(seen) == 3, seen
    assert gone
    lab.asked = "region2"
    assert lab.alive(*RACKS), "no rack is dead because a region is"


def region_is_dead(lab: HaLab) -> bool:
    lab.asked = "region2"
    return [each["name"] for each in lab.region().get("controllers/")["regions"] if not each["alive"]] == ["region1"]
