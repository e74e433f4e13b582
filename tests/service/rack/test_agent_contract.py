# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent as a process, held against the contracts: lost answers, restarts, nonsense, a full disk."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import front
import pytest

from rackyard.rack import identity
from rackyard.region.config import Config
from rackyard.region.services.racks.identity import sign_rack

from .conftest import RackHost, SimulatedBmc, make_certificates, prepare_rack, wait_until
from .contract_region import ContractRegion, Job, serving
from .test_agent import lease_line


@pytest.fixture
def region(config: Config) -> Iterator[ContractRegion]:
    local = replace(config, addresses=("127.0.0.1",))
    make_certificates(local)
    with serving(ContractRegion(), local.tls_cert, local.tls_key, local.ca_cert) as served:
        yield served
    assert served.violations == []


@pytest.fixture
def rack(region: ContractRegion, config: Config, tmp_path: Path) -> Iterator[RackHost]:
    """A rack with an identity, whose agent does not run yet."""
    host = prepare_rack(tmp_path / "rack", region.url)
    key = identity.new_key()
    ca = config.ca_cert.read_bytes()
    request = identity.request_for(key, "rack1")
    certificate = sign_rack(request, "abc234", ca, config.ca_key.read_bytes(), datetime.now(UTC))
    identity.store(host.config.identity, key, certificate.pem, ca.decode())
    yield host
    host.kill()


def order(region: ContractRegion, sim: SimulatedBmc, job_id: int = 1, kind: str = "power_on", **fields: object) -> Job:
    power = {
        "type": "ipmi", "address": sim.bmc.address, "port": sim.bmc.port, "user": "admin", "password": "secret",
        "options": {},
    }  # fmt: skip
    return region.add(job_id, kind=kind, power=power, **fields)


def test_job_whose_hand_out_got_lost_is_done_all_the_same(
    region: ContractRegion, rack: RackHost, sim: SimulatedBmc
) -> None:
    region.answers_lost = 1
    rack.start()
    job = order(region, sim)
    # The next poll says that it is not held; the region puts it back after a second here.
    wait_until(lambda: region.answers_lost == 0, "losing the answer")
    order(region, sim, 2, "power_query", machine="other")
    order(region, sim, 3, "power_query", machine="another")
    wait_until(lambda: job.state == "done", "the job", timeout_s=60)
    assert len(job.results) == 1
    assert sim.calls() == ["power 1"]


@pytest.mark.parametrize("dead_first", [True, False])
def test_job_comes_by_the_regions_other_port_when_one_is_dead(
    region: ContractRegion, rack: RackHost, sim: SimulatedBmc, dead_first: bool
) -> None:
    dead = f"https://127.0.0.1:{front.free_port()}"
    urls = [dead, region.url] if dead_first else [region.url, dead]
    toml = rack.home / "rack.toml"
    toml.write_text(toml.read_text().replace(json.dumps([region.url]), json.dumps(urls)))
    rack.start()
    job = order(region, sim)
    wait_until(lambda: job.state == "done", "the job", timeout_s=60)

    def said(url: str) -> str:
        return str(json.loads(rack.config.status_file.read_text())["regions"][url])

    wait_until(lambda: said(region.url) == "live", "the status")
    assert "does not answer" in said(dead) or said(dead) == "in reserve"


def test_job_is_held_while_it_is_worked_on_and_not_done_twice(
    region: ContractRegion, rack: RackHost, sim: SimulatedBmc
) -> None:
    rack.start()
    sim.power = "on"
    waits = order(region, sim, 1, "power_off", expect_off=True)
    wait_until(lambda: waits.state == "taken", "taking it")
    for number in range(2, 6):
        quick = order(region, sim, number, "power_query", machine=f"other{number}")
        wait_until(lambda job=quick: job.state == "done", "a quick one")
    assert all(1 in poll["held"] for poll in region.polls[-3:])
    assert region.polls[-1]["slots"] < region.polls[0]["slots"]
    sim.power = "off"
    wait_until(lambda: waits.state == "done", "the slow one")
    assert len(waits.results) == 1


@pytest.mark.parametrize("page", [b"<html>It works!</html>", b"[]", b'{"jobs": [{"id": "one"}]}', b"null"])
def test_answers_that_are_nonsense_do_not_end_the_agent(
    region: ContractRegion, rack: RackHost, sim: SimulatedBmc, page: bytes
) -> None:
    region.page = page
    rack.start()
    wait_until(lambda: "register-failed" in (rack.home / "agent.log").read_text(), "registering in vain")
    wait_until(lambda: "desired-" in (rack.home / "agent.log").read_text(), "asking for the desired state in vain")
    region.page = None
    job = order(region, sim)
    wait_until(lambda: job.state == "done", "the job", timeout_s=40)
    assert rack.process is not None
    assert rack.process.poll() is None


def test_full_disk_leaves_power_at_work_is_reported_and_loses_no_lease(
    region: ContractRegion, rack: RackHost, sim: SimulatedBmc
) -> None:
    rack.start()
    first = order(region, sim, 1, "power_query")
    wait_until(lambda: first.state == "done", "the first job")
    assert rack.process is not None
    # No file may grow any more, which is what a full disk is to a process.
    resource.prlimit(rack.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    rack.log(lease_line(1, "10.20.0.101"))
    job = order(region, sim, 2)
    wait_until(lambda: job.state == "done", "the job on the full disk")

    def reported() -> list[str]:
        states = region.received["services"][-1]["services"]
        return [state["info"] for state in states if state["name"] == "agent" and state["state"] == "degraded"]

    wait_until(lambda: region.received["services"] and reported(), "the report of the trouble")
    assert "takes no reports" in reported()[0] or "cannot be written" in reported()[0]
    assert region.received["leases"] == []
    resource.prlimit(rack.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_until(lambda: region.received["leases"], "the lease", timeout_s=30)
    wait_until(lambda: not reported(), "the all-clear", timeout_s=30)
    assert rack.process.poll() is None
