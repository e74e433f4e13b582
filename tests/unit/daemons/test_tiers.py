# SPDX-License-Identifier: GPL-3.0-or-later
"""Both processes of a host go by one file: each daemon has one of them, whatever tiers the host is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from rackyard.daemons import tiers
from rackyard.daemons.registry import UNITS
from rackyard.rack.config import load
from rackyard.rack.errors import RackError

RACK = '[rack]\nname = "r"\n[paths]\nidentity = "i"\nstate = "s"\n[daemons]\nroot = "d"\n'


def left_alone(folder: Path, host: str | None) -> frozenset[str]:
    """What the agent of a host leaves to the worker."""
    (folder / "rack.toml").write_text(RACK)
    if host is not None:
        (folder / tiers.NAME).write_text(host)
    return load(folder / "rack.toml").left_alone


@pytest.mark.parametrize(
    ("host", "left"),
    [
        (None, set()),
        ('tiers = ["rack"]', set()),
        ('tiers = ["region", "rack"]', {"dns", "ntp", "proxy", "syslog"}),
        # An agent that is left on a host that has become a region only.
        ('tiers = ["region"]', {"dns", "ntp", "proxy", "syslog"}),
    ],
)
def test_agent_leaves_to_a_region_on_its_host_what_both_tiers_have(
    tmp_path: Path, host: str | None, left: set[str]
) -> None:
    assert left_alone(tmp_path, host) == left
    assert left < UNITS.keys()


@pytest.mark.parametrize("host", ["tiers = [", "tier = 1", 'tiers = "rack"', 'tiers = ["witness"]'])
def test_file_that_says_nothing_of_use_is_named(tmp_path: Path, host: str) -> None:
    with pytest.raises(RackError, match=r"host\.toml.*run the site playbook"):
        left_alone(tmp_path, host)
