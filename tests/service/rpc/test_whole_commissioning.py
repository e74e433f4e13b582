# SPDX-License-Identifier: GPL-3.0-or-later
"""New → Commissioning → Ready through all twelve steps, by the calls that a rack and a machine make."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from rackyard.region.context import Context
from rackyard.region.services.boots import claims
from rackyard.region.services.site import images
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.worker.tasks import deadlines, power, racks

from .conftest import RackClient
from .hardware import MAC, SECOND_MAC, outputs
from .play import BMC, INTERFACES, AgentPlay, MachinePlay, boot_id_of, declare_network, register_machine


@pytest.fixture
def image(world: Context, tmp_path: Path) -> str:
    """A registered image; the SHA-256 of its root file system."""
    entries = []
    for role, name in (("kernel", "vmlinuz"), ("initrd", "initrd.img"), ("squashfs", "filesystem.squashfs"),
                       ("loader", "bootx64.efi")):  # fmt: skip
        content = f"content of {name}".encode()
        digest = hashlib.sha256(content).hexdigest()
        (world.config.images / digest).mkdir()
        (world.config.images / digest / name).write_bytes(content)
        entries.append({"role": role, "name": name, "sha256": digest, "size_bytes": len(content)})
    manifest = {"name": "debian-bookworm-amd64", "arch": "amd64", "suite": "bookworm", "files": entries}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    images.register(world, COMMAND_LINE, tmp_path / "manifest.json")
    return next(str(entry["sha256"]) for entry in entries if entry["role"] == "squashfs")


@pytest.fixture
def agent(rack: RackClient) -> AgentPlay:
    rack.register(*INTERFACES)
    return AgentPlay(rack)


@pytest.fixture
def machine(client: FlaskClient) -> MachinePlay:
    return MachinePlay(client)


@pytest.fixture
def m1(api: Any, agent: AgentPlay, image: str) -> str:
    """A machine that may be commissioned; its system id."""
    declare_network(api, agent.rack.system_id)
    return register_machine(api)


def commission(api: Any, system_id: str) -> Any:
    return api.post(f"machines/{system_id}/?op=commission")


def read(api: Any, system_id: str) -> dict[str, Any]:
    return dict(api.get(f"machines/{system_id}/").get_json())


def timeline(api: Any, system_id: str) -> dict[str, Any]:
    return dict(api.get(f"machines/{system_id}/?op=boot_timeline").get_json())


def until_scripts(api: Any, agent: AgentPlay, machine: MachinePlay, system_id: str) -> str:
    """Steps 1 to 10; the boot id."""
    assert commission(api, system_id).status_code == 200
    agent.report(agent.job())
    boot_id = str(agent.boots()["boot_id"])
    machine.pull(boot_id)
    return boot_id


def test_machine_goes_from_new_to_ready_through_twelve_steps(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, image: str
):
    assert read(api, m1)["status_name"] == "New"
    response = commission(api, m1)
    assert response.status_code == 200, response.get_data(as_text=True)
    assert response.get_json()["status_name"] == "Commissioning"

    job = agent.job()
    assert (job["kind"], job["boot_device"], job["hostname"], job["epoch"]) == ("power_on", "pxe", "m1", 1)
    assert job["power"] == {
        "type": "ipmi", "address": BMC, "port": 623, "user": "admin", "password": "secret-of-bmc", "options": {},
    }  # fmt: skip
    assert agent.report(job).body == {"accepted": True}
    assert agent.report(job).body == {"accepted": False}, "a repeated result changes nothing"

    config = agent.boots()
    assert config["purpose"] == "commissioning"
    assert config["squashfs"] == f"/images/{image}/filesystem.squashfs"
    assert config["params"] == [
        "boot=live",
        f"fetch=http://10.20.0.2:5248/images/{image}/filesystem.squashfs",
        "BOOTIF=01-52-54-00-00-00-01",
        "panic=20",
        "console=tty0",
        "console=ttyS0,115200n8",
        "cc:{'datasource_list': ['MAAS']}end_cc",
        "cloud-config-url=http://10-20-0-0--24.rackyard.internal:5248/MAAS/metadata/latest/by-id/"
        f"{config['boot_id']}/?op=get_preseed",
        "log_host=10.20.0.2",
        "log_port=5247",
    ]
    assert boot_id_of(config["params"]) == config["boot_id"]

    user_data = machine.pull(config["boot_id"])
    assert "10-20-0-0--24.rackyard.internal:5248/MAAS/metadata/" in user_data
    machine.run_scripts()
    assert machine.signal("OK").status_code == 200
    assert machine.signal("OK").status_code == 200, "the answer may have been lost"

    known = read(api, m1)
    assert known["status_name"] == "Ready"
    assert (known["cpu_count"], known["memory"], known["storage"]) == (2, 2048, pytest.approx(8589.9, abs=1))
    assert [disk["serial"] for disk in known["physicalblockdevice_set"]] == ["DISK1"]
    assert {nic["mac_address"] for nic in known["interface_set"]} == {MAC, SECOND_MAC}
    assert known["boot_interface"]["mac_address"] == MAC
    assert known["boot_interface"]["lldp"]["chassis_name"] == "switch-a"
    assert known["hardware_info"]["system_serial"] == "SN-M1"

    off = agent.job()
    assert (off["kind"], off["expect_off"], off["boot_device"]) == ("power_off", True, None)
    agent.report(off, "off")
    assert read(api, m1)["power_state"] == "off"

    story = timeline(api, m1)
    assert story["outcome"] == "done"
    assert [step["step"] for step in story["steps"]] == list(range(1, 13))
    assert [step["outcome"] for step in story["steps"]] == ["done"] * 12, story
    times = [datetime.fromisoformat(step["at"]) for step in story["steps"]]
    assert times == sorted(times)
    assert [step["by"] for step in story["steps"]] == [
        "admin",
        "region1",
        "region1",
        "rack1 (agent)",
        "rack1 (dhcpd)",
        "rack1 (nginx)",
        "rack1 (boot service)",
        "rack1 (boot service)",
        "rack1 (nginx)",
        "region1 via rack1 (nginx)",
        "m1 via rack1",
        "rack1 (agent)",
    ]
    assert "bmc0" in story["steps"][2]["detail"]
    assert "10.30.0.0/24" in story["steps"][2]["detail"]
    assert story["steps"][8]["detail"] == "filesystem.squashfs, 214.6 MiB in 3.1 s"


def test_credentials_die_with_the_boot_and_webhooks_after_it_are_silent(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str
):
    until_scripts(api, agent, machine, m1)
    webhook = {"event_type": "start", "name": "modules-final", "origin": "cloudinit", "description": "running"}
    assert machine.post(f"status/{m1}", json=webhook).status_code == 204
    machine.run_scripts()
    machine.signal("OK")
    refused = machine.get("2012-03-01/user-data")
    assert refused.status_code == 401
    assert "died with it" in refused.get_data(as_text=True)
    assert machine.post(f"status/{m1}", json=webhook | {"event_type": "finish"}).status_code == 204


def test_of_sixty_webhook_posts_only_the_stages_are_kept_and_never_more_than_forty(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str
):
    until_scripts(api, agent, machine, m1)
    for number in range(60):
        step = {"event_type": "finish", "name": f"modules-final/config-{number}", "result": "SUCCESS"}
        assert machine.post(f"status/{m1}", json=step).status_code == 204
        assert machine.post(f"status/{m1}", json=step | {"name": "modules-final"}).status_code == 204
    assert machine.post(f"status/{m1}", data=b"[" * 9000).status_code == 400
    assert machine.post("status/abcdef", json=step).status_code == 404
    events = api.get("events/?op=query&level=DEBUG&limit=1000").get_json()["events"]
    assert len([event for event in events if event["type"] == "CLOUD_INIT"]) == 40


def test_preseed_goes_to_the_leased_address_only(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(claims, "LEASE_WAIT_S", 0.3)
    commission(api, m1)
    agent.report(agent.job())
    boot_id = agent.boots()["boot_id"]
    agent.lease("10.20.0.150", "52:54:00:00:00:99")
    thief = MachinePlay(client, ip="10.20.0.150")
    refused = thief.preseed(boot_id)
    assert refused.status_code == 403
    assert "leased to 52:54:00:00:00:99" in refused.get_data(as_text=True)
    assert MachinePlay(client, ip="10.20.0.177").preseed(boot_id).status_code == 403
    direct = MachinePlay(client, peer="10.10.0.99").preseed(boot_id)
    assert direct.status_code == 403
    assert "through their racks only" in direct.get_data(as_text=True)
    assert machine.preseed("0" * 32).status_code == 404
    machine.read_preseed(boot_id)
    thief.header = machine.header
    for path in ("latest/meta-data/local-hostname", "latest/user-data", "latest/maas-scripts"):
        stolen = thief.get(path)
        assert (stolen.status_code, "leased to 52:54:00:00:00:99" in stolen.text) == (403, True), path
        assert machine.get(path).status_code == 200
    events = api.get("events/?op=query&hostname=m1&level=WARNING").get_json()["events"]
    assert any("10.20.0.150 asked for the metadata of m1" in event["description"] for event in events)


def test_preseed_waits_for_a_lease_that_the_rack_is_about_to_report(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str
):
    commission(api, m1)
    agent.report(agent.job())
    agent.lease()
    boot_id = agent.boot_config().body["boot_id"]
    agent.lease(action="release")  # the loader's; the system's own lease is on its way
    late = threading.Timer(1.0, agent.lease)
    late.start()
    assert machine.preseed(boot_id).status_code == 200
    late.join()


@pytest.mark.parametrize(
    ("script", "body", "words"),
    [
        ("20-cpu", b'{"model": "\xff"}', "not UTF-8"),
        ("20-cpu", b"[" * 5000 + b"]" * 5000, "nested"),
        ("20-memory", b"", "not JSON"),
    ],
)
def test_hostile_results_fail_the_machine_and_store_nothing(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, script: str, body: bytes, words: str
):
    until_scripts(api, agent, machine, m1)
    machine.run_scripts({script: body})
    assert machine.signal("OK").status_code == 200
    known = read(api, m1)
    assert known["status_name"] == "Failed commissioning"
    assert script in known["status_message"]
    assert words in known["status_message"]
    assert (known["cpu_count"], known["physicalblockdevice_set"]) == (0, [])
    assert agent.job()["kind"] == "power_off"


@pytest.mark.parametrize("number", ["--5", "5-", "1_0", "٣", "99999999999", "1.5", "0x10", "-"])
def test_number_that_is_none_is_400(api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, number: str):
    until_scripts(api, agent, machine, m1)
    answer = machine.post("latest/", data={"op": "signal", "status": "WORKING", "script_result_id": number})
    assert answer.status_code == 400
    assert "script_result_id must be a whole number" in answer.get_data(as_text=True)


def statuses(api: Any, system_id: str) -> dict[str, str]:
    """How the scripts of the newest boot stand, in words."""
    (boot,) = api.get(f"nodes/{system_id}/results/").json
    return {one["name"]: one["status_name"] for one in boot["results"]}


def test_scripts_that_begin_together_are_told_of_together(api: Any, agent: AgentPlay, machine: MachinePlay, m1: str):
    until_scripts(api, agent, machine, m1)
    scripts = machine.scripts()
    cpu, network = scripts["20-cpu"], scripts["20-network"]
    assert machine.signal("WORKING", script_result_id=f"{cpu},{network}").status_code == 200
    running = {name for name, status in statuses(api, m1).items() if status == "Running"}
    assert running == {"20-cpu", "20-network"}
    both_ended = machine.signal("WORKING", script_result_id=f"{cpu},{network}", exit_status=0)
    assert both_ended.status_code == 400
    assert "each has its own" in both_ended.get_data(as_text=True)
    foreign = machine.signal("WORKING", script_result_id=f"{scripts['30-bmc']},999999")
    assert foreign.status_code == 400
    assert "does not belong" in foreign.get_data(as_text=True)
    assert statuses(api, m1)["30-bmc"] == "Pending", "a refused signal changes nothing"
    too_many = ",".join(map(str, [cpu] * 101))
    assert machine.signal("WORKING", script_result_id=too_many).status_code == 400


def test_oversized_stream_marks_its_script_failed(api: Any, agent: AgentPlay, machine: MachinePlay, m1: str):
    until_scripts(api, agent, machine, m1)
    machine.run_scripts({"50-support-info": b"x" * (1024 * 1024 + 1)})
    machine.signal("OK")
    known = read(api, m1)
    assert known["status_name"] == "Failed commissioning"
    assert "50-support-info" in known["status_message"]


def test_oversized_report_fails_the_machine(api: Any, agent: AgentPlay, machine: MachinePlay, m1: str):
    until_scripts(api, agent, machine, m1)
    result_id = machine.scripts()["20-cpu"]
    files = {f"20-cpu{suffix}": b"x" * (2 * 1024 * 1024) for suffix in ("", ".out", ".err")}
    response = machine.signal("WORKING", files, script_result_id=result_id, name="20-cpu", exit_status=0)
    assert response.status_code == 413
    assert read(api, m1)["status_name"] == "Failed commissioning"
    assert "too large" in read(api, m1)["status_message"]


def test_failed_scripts_fail_the_machine_in_the_runners_words(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str
):
    until_scripts(api, agent, machine, m1)
    machine.signal("FAILED", error="20-storage failed (exit status 1)\x00\x1b[31m")
    known = read(api, m1)
    assert known["status_name"] == "Failed commissioning"
    assert "20-storage failed (exit status 1)" in known["status_message"]
    assert timeline(api, m1)["steps"][11]["outcome"] == "failed"


def test_mac_of_another_machine_in_the_report_fails_the_machine(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str
):
    register_machine(api, "m2", SECOND_MAC, "10.30.0.12")
    until_scripts(api, agent, machine, m1)
    machine.run_scripts()
    machine.signal("OK")
    assert f"{SECOND_MAC} of m2" in read(api, m1)["status_message"]


def test_wrong_bmc_password_fails_at_once_and_is_tried_once(api: Any, agent: AgentPlay, m1: str, world: Context):
    commission(api, m1)
    words = "BMC 10.30.0.11 refused user 'admin': wrong user name or password; correct power_user and power_pass"
    agent.refuse(agent.job(), "auth", words)
    known = read(api, m1)
    assert known["status_name"] == "Failed commissioning"
    assert known["status_message"] == (
        f"rack1 could not power on m1: {words}; it was tried once and is not tried again until they change"
    )
    world.clock.advance(3600)
    power.poll_power(world)
    assert agent.rack.get("jobs").body["jobs"] == [], "nothing asks that BMC again on its own"
    step = timeline(api, m1)["steps"][3]
    assert (step["outcome"], step["title"]) == ("failed", "powered on")


def test_late_result_of_an_earlier_life_is_ignored(api: Any, agent: AgentPlay, m1: str):
    commission(api, m1)
    old = agent.job()
    assert api.post(f"machines/{m1}/?op=abort").status_code == 200
    assert read(api, m1)["status_name"] == "New"
    assert agent.report(old).body == {"accepted": False}
    assert read(api, m1)["power_state"] == "unknown"
    assert agent.job()["kind"] == "power_off"


def test_machine_that_never_boots_fails_at_its_deadline_and_names_the_missing_step(
    api: Any, agent: AgentPlay, m1: str, world: Context
):
    commission(api, m1)
    agent.report(agent.job())
    world.clock.advance(300)
    assert deadlines.note_overdue(world) == 1
    assert deadlines.note_overdue(world) == 0
    assert timeline(api, m1)["steps"][4]["outcome"] == "overdue"
    assert "step 5 (address leased)" in timeline(api, m1)["diagnosis"]
    world.clock.advance(1000)
    deadlines.fail_past_deadline(world)
    known = read(api, m1)
    assert known["status_name"] == "Failed commissioning"
    # The clock goes on between the lines above.
    words = r"failed after 21 min 4\d s; nothing happened in the last 21 min 4\d s: step 5 \(address leased\) has not"
    assert re.search(words, known["status_message"])
    assert MAC in known["status_message"]
    assert timeline(api, m1)["steps"][4]["outcome"] == "failed"


def test_job_that_no_rack_takes_fails_with_the_racks_name(api: Any, agent: AgentPlay, m1: str, world: Context):
    commission(api, m1)
    world.clock.advance(601)
    power.expire_jobs(world)
    known = read(api, m1)
    assert known["status_name"] == "Failed commissioning"
    assert "rack1 never took the power-on of m1" in known["status_message"]


def test_machine_is_commissioned_when_it_is_added_unless_that_is_refused(api: Any, agent: AgentPlay, m1: str):
    """MAAS's clients (its Ansible modules) do not ask for it, and wait for Ready."""
    assert read(api, m1)["status_name"] == "New", "commission=false"
    given = {
        "mac_addresses": "52:54:00:00:00:66", "power_type": "ipmi", "power_parameters_power_address": "10.30.0.16",
        "power_parameters_power_user": "admin", "power_parameters_power_pass": "secret-of-bmc",
    }  # fmt: skip
    made = api.post("machines/", data={"hostname": "m6", **given}).get_json()
    assert made["status_name"] == "Commissioning"
    job = agent.job()
    assert (job["kind"], job["hostname"]) == ("power_on", "m6")


def test_replayed_and_late_evidence_counts_once_and_for_its_own_boot(api: Any, agent: AgentPlay, m1: str):
    commission(api, m1)
    agent.report(agent.job())
    old = "2020-01-01T00:00:00+00:00"
    assert agent.lease(at=old).body == {"taken": 1, "refused": []}
    assert timeline(api, m1)["steps"][4]["outcome"] == "waiting", "a lease of another life proves nothing"
    lease = {"key": "k1"}
    assert agent.lease(**lease).body == {"taken": 1, "refused": []}
    assert agent.lease(**lease).body == {"taken": 0, "refused": []}
    assert timeline(api, m1)["steps"][4]["outcome"] == "done"


def test_refusals_before_anything_changes(api: Any, agent: AgentPlay, image: str, world: Context):
    bare = register_machine(api, "m3", "52:54:00:00:00:33", "10.99.0.1")
    no_dhcp = commission(api, register_machine(api, "m5", "52:54:00:00:00:55", "10.30.0.15"))
    assert no_dhcp.status_code == 409
    assert "no VLAN has DHCP on" in no_dhcp.get_data(as_text=True)
    declare_network(api, agent.rack.system_id)
    machine = {"hostname": "m4", "mac_addresses": "52:54:00:00:00:44", "architecture": "amd64"}
    without_bmc = api.post("machines/", data={"commission": "false", **machine}).get_json()["system_id"]
    refused = commission(api, without_bmc)
    assert refused.status_code == 400
    assert "has no BMC" in refused.get_data(as_text=True)
    world.clock.advance(40)
    racks.bury_dead_racks(world)
    unreachable = commission(api, bare)
    assert unreachable.status_code == 409
    assert "no rack is alive, so nobody can reach BMC 10.99.0.1" in unreachable.get_data(as_text=True)
    assert "rack1 (not alive; bmc0 10.30.0.2/24" in unreachable.get_data(as_text=True)
    assert read(api, bare)["status_name"] == "New"


def test_power_state_is_asked_of_the_bmc(api: Any, agent: AgentPlay, m1: str, world: Context):
    from concurrent.futures import ThreadPoolExecutor

    from rackyard.region.services.power import orders

    with ThreadPoolExecutor() as threads:
        answer = threads.submit(orders.query, world, COMMAND_LINE, m1, 20)
        agent.report(agent.job(), "off")
        assert answer.result(20) == "off"
        failing = threads.submit(orders.query, world, COMMAND_LINE, m1, 20)
        agent.refuse(agent.job(), "unreachable", "nothing answers at 10.30.0.11")
        with pytest.raises(Exception, match=r"rack1 could not ask m1: nothing answers"):
            failing.result(20)


def test_sample_outputs_are_complete():
    from rackyard.region.ephemeral import facts

    assert facts.parse_results(outputs()).cpu.count == 2
