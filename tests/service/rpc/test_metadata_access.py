# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets a machine's metadata and may speak in its name, and that nobody else costs the region much."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from authority import Authority
from flask.testing import FlaskClient

from rackyard.region.client_certificate import HEADER
from rackyard.region.context import Context
from rackyard.region.crowd import Crowd
from rackyard.region.errors import TooMany
from rackyard.region.services.boots import claims
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE

from . import test_whole_commissioning as whole
from .conftest import MovableClock
from .play import AgentPlay, MachinePlay

agent, image, m1, machine = whole.agent, whole.image, whole.m1, whole.machine
STRANGER, STRANGERS_MAC = "10.20.0.150", "52:54:00:00:00:99"


@pytest.fixture
def boot_id(api: Any, agent: AgentPlay, m1: str) -> str:
    """A boot that is under way, and a stranger with a lease of its own."""
    assert whole.commission(api, m1).status_code == 200
    agent.report(agent.job())
    agent.lease(STRANGER, STRANGERS_MAC)
    return str(agent.boots()["boot_id"])


def refusals(api: Any) -> list[str]:
    events = api.get("events/?op=query&hostname=m1&level=WARNING&limit=1000").get_json()["events"]
    return [event["description"] for event in events if event["type"] == "METADATA_REFUSED"]


def test_address_of_another_machine_is_refused_at_once(client: FlaskClient, boot_id: str):
    began = time.monotonic()
    assert MachinePlay(client, ip=STRANGER).preseed(boot_id).status_code == 403
    assert time.monotonic() - began < claims.LEASE_WAIT_S / 3


def test_refusals_are_told_once_a_minute_for_each_address(
    api: Any, client: FlaskClient, agent: AgentPlay, clock: MovableClock, boot_id: str
):
    agent.lease("10.20.0.151", "52:54:00:00:00:98")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _turn: MachinePlay(client, ip=STRANGER).preseed(boot_id), range(24)))
    assert len(refusals(api)) == 1
    MachinePlay(client, ip="10.20.0.151").preseed(boot_id)
    assert len(refusals(api)) == 2
    clock.advance(61)
    MachinePlay(client, ip=STRANGER).preseed(boot_id)
    assert len(refusals(api)) == 3


def test_few_may_wait_for_a_lease_and_the_machine_is_answered_meanwhile(
    client: FlaskClient, machine: MachinePlay, boot_id: str
):
    nobody = MachinePlay(client, ip="10.20.0.177")
    with ThreadPoolExecutor(6) as pool:
        began = time.monotonic()
        asked = [pool.submit(nobody.preseed, boot_id) for _turn in range(6)]
        time.sleep(0.5)
        assert machine.preseed(boot_id).status_code == 200
        assert time.monotonic() - began < 3
        answers = [each.result() for each in asked]
    assert sorted(answer.status_code for answer in answers) == [403, 403, 429, 429, 429, 429]
    busy = next(answer for answer in answers if answer.status_code == 429)
    assert busy.headers["Retry-After"] == str(TooMany.retry_after_s)
    assert "too many wait for a lease of 10.20.0.177" in busy.text


def test_crowd_has_a_limit_in_total_and_lets_in_again_who_left():
    crowd = Crowd(limit=2, limit_each=1)
    with crowd.enter("a", "it"):
        with pytest.raises(TooMany), crowd.enter("a", "it"):
            pass
        with crowd.enter("b", "it"), pytest.raises(TooMany), crowd.enter("c", "it"):
            pass
        with crowd.enter("c", "it"):
            pass


def test_stolen_credentials_say_nothing_from_another_address(
    api: Any, agent: AgentPlay, machine: MachinePlay, client: FlaskClient, m1: str, boot_id: str
):
    machine.pull(boot_id)
    thief = MachinePlay(client, ip=STRANGER, header=machine.header)
    nobody = MachinePlay(client, ip="10.20.0.177", header=machine.header)
    for who in (thief, nobody):
        assert who.signal("WORKING").status_code == 403
        assert who.signal("FAILED", error="broken").status_code == 403
        assert who.get("latest/maas-scripts").status_code == 403
        report = {"event_type": "start", "name": "init-network"}
        assert who.post(f"status/{m1}", json=report).status_code == 403
    assert whole.read(api, m1)["status_name"] == "Commissioning"
    assert machine.signal("WORKING").status_code == 200


def test_machine_that_let_its_lease_run_out_may_still_report(
    api: Any, agent: AgentPlay, machine: MachinePlay, clock: MovableClock, m1: str, boot_id: str
):
    machine.pull(boot_id)
    clock.advance(700)  # the lease was for 600 seconds
    machine.run_scripts()
    assert machine.signal("OK").status_code == 200
    assert whole.read(api, m1)["status_name"] == "Ready"


def test_rack_is_known_by_its_certificate_when_its_nginx_shows_one(
    client: FlaskClient, agent: AgentPlay, authority: Authority, world: Context, boot_id: str
):
    path = f"/MAAS/metadata/latest/by-id/{boot_id}/?op=get_preseed"

    def ask(certificate: str, peer: str) -> Any:
        headers = {HEADER: quote(certificate), "X-Rackyard-Peer": peer, "X-Real-IP": "10.20.0.101"}
        return client.get(path, headers=headers)

    own = agent.rack.identity[0].read_text()
    assert ask(own, "192.0.2.99").status_code == 200, "the address that connects says nothing then"
    stray = authority.client("rack1")[0].decode()
    assert ask(stray, "10.20.0.2").status_code == 403
    enrolment.revoke_by_hostname(world, COMMAND_LINE, "rack1")
    assert ask(own, "10.20.0.2").status_code == 403
