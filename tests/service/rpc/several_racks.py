# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks at the same BMCs, and what each is asked to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rackyard.region.context import Context

from .conftest import Server
from .play import AgentPlay, another, poll

SILENT = "BMC 10.30.0.11 does not answer IPMI"


@pytest.fixture
def agent(rack: Any) -> AgentPlay:
    """rack1: in the BMCs' subnet."""
    rack.register(("mgmt0", "10.10.0.21/24"), ("pxe0", "10.20.0.2/24"), ("bmc0", "10.30.0.2/24"))
    return AgentPlay(rack)


@pytest.fixture
def rack2(server: Server, world: Context, tmp_path: Path) -> AgentPlay:
    """In the BMCs' subnet, too."""
    return another(server, world, tmp_path, "rack2", ("mgmt0", "10.10.0.22/24"), ("bmc0", "10.30.0.3/24"))


@pytest.fixture
def rack3(server: Server, world: Context, tmp_path: Path) -> AgentPlay:
    """Without an address there; a route nobody knows of."""
    return another(server, world, tmp_path, "rack3", ("mgmt0", "10.10.0.23/24"))


def events(api: Any, kind: str, level: str = "DEBUG") -> list[str]:
    shown = api.get(f"events/?op=query&level={level}&limit=1000").get_json()["events"]
    return [each["description"] for each in shown if each["type"] == kind]


def only(agent: AgentPlay, kind: str) -> dict[str, Any]:
    (job,) = poll(agent.rack)
    assert job["kind"] == kind
    return job
