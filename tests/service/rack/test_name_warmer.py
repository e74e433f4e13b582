# SPDX-License-Identifier: GPL-3.0-or-later
"""A rack's named knows its subnets' names without a region, though no machine has asked it for them before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import dns.rcode
import pytest
from name_server import NameServer, running

from rackyard.rack.name_warmer import NameWarmer

NAME = "10-20-0-0--24.rackyard.internal"
TTL_S = 1


@pytest.fixture
def region(tmp_path: Path) -> Iterator[NameServer]:
    with running(tmp_path / "region") as server:
        update = server.nsupdate()
        update.add(f"{NAME}.", TTL_S, "A", "10.20.0.2")
        server.send(update)
        yield server


@pytest.fixture
def rack(tmp_path: Path, region: NameServer) -> Iterator[NameServer]:
    with running(tmp_path / "rack", region.port) as server:
        yield server


def test_name_that_was_asked_for_is_known_when_no_region_is_left(region: NameServer, rack: NameServer) -> None:
    NameWarmer(rack.port).warm([NAME])
    region.kill()
    time.sleep(TTL_S + 1)
    assert rack.data(NAME) == {"10.20.0.2"}
    assert rack.answer(NAME, "AAAA").rcode() == dns.rcode.NOERROR


def test_name_that_nobody_asked_for_is_not(region: NameServer, rack: NameServer) -> None:
    region.kill()
    assert rack.answer(NAME, timeout_s=12).rcode() == dns.rcode.SERVFAIL


@pytest.mark.usefixtures("region")
def test_what_cannot_be_asked_is_said_once(rack: NameServer, capfd: pytest.CaptureFixture[str]) -> None:
    warmer = NameWarmer(rack.port)
    rack.stop()
    for _pass in range(3):
        warmer.warm([NAME, "other.rackyard.internal"])
    said = capfd.readouterr().err
    assert said.count("name-not-known") == 1
    assert NAME in said
    rack.start()
    warmer.warm([NAME])
    rack.stop()
    warmer.warm([NAME])
    assert capfd.readouterr().err.count("name-not-known") == 1
