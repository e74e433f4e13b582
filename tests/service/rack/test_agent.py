# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent as a process against a real region: jobs, desired state, evidence, outages, restarts."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Callable
from ipaddress import ip_network

import psycopg2
import pytest

from rackyard.rack import enroll, identity
from rackyard.region.db.machines import state as machine_rows
from rackyard.region.services.machines import registry
from rackyard.region.services.power import orders, queue
from rackyard.region.services.power.parameters import PowerWish
from rackyard.region.services.power.rack_choice import Choice
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE

from .conftest import RackHost, Region, wait_until

MAC = "52:54:00:00:00:01"


class Site:
    """A region with an enrolled rack and one machine."""

    def __init__(self, region: Region, rack: RackHost) -> None:
        self.region, self.rack = region, rack
        enroll.enroll(rack.config, enrolment.mint_token(region.ctx, COMMAND_LINE))

    def rows(self, statement: str, *values: object) -> list[tuple]:
        connection = psycopg2.connect(self.region.ctx.config.dsn)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def declare_subnet(self) -> list[str]:
        """The subnet of an address that this host has, so that its rack may speak of it; three more addresses there."""
        self.rows("INSERT INTO fabric (name) VALUES ('lab')")
        self.rows("INSERT INTO vlan (fabric_id, vid, name) SELECT id, 0, 'untagged' FROM fabric")
        ((cidr,),) = self.rows(
            "INSERT INTO subnet (name, vlan_id, cidr) SELECT 'lab', vlan.id, "
            "network(set_masklen(host(rack_interface.address)::inet, 24)) FROM vlan, rack_interface "
            "WHERE family(rack_interface.address) = 4 LIMIT 1 RETURNING cidr"
        )
        return [str(ip_network(cidr)[number]) for number in (101, 102, 103)]

    def add_machine(self, power: PowerWish) -> str:
        ctx = self.region.ctx
        wish = registry.Wish(hostname="m1", macs=[MAC], power=power)
        return registry.create(ctx, COMMAND_LINE, wish).machine.system_id

    def order(self, system_id: str, kind: str, **params: object) -> int:
        ctx = self.region.ctx
        ((rack_id,),) = self.rows("SELECT id FROM rack WHERE hostname = 'rack1'")
        with ctx.db.transaction() as tx:
            machine = machine_rows.lock(tx, system_id)
            choice = Choice(rack_id, "rack1", "there is no other")
            return queue.enqueue(ctx, tx, machine, choice, kind, epoch=machine.epoch, params=params)

    def job(self, job_id: int) -> tuple[str, dict, str]:
        return self.rows("SELECT state, result, error FROM job WHERE id = %s", job_id)[0]

    def finished(self, job_id: int) -> Callable[[], bool]:
        return lambda: self.job(job_id)[0] in ("done", "failed", "stale")


@pytest.fixture
def site(region: Region, rack: RackHost) -> Site:
    return Site(region, rack)


def ipmi(sim, password: str = "secret") -> PowerWish:
    return PowerWish("ipmi", parameters(sim, password))


def parameters(sim, password: str, **more: str) -> dict[str, str]:
    """What an operator would give."""
    return {
        "power_address": sim.bmc.address,
        "power_port": str(sim.bmc.port),
        "power_user": sim.bmc.user,
        "power_pass": password,
        **more,
    }


def journal_line(number: int, identifier: str, message: object) -> str:
    entry = {
        "__CURSOR": f"s=test;i={number}",
        "__REALTIME_TIMESTAMP": str(1_760_000_000_000_000 + number),
        "SYSLOG_IDENTIFIER": identifier,
        "MESSAGE": message,
    }
    return json.dumps(entry)


def lease_line(number: int, ip: str) -> str:
    return journal_line(number, "dhcpd", f"rackyard-lease commit {ip} {MAC} 600")


def test_power_job_is_done_and_the_state_read_back(site: Site, sim) -> None:
    site.rack.start()
    job = site.order(site.add_machine(ipmi(sim)), "power_on", boot_device="pxe")
    wait_until(site.finished(job), "the job")
    state, result, error = site.job(job)
    assert (state, result["power_state"], error or "") == ("done", "on", "")
    assert sim.calls() == ["boot pxe", "power 1"]


def test_machine_that_is_on_is_started_anew_to_boot_from_network(site: Site, sim) -> None:
    sim.power = "on"
    site.rack.start()
    job = site.order(site.add_machine(ipmi(sim)), "power_on", boot_device="pxe")
    wait_until(site.finished(job), "the job")
    assert sim.calls() == ["boot pxe", "power 0", "power 1"]


def test_rack_that_a_bmc_out_of_its_subnets_answers_is_found_and_does_the_job(site: Site, sim) -> None:
    site.rack.start()
    wait_until(lambda: site.rows("SELECT 1 FROM rack WHERE alive"), "the rack")
    machine = site.add_machine(ipmi(sim))
    orders.request(site.region.ctx, COMMAND_LINE, machine, "on")
    wait_until(lambda: site.rows("SELECT 1 FROM machine WHERE power_state = 'on'"), "the power state")
    assert sim.calls() == ["power 1"]
    assert site.rows("SELECT kind, state FROM job ORDER BY kind") == [("power_on", "done"), ("power_probe", "done")]
    sim.process.send_signal(signal.SIGSTOP)
    site.rows("DELETE FROM power_contact")
    orders.request(site.region.ctx, COMMAND_LINE, machine, "off")
    wait_until(lambda: site.rows("SELECT 1 FROM machine WHERE power_state = 'error'"), "the error")
    sim.process.send_signal(signal.SIGCONT)
    ((error, contact),) = site.rows(
        "SELECT power_error, power_contact.error FROM machine JOIN power_contact USING (bmc_id)"
    )
    assert error == f"rack1 could not power off m1: {contact}"
    assert "does not answer IPMI" in contact


def test_machine_that_switches_itself_off_is_not_forced(site: Site, sim) -> None:
    sim.power = "on"
    site.rack.start()
    job = site.order(site.add_machine(ipmi(sim)), "power_off", expect_off=True)
    wait_until(lambda: site.job(job)[0] == "taken", "taking the job")
    sim.power = "off"
    wait_until(site.finished(job), "the job")
    assert site.job(job)[1]["power_state"] == "off"
    assert sim.calls() == []


def test_wrong_password_fails_the_job_with_the_remedy(site: Site, sim) -> None:
    site.rack.start()
    job = site.order(site.add_machine(ipmi(sim, "wrong")), "power_on")
    wait_until(site.finished(job), "the job")
    state, result, error = site.job(job)
    assert (state, result["error_kind"]) == ("failed", "auth")
    assert "correct power_user and power_pass" in error
    assert "wrong" not in json.dumps(result).replace("wrong user name", "")
    assert "secret" not in (site.rack.home / "agent.log").read_text()


def test_result_of_a_job_survives_a_region_outage(site: Site, sim) -> None:
    site.rack.start()
    system_id = site.add_machine(ipmi(sim))
    sim.power = "on"
    job = site.order(system_id, "power_off", expect_off=True)
    # The region's word for it comes before the answer is at the rack.
    wait_until(lambda: any((site.rack.config.state / "jobs").glob("*.json")), "taking the job")
    site.region.stop()
    sim.power = "off"
    spool = site.rack.config.spool
    wait_until(lambda: any(spool.glob("*.json")), "the result in the spool")
    site.region.start()
    wait_until(site.finished(job), "the job", timeout_s=40)
    assert site.job(job)[0] == "done"


def test_job_cut_off_by_a_crash_of_the_agent_is_carried_out_by_its_next_life(site: Site, sim) -> None:
    sim.power = "on"
    site.rack.start()
    job = site.order(site.add_machine(ipmi(sim)), "power_off", expect_off=True)
    wait_until(lambda: any((site.rack.config.state / "jobs").glob("*.json")), "taking the job")
    site.rack.kill()
    sim.power = "off"
    site.rack.start()
    wait_until(site.finished(job), "the job", timeout_s=40)
    assert (site.job(job)[0], site.job(job)[1]["power_state"]) == ("done", "off")


def test_agent_that_is_restarted_amid_an_order_gets_it_again_and_the_order_succeeds(site: Site, sim) -> None:
    (sim.state / "stuck").touch()
    site.rack.start()
    job = site.order(site.add_machine(ipmi(sim)), "power_on", boot_device="pxe")
    wait_until(lambda: "power 1" in sim.calls(), "the command")
    site.rack.stop()
    (sim.state / "stuck").unlink()
    site.rack.start()
    wait_until(site.finished(job), "the job", timeout_s=40)
    assert (site.job(job)[0], site.job(job)[1]["power_state"], sim.power) == ("done", "on", "on")
    assert site.rows("SELECT attempts FROM job WHERE id = %s", job) == [(2,)]


def test_leases_survive_outage_and_crash_in_order_and_once(site: Site) -> None:
    site.rack.start()
    wait_until(lambda: site.rows("SELECT 1 FROM rack_interface"), "registering")
    first, second, third = site.declare_subnet()
    site.rack.log(lease_line(1, first))
    wait_until(lambda: site.rows("SELECT 1 FROM lease"), "the first lease")
    site.region.stop()
    site.rack.log(lease_line(2, second))
    wait_until(lambda: any(site.rack.config.spool.glob("*.json")), "the spool")
    site.rack.kill()
    site.rack.log(lease_line(3, third))
    # The double of journalctl tells everything again, as after a crash before the cursor was stored.
    site.rack.start()
    site.region.start()
    wait_until(lambda: len(site.rows("SELECT 1 FROM lease")) == 3, "all leases", timeout_s=40)
    assert [row[0] for row in site.rows("SELECT host(ip) FROM lease ORDER BY at")] == [first, second, third]
    assert site.rows("SELECT count(*) FROM receipt") == [(3,)]
    wait_until(lambda: not any(site.rack.config.spool.glob("*.json")), "the spool running dry")


def test_desired_state_is_applied_and_reported(site: Site) -> None:
    site.rack.start()
    query = "SELECT count(*) FILTER (WHERE ok), count(*) FROM rack_daemon"
    wait_until(lambda: site.rows(query)[0][1] >= 7, "the report", timeout_s=40)
    assert site.rows("SELECT name, message FROM rack_daemon WHERE NOT ok") == []
    upstream = (site.rack.config.daemons_root / "http/regions.conf").read_text()
    assert f"server 127.0.0.1:{site.region.port} max_fails" in upstream
    assert "--no-ask-password reload-or-restart nginx.service" in site.rack.systemctl_calls


def test_agent_on_a_regions_host_leaves_alone_what_the_region_configures(site: Site) -> None:
    (site.rack.home / "host.toml").write_text('tiers = ["region", "rack"]\n')
    root = site.rack.config.daemons_root
    (root / "dns").mkdir(parents=True)
    (root / "dns/named.conf").write_text("// the region's\n")
    site.rack.start()
    wait_until(lambda: site.rows("SELECT count(*) FROM rack_daemon") == [(5,)], "the report", timeout_s=40)
    own = [name for (name,) in site.rows("SELECT name FROM rack_daemon ORDER BY name")]
    assert own == ["dhcp", "dhcp6", "http", "ra", "tftp"]
    assert (root / "dns/named.conf").read_text() == "// the region's\n"
    assert not {path.name for path in root.iterdir()} & {"proxy", "syslog", "ntp"}


def test_rack_that_is_enrolled_anew_goes_on_with_its_new_identity(site: Site, sim) -> None:
    site.rack.start()
    registered = "SELECT registered_at FROM rack WHERE hostname = 'rack1' AND registered_at IS NOT NULL"
    wait_until(lambda: site.rows(registered), "registering")
    enrolment.revoke_by_hostname(site.region.ctx, COMMAND_LINE, "rack1")
    wait_until(lambda: "was revoked" in (site.rack.home / "agent.log").read_text(), "the refusal", timeout_s=40)
    token = enrolment.mint_token(site.region.ctx, COMMAND_LINE, "rack1")
    enroll.enroll(site.rack.config, token, force=True)
    job = site.order(site.add_machine(ipmi(sim)), "power_on")
    wait_until(site.finished(job), "the job", timeout_s=40)
    assert site.job(job)[1]["power_state"] == "on"
    assert site.rack.process is not None
    assert site.rack.process.poll() is None
    wait_until(lambda: _says_until(site.rack), "the new certificate in the status")


def _says_until(rack: RackHost) -> bool:
    known = identity.read(rack.config.identity)
    assert known is not None
    return json.loads(rack.config.status_file.read_bytes())["certificate_until"] == known.not_after.isoformat()


def test_region_with_a_new_address_is_found_by_the_configuration(site: Site, sim) -> None:
    # What was told last is older than what the playbook wrote.
    site.rack.config.regions_file.write_text('["https://127.0.0.1:1"]')
    site.rack.start()
    job = site.order(site.add_machine(ipmi(sim)), "power_on")
    wait_until(site.finished(job), "the job")
    assert site.job(job)[1]["power_state"] == "on"


def test_agent_stops_at_once_when_told(site: Site) -> None:
    site.rack.start()
    wait_until(lambda: site.rack.config.status_file.exists(), "the status")
    site.rack.stop()


def test_agent_tells_systemd_that_it_is_not_frozen(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(site.rack.home / "notify"))
        systemd.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(site.rack.home / "notify"))
        site.rack.start()
        assert [systemd.recv(100) for _turn in range(2)] == [b"WATCHDOG=1"] * 2


def test_soft_power_off_asks_the_machine(site: Site, sim) -> None:
    sim.power = "on"
    site.rack.start()
    soft = PowerWish("ipmi", parameters(sim, "secret", power_off_mode="soft"))
    job = site.order(site.add_machine(soft), "power_off")
    wait_until(site.finished(job), "the job")
    assert sim.calls() == ["shutdown 1"]
    assert site.job(job)[1]["power_state"] == "off"
