# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong between a region, its racks and its machines at the worst moment."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any

from cryptography.fernet import Fernet

from rackyard.region.context import Context
from rackyard.region.db.racks import identity
from rackyard.region.metadata import credentials
from rackyard.region.services.boots.deliveries import Delivery
from rackyard.region.services.operations import signals
from rackyard.region.worker.tasks import deadlines

from . import test_whole_commissioning as whole
from .conftest import RackClient, now_iso
from .hardware import outputs
from .play import AgentPlay, MachinePlay, register_machine

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


def test_one_unreadable_password_does_not_stop_the_other_jobs_of_a_rack(
    api: Any, agent: AgentPlay, m1: str, execute: Any
):
    m2 = register_machine(api, "m2", "52:54:00:00:00:77", "10.30.0.12")
    assert commission(api, m1).status_code == 200
    lost = Fernet(Fernet.generate_key()).encrypt(b"sealed with a lost key").decode()
    execute("UPDATE bmc SET secrets = jsonb_build_object('power_pass', %s) WHERE address = '10.30.0.11'", (lost,))
    assert api.post(f"machines/{m2}/?op=power_on").status_code == 200
    job = agent.job()
    assert (job["hostname"], job["power"]["password"]) == ("m2", "secret-of-bmc")
    known = read(api, m1)
    assert known["status_name"] == "Failed commissioning"
    assert "sealed with another key" in known["status_message"]


def test_lease_from_a_clock_that_ran_ahead_does_not_outlive_its_correction(
    api: Any, agent: AgentPlay, m1: str, machine: MachinePlay
):
    agent.lease(mac="52:54:00:00:00:99", at=now_iso(30 * 24 * 3600))
    assert commission(api, m1).status_code == 200
    agent.report(agent.job())
    machine.pull(str(agent.boots()["boot_id"]))


def test_final_word_repeated_while_the_first_is_taken_is_no_error(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, world: Context
):
    whole.until_scripts(api, agent, machine, m1)
    machine.run_scripts()
    before = credentials.boot_of(world, machine.header)
    assert machine.signal("OK").status_code == 200
    with world.db.transaction() as tx:
        rack = identity.by_address(tx, machine.peer)
    assert rack is not None
    signals.handle(world, before, signals.Signal("OK", "", (), None, None, {}), Delivery(rack))


def all_but_one(machine: MachinePlay) -> tuple[str, int]:
    """Run the scripts, and say OK before the result of one of them has come; its name and id."""
    ids = machine.scripts()
    late = "30-lldp"
    printed = outputs()
    for name in ids.keys() - {late}:
        out = {name: printed.get(name, b""), f"{name}.out": printed.get(name, b"")}
        assert machine.signal("WORKING", out, script_result_id=ids[name], exit_status=0).status_code == 200
    assert machine.signal("OK").status_code == 200
    return late, ids[late]


def test_result_that_another_rack_kept_may_come_after_the_last_word(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str
):
    """A machine reaches its racks by one name. The one that took a result may be cut off from every region, and the one
    that takes the last word not."""
    whole.until_scripts(api, agent, machine, m1)
    late, number = all_but_one(machine)
    assert read(api, m1)["status_name"] == "Commissioning"
    assert "results of 30-lldp wait on a rack" in whole.timeline(api, m1)["steps"][10]["detail"]
    out = {late: outputs()[late], f"{late}.out": outputs()[late]}
    assert machine.signal("WORKING", out, script_result_id=number, exit_status=0).status_code == 200
    assert read(api, m1)["status_name"] == "Ready"


def test_result_that_never_comes_fails_the_machine_at_its_deadline(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, world: Context
):
    whole.until_scripts(api, agent, machine, m1)
    all_but_one(machine)
    world.clock.advance(3600)
    deadlines.fail_past_deadline(world)
    known = read(api, m1)
    assert known["status_name"] == "Failed commissioning"
    assert "reported OK, but results of 30-lldp never came" in known["status_message"]


def test_machine_that_is_ready_but_cannot_be_switched_off_ends_its_timeline(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str
):
    whole.until_scripts(api, agent, machine, m1)
    machine.run_scripts()
    assert machine.signal("OK").status_code == 200
    job = agent.job()
    assert agent.refuse(job, "unreachable", "BMC 10.30.0.11 does not answer IPMI").body == {"accepted": True}
    assert read(api, m1)["status_name"] == "Ready"
    last = whole.timeline(api, m1)["steps"][11]
    assert last["outcome"] == "failed"
    assert "facts stored; rack1 could not power off m1: BMC 10.30.0.11 does not answer IPMI" in last["detail"]
