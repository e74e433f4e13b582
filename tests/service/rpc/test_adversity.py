# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between a region, its racks and its machines at the worst moment."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any

from . import test_whole_commissioning as whole
from .conftest import RackClient
from .play import AgentPlay

agent, image, m1, machine = whole.agent, whole.image, whole.m1, whole.machine
commission, read = whole.commission, whole.read


def poll_and_die(rack: RackClient, wait_s: int = 20) -> None:
    """An agent that is killed while it waits for work: the kernel closes its connection, nobody says goodbye."""
    tls = ssl.create_default_context(cafile=str(rack.server.ca))
    tls.load_cert_chain(*(str(path) for path in rack.identity))
    plain = socket.create_connection(("localhost", rack.server.port))
    with tls.wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(f"GET /rpc/1/jobs?wait={wait_s} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        time.sleep(0.5)


def test_job_is_not_given_to_an_agent_that_hung_up(api: Any, agent: AgentPlay, m1: str):
    poll_and_die(agent.rack)
    assert commission(api, m1).status_code == 200
    time.sleep(0.5)
    assert agent.job()["kind"] == "power_on"
