# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine in the middle of its commissioning while every region is away: real nginx, agent, boot service, regions."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rpc.hardware import MAC
from rpc.play import RACK_IP, MachinePlay, boot_id_of, declare_network

from rackyard.rack.boot_index import BootIndex

from .conftest import RackHost, Region, SimulatedBmc, prepare_rack, wait_until
from .whole_rack import Site, at_rack, register_image

OTHER_RACK_IP = "10.20.0.3"


@pytest.fixture
def site(region: Region, rack: RackHost, tmp_path: Path) -> Iterator[Site]:
    with at_rack(region, rack, RACK_IP, tmp_path / "rack-nginx") as found:
        yield found


@pytest.fixture
def other(site: Site, tmp_path: Path) -> Iterator[Site]:
    """A second rack in the same subnet, at the same region."""
    rack = prepare_rack(tmp_path / "rack2", site.region.url, "rack2")
    try:
        with at_rack(site.region, rack, OTHER_RACK_IP, tmp_path / "rack2-nginx", metadata=False) as found:
            yield found
    finally:
        rack.kill()


@pytest.fixture
def m1(site: Site, api: Any, sim: SimulatedBmc, tmp_path: Path) -> str:
    """A machine that is asked for its commissioning and switched on; its system id."""
    register_image(site.region, tmp_path)
    declare_network(api, site.rows("SELECT system_id FROM rack")[0][0])
    machine = {
        "hostname": "m1", "architecture": "amd64", "mac_addresses": MAC, "power_type": "ipmi",
        "power_parameters_power_address": sim.bmc.address, "power_parameters_power_port": str(sim.bmc.port),
        "power_parameters_power_user": sim.bmc.user, "power_parameters_power_pass": "secret",
    }  # fmt: skip
    system_id = str(api.post("machines/", data={"commission": "false", **machine}).get_json()["system_id"])
    # A rack tells no loopback addresses, but this BMC has one; once it is reached, it is chosen for that.
    site.rows("INSERT INTO rack_interface (rack_id, name, address) SELECT id, 'bmc0', '127.0.0.2/8' FROM rack")
    asked = api.post(f"machines/{system_id}/?op=commission")
    assert asked.status_code == 200, asked.get_data(as_text=True)
    wait_until(lambda: sim.power == "on", "power on")
    return system_id


@pytest.fixture
def machine(site: Site) -> MachinePlay:
    return MachinePlay(site.wire())  # it says as much as a client of Flask


def boot(site: Site) -> str:
    """The machine's loader gets its configuration, and the rack its metadata; the id of the boot."""
    site.leased()
    wait_until(lambda: site.rows("SELECT 1 FROM lease"), "the lease")
    answer = site.wire().get(f"/ipxe.cfg-{MAC}", {})
    assert answer.status_code == 200, answer.text
    boot_id = boot_id_of(answer.text.split())
    wait_until(lambda: list((site.rack.home / "keys").glob(f"{boot_id}.*")), "the rack keeping the boot's metadata", 5)
    return boot_id


def read(api: Any, system_id: str) -> dict[str, Any]:
    return dict(api.get(f"machines/{system_id}/").get_json())


def step(api: Any, system_id: str, number: int) -> dict[str, Any]:
    story = api.get(f"machines/{system_id}/?op=boot_timeline").get_json()
    return next(each for each in story["steps"] if each["step"] == number)


WEBHOOK = {"event_type": "start", "name": "modules-final", "origin": "cloudinit", "description": "running"}


def test_machine_ends_ready_though_every_region_was_away_from_its_boot_configuration_to_its_last_word(
    site: Site, machine: MachinePlay, m1: str, api: Any, sim: SimulatedBmc, capsys: pytest.CaptureFixture[str]
) -> None:
    boot_id = boot(site)
    site.region_goes()
    user_data = machine.pull(boot_id)
    assert "10-20-0-0--24.rackyard.internal:5248/MAAS/metadata/" in user_data
    assert machine.post(f"status/{m1}", json=WEBHOOK).status_code == 204
    machine.run_scripts()
    site.kill_boot()
    site.start_boot()
    scripts = machine.scripts()  # a restarted boot service has them still
    assert machine.signal("OK").status_code == 200
    assert machine.signal("OK").status_code == 200, "the answer may have been lost"
    assert machine.get("2012-03-01/user-data").status_code == 401, "the boot is over"
    sim.power = "off"
    posts = len(site.posts())
    assert posts == 1 + 2 * len(scripts) + 2
    wait_until(lambda: f"posts of machines waiting for a region: {posts}; refused" in site.status(capsys), "the status")
    assert "boots whose metadata is kept: 1" in site.status(capsys)

    site.region_returns()
    wait_until(lambda: not site.posts(), "the replay", timeout_s=60)
    known = read(api, m1)
    assert known["status_name"] == "Ready", known["status_message"]
    assert (known["cpu_count"], known["memory"]) == (2, 2048)
    wait_until(lambda: read(api, m1)["power_state"] == "off", "the machine's power state")
    assert "power 0" not in sim.calls(), "it switched itself off"
    wait_until(lambda: step(api, m1, 10)["outcome"] == "done", "the rack's evidence of the metadata")
    assert step(api, m1, 10)["by"] == "rack1 (boot service)"
    assert "while no region answered" in step(api, m1, 10)["detail"]
    assert [step(api, m1, number)["outcome"] for number in (8, 11, 12)] == ["done"] * 3
    wait_until(lambda: "boots whose metadata is kept: 0" in site.status(capsys), "the end of the cache", timeout_s=30)
    assert not list(site.rack.config.boot_cache.iterdir())


def test_replay_is_in_order_and_once_though_the_boot_service_is_killed_in_it_and_begins_anew(
    site: Site, machine: MachinePlay, m1: str, api: Any, tmp_path: Path
) -> None:
    boot_id = boot(site)
    machine.pull(boot_id)
    site.region_goes()
    assert machine.post(f"status/{m1}", json=WEBHOOK).status_code == 204
    machine.run_scripts()
    assert machine.signal("OK").status_code == 200
    posts = site.posts()
    spool = site.rack.config.machine_posts / boot_id
    shutil.copytree(spool, tmp_path / "copy")

    site.region_returns()
    wait_until(lambda: len(site.taken()) > 2, "the first posts")
    site.kill_boot()
    assert site.posts(), "killed in the middle"
    site.start_boot()
    wait_until(lambda: not site.posts(), "the rest")
    assert site.taken() == posts
    assert read(api, m1)["status_name"] == "Ready"
    ended = api.get(f"nodes/{m1}/results/").get_json()

    site.kill_boot()  # and none of it was noted down: all is sent again
    shutil.copytree(tmp_path / "copy", spool)
    site.start_boot()
    wait_until(lambda: not site.posts(), "the second replay")
    assert site.taken() == posts
    assert api.get(f"nodes/{m1}/results/").get_json() == ended
    assert site.rows("SELECT count(*) FROM event WHERE type = 'CLOUD_INIT'") == [(1,)]
    assert not (site.rack.config.machine_posts / "refused").exists()


def test_nobody_but_the_machine_of_a_boot_that_is_kept_gets_or_leaves_anything(
    site: Site, machine: MachinePlay, m1: str
) -> None:
    boot_id = boot(site)
    machine.read_preseed(boot_id)
    refused = machine.post("latest/", data={"op": "signal", "status": "WORKING", "script_result_id": "x"})
    assert (refused.status_code, "must be a whole number" in refused.text) == (400, True), "the region's own words"
    assert machine.signal("WORKING").status_code == 200
    foreign = machine.post("status/abcdef", json=WEBHOOK)
    assert (foreign.status_code, "are not those of 'abcdef'" in foreign.text) == (404, True), foreign.text
    assert not site.posts(), "with a region there, nothing waits"
    with site.boot_service_of_the_release_before():
        assert machine.signal("WORKING").status_code == 200
    site.region_goes()

    thief = MachinePlay(site.wire("10.20.0.150"), header=machine.header)
    assert thief.preseed(boot_id).status_code == 403
    for path in ("latest/meta-data/local-hostname", "latest/user-data", "latest/maas-scripts"):
        assert thief.get(path).status_code == 403, path
    assert thief.signal("OK").status_code == 403
    forger = MachinePlay(site.wire(), header=machine.header.replace("%26", "%26x"))
    assert forger.get("latest/user-data").status_code == 401
    assert forger.signal("OK").status_code == 401
    unsigned = MachinePlay(site.wire())
    assert unsigned.get("latest/maas-scripts").status_code == 401
    # Of what is not kept nobody can say anything now: no, but not for good.
    stranger = MachinePlay(site.wire(), header=machine.header.replace('oauth_token="', 'oauth_token="x'))
    for answer in (
        machine.preseed("0" * 32),
        stranger.get("latest/user-data"),
        stranger.signal("OK"),
        unsigned.signal("OK"),
    ):
        assert (answer.status_code, "no region answers" in answer.text) == (503, True), answer.text
    assert machine.get("latest/meta-data/party").status_code == 404
    assert not site.posts()
    assert machine.get("latest/meta-data/local-hostname").text == "m1"


def test_region_that_hangs_or_has_no_database_is_away(
    site: Site, machine: MachinePlay, m1: str, api: Any, cluster: Any
) -> None:
    boot_id = boot(site)
    machine.read_preseed(boot_id)
    for pid in site.workers():
        os.kill(pid, signal.SIGSTOP)
    asked = machine.preseed(boot_id)
    assert (asked.status_code, asked.took_s < 10) == (200, True), asked.took_s
    script_id = machine.scripts()["20-cpu"]
    told = machine.signal("WORKING", script_result_id=script_id)
    assert (told.status_code, told.took_s < 10) == (200, True), told.took_s
    told = machine.signal("WORKING")
    assert (told.status_code, told.took_s < 1) == (200, True), "nobody waits for it twice"
    for pid in site.workers():
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not site.posts(), "the replay")

    name = site.region.ctx.config.dsn.rsplit("dbname=", 1)[1]
    cluster.run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    cluster.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")  # noqa: S608
    asked = machine.get("latest/meta-data/instance-id")
    assert (asked.status_code, asked.text, asked.took_s < 10) == (200, m1, True)
    machine.run_scripts()
    assert site.posts()
    cluster.run(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert machine.signal("OK").status_code == 200
    wait_until(lambda: not site.posts(), "the replay")
    assert read(api, m1)["status_name"] == "Ready"


def test_post_that_the_region_refuses_is_put_aside_and_seen_and_holds_up_nothing(
    site: Site, machine: MachinePlay, m1: str, api: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.pull(boot(site))
    site.region_goes()
    assert machine.signal("WORKING", script_result_id=999999, exit_status=0).status_code == 200
    machine.run_scripts()
    assert machine.signal("OK").status_code == 200
    site.region_returns()
    wait_until(lambda: not site.posts(), "the replay")
    assert read(api, m1)["status_name"] == "Ready"
    wait_until(lambda: "refused for good: 1" in site.status(capsys), "the status")
    assert "refused: m1: HTTP 400: script result 999999 does not belong to this boot of m1" in site.status(capsys)


LOADERS = (f"/ipxe.cfg-{MAC}", f"/grub/grub.cfg-{MAC}", f"/pxelinux.cfg/01-{MAC.replace(':', '-')}")
AGAIN, LOCAL = "no region has an answer yet", "booting from disk"


def test_machine_that_resets_while_no_region_is_there_boots_as_before_and_others_boot_their_disks(
    site: Site, m1: str, api: Any
) -> None:
    idle = "52:54:00:00:00:77"
    ipmi = {"power_type": "ipmi", "power_parameters_power_address": "10.30.0.77", "power_parameters_power_user": "a"}
    idler = {"hostname": "m2", "architecture": "amd64", "mac_addresses": idle, "power_parameters_power_pass": "b"}
    assert api.post("machines/", data={"commission": "false", **idler, **ipmi}).status_code == 200
    boot(site)
    told = {path: site.wire().get(path, {}).text for path in LOADERS}
    assert LOCAL in site.wire("10.20.0.102").get(f"/ipxe.cfg-{idle}", {}).text
    index = BootIndex(site.rack.home / "keys/machines.json")
    wait_until(lambda: index.is_idle(idle), "the rack knowing who is idle")

    site.region_goes()
    assert {path: site.wire().get(path, {}).text for path in LOADERS} == told
    assert LOCAL in site.wire("10.20.0.102").get(f"/ipxe.cfg-{idle}", {}).text
    assert AGAIN in site.wire("10.20.0.102").get(f"/ipxe.cfg-{MAC}", {}).text, "not its address"
    assert AGAIN in site.wire().get("/ipxe.cfg-52:54:00:00:00:78", {}).text, "nobody knows it"
    site.leased("10.20.0.103")  # a reset machine may get another address, and no region hears of it
    wait_until(lambda: AGAIN not in site.wire("10.20.0.103").get(LOADERS[0], {}).text, "the rack's own lease", 10)

    site.region_returns()
    again = "again by rack1 (boot service): ipxe: commissioning, while no region answered"
    wait_until(lambda: again in step(api, m1, 8)["detail"], "the rack's evidence", timeout_s=60)


def test_other_rack_takes_over_a_boot_though_no_region_is_there_either(
    site: Site, m1: str, api: Any, other: Site
) -> None:
    site.leased()
    for rack in (site.rack, other.rack):
        wait_until(lambda each=rack: list((each.home / "keys").glob("[0-9a-f]*.*")), "each rack keeping the boot", 60)
    site.region_goes()
    site.rack.kill()
    site.kill_boot()
    site.nginx.stop()

    told = other.wire().get(LOADERS[0], {}).text
    assert (f"http://{OTHER_RACK_IP}:5248/images/" in told, f"log_host={OTHER_RACK_IP}" in told) == (True, True), told
    assert "filesystem.squashfs" in told
    for path in re.findall(r"/images/[0-9a-f]{64}/[a-z.]+", told):
        assert other.wire().get(path, {}).text == f"content of {path.rsplit('/', 1)[1]}", "it never served that before"
    machine = MachinePlay(other.wire())
    machine.pull(boot_id_of(told.split()))
    machine.run_scripts()
    assert machine.signal("OK").status_code == 200
    assert LOCAL in other.wire().get(LOADERS[0], {}).text, "its boot is over"

    site.region_returns()
    wait_until(lambda: not other.posts(), "the replay", timeout_s=60)
    assert read(api, m1)["status_name"] == "Ready"
    for number in (7, 8):
        wait_until(lambda each=number: step(api, m1, each)["outcome"] == "done", "the evidence", timeout_s=60)
        assert step(api, m1, number)["by"] == "rack2 (boot service)"
        assert step(api, m1, number)["detail"] == "ipxe: commissioning, while no region answered"
