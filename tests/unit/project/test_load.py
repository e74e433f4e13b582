# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulated racks and their region are like: real ones, as far as a quick test can tell."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import site_region
from authority import Authority
from simulated_racks import HEARTBEAT_S, SERVICES, Rack, services

from rackyard import contracts
from rackyard.daemons.registry import UNITS
from rackyard.region.rpc import calls


@pytest.fixture
def rack(tmp_path: Path) -> Rack:
    authority = Authority()
    certificate, key = authority.client("abc234")
    for name, content in (("ca.crt", authority.pem), ("rack.crt", certificate), ("rack.key", key)):
        (tmp_path / name).write_bytes(content)
    return Rack("abc234", str(tmp_path), "127.1.2.1", ("https://localhost:5250", "https://localhost:5251"))


def test_simulated_rack_says_what_the_contracts_have(rack: Rack) -> None:
    contracts.read("register", rack.registration())
    contracts.read("services", services())
    assert set(SERVICES) <= set(UNITS)
    assert HEARTBEAT_S == calls.HEARTBEAT_S


def test_simulated_rack_has_one_channel_to_its_region(rack: Rack) -> None:
    assert (rack.regions.names, len(rack.regions.channel("localhost"))) == (("localhost",), 2)


@pytest.mark.parametrize(("kind", "worker"), [("polls", "gevent"), ("rpc", "gthread")])
def test_processes_start_as_the_units_have_it(kind: str, worker: str, tmp_path: Path) -> None:
    words = site_region.command(kind, 15250, tmp_path)
    assert words[words.index("--worker-class") + 1] == worker
    assert words[words.index("--bind") + 1] == f"unix:{tmp_path}/{kind}-15250.sock"
    assert words[-1] == f"rackyard.region.wsgi:{kind}_app()"


def test_port_that_somebody_listens_on_is_not_free() -> None:
    (first,) = site_region.free_ports(1)
    with socket.create_server(("127.0.0.1", first)):
        assert first not in site_region.free_ports(2)
