# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine in the middle of its commissioning while every region is away: real nginx, agent, boot service, regions."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import front
import psycopg2
import pytest
from rpc.hardware import MAC
from rpc.play import MACHINE_IP, RACK_IP, MachinePlay, boot_id_of, declare_network
from werkzeug.test import EnvironBuilder

from rackyard.daemons import http as nginx_files
from rackyard.rack import cli, enroll
from rackyard.rack.boot_index import BootIndex
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site import images
from rackyard.region.services.site.authorisation import COMMAND_LINE

from .conftest import CODE, RackHost, Region, SimulatedBmc, prepare_rack, wait_until

OTHER_RACK_IP = "10.20.0.3"
IP = """#!/bin/sh
echo '[{"ifname": "pxe0", "address": "52:54:00:aa:00:01", "flags": ["UP"],
 "addr_info": [{"local": "%s", "prefixlen": 24, "scope": "global"}]}]'
"""


@dataclass
class Answer:
    """What MachinePlay looks at."""

    status_code: int
    content: bytes
    took_s: float

    @property
    def text(self) -> str:
        return self.content.decode()

    def get_data(self, as_text: bool = False) -> Any:
        return self.text if as_text else self.content


@dataclass
class Wire:
    """HTTP to a rack's nginx, from an address of the machine's network."""

    port: int
    address: str = MACHINE_IP

    def get(self, path: str, headers: dict[str, str]) -> Answer:
        return self._send("GET", path, None, headers)

    def post(self, path: str, headers: dict[str, str], **what: Any) -> Answer:
        made = EnvironBuilder(method="POST", **what)
        environ = made.get_environ()
        body = environ["wsgi.input"].read()
        return self._send("POST", path, body, headers | {"Content-Type": environ.get("CONTENT_TYPE", "")})

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        before = time.monotonic()
        try:
            connection.request(method, path, body=body, headers=headers | {front.ADDRESS_HEADER: self.address})
            response = connection.getresponse()
            return Answer(response.status, response.read(), time.monotonic() - before)
        finally:
            connection.close()


@dataclass
class Site:
    """A region that can go away, and a rack with all its processes."""

    region: Region
    rack: RackHost
    ports: dict[str, int]
    nginx: front.Nginx
    running: ExitStack = field(default_factory=ExitStack)
    metadata: subprocess.Popen[bytes] | None = None
    boot: subprocess.Popen[bytes] | None = None

    def start_metadata(self) -> None:
        bind = self.region.home / "run/metadata.sock"
        self.metadata = self.running.enter_context(
            front.process("metadata", bind, self.region.home / "region.toml", self.region.home / "metadata.log")
        )
        wait_until(lambda: front.answers(bind), "the metadata process", timeout_s=60)

    def region_goes(self) -> None:
        """Power cut: every process of the region is killed."""
        self.running.close()
        self.region.stop()

    def region_returns(self) -> None:
        self.region.start()
        self.start_metadata()

    def start_boot(self) -> None:
        environment = {**os.environ, "PYTHONPATH": CODE, "RACKYARD_RACK_CONFIG": str(self.rack.config_file)}
        bind = f"127.0.0.1:{self.ports['boot']}"
        command = [*front.gunicorn(), "--bind", bind, "--worker-class", "gthread", "--threads", "8"]
        with (self.rack.home / "boot.log").open("ab") as log:
            self.boot = subprocess.Popen(
                [*command, "rackyard.rack.wsgi:boot_app()"], env=environment, stdout=log, stderr=log, cwd="/",
                start_new_session=True,
            )  # fmt: skip
        wait_until(lambda: self.wire().get("/ipxe.cfg", {}).status_code == 200, "the boot service", timeout_s=60)

    def kill_boot(self) -> None:
        assert self.boot is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.boot.pid, signal.SIGKILL)
        self.boot.wait()
        wait_until(lambda: not self._boot_listens(), "the end of the boot service's worker")

    def _boot_listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.ports["boot"])) == 0

    @contextmanager
    def boot_service_of_the_release_before(self) -> Iterator[None]:
        """While a rack is upgraded: nginx is new, and what stands behind it knows boot files only."""

        class Old(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_error(405)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.kill_boot()
        with HTTPServer(("127.0.0.1", self.ports["boot"]), Old) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield
            server.shutdown()
        self.start_boot()

    def wire(self, address: str = MACHINE_IP) -> Wire:
        return Wire(self.ports["door"], address)

    def leased(self, ip: str = MACHINE_IP, mac: str = MAC) -> None:
        """dhcpd's hook writes a line to the journal."""
        number = time.time_ns() // 1000
        line = {
            "__CURSOR": f"s=test;i={number}", "__REALTIME_TIMESTAMP": str(number), "SYSLOG_IDENTIFIER": "dhcpd",
            "MESSAGE": f"rackyard-lease commit {ip} {mac} 600",
        }  # fmt: skip
        self.rack.log(json.dumps(line))

    def rows(self, statement: str, *values: object) -> list[tuple]:
        connection = psycopg2.connect(self.region.ctx.config.dsn)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def status(self, capsys: pytest.CaptureFixture[str]) -> str:
        """What `rackyard-rack status` prints."""
        cli.main(["--config", str(self.rack.config_file), "status"])
        return capsys.readouterr().out

    def posts(self) -> list[str]:
        """The keys of what waits, in order."""
        found = self.rack.config.machine_posts.glob("*/[0-9]*-*")
        return [path.name.split("-")[1] for path in sorted(found) if path.parent.name != "refused"]

    def taken(self) -> list[str]:
        """The keys of what the region has taken, in order."""
        rows = self.rows("SELECT key FROM receipt WHERE key LIKE 'post:%%' ORDER BY received_at")
        return [row[0].rsplit(":", 1)[1] for row in rows]

    def workers(self) -> list[int]:
        """What answers in the region's metadata process."""
        assert self.metadata is not None
        children = Path(f"/proc/{self.metadata.pid}/task/{self.metadata.pid}/children")
        return [int(pid) for pid in children.read_text().split()]


def register_image(region: Region, home: Path) -> None:
    entries = []
    for role, name in (("kernel", "vmlinuz"), ("initrd", "initrd.img"), ("squashfs", "filesystem.squashfs"),
                       ("loader", "bootx64.efi")):  # fmt: skip
        content = f"content of {name}".encode()
        digest = hashlib.sha256(content).hexdigest()
        (region.ctx.config.images / digest).mkdir()
        (region.ctx.config.images / digest / name).write_bytes(content)
        entries.append({"role": role, "name": name, "sha256": digest, "size_bytes": len(content)})
    manifest = {"name": "debian-bookworm-amd64", "arch": "amd64", "suite": "bookworm", "files": entries}
    (home / "manifest.json").write_text(json.dumps(manifest))
    images.register(region.ctx, COMMAND_LINE, home / "manifest.json")


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


@contextmanager
def at_rack(region: Region, rack: RackHost, address: str, nginx_home: Path, *, metadata: bool = True) -> Iterator[Site]:
    """All of a rack that machines reach at an address, enrolled and running, and the region's metadata process."""
    enroll.enroll(rack.config, enrolment.mint_token(region.ctx, COMMAND_LINE))
    (rack.home / "bin/ip").write_text(IP % address)
    (rack.home / "bin/ip").chmod(0o755)
    root, ports = rack.config.daemons_root, {name: front.free_port() for name in ("door", "gateway", "boot")}
    for folder in ("http", "boot", "boots", "posts"):
        (root / folder).mkdir(parents=True)
    (rack.home / "keys").mkdir()
    text = rack.config_file.read_text().replace("[daemons]", f'boot_keys = "{rack.home}/keys"\n[daemons]')
    rack.config_file.write_text(
        f'{text}[boot]\ngateway = "http://127.0.0.1:{ports["gateway"]}"\ndoor = "http://127.0.0.1:{ports["door"]}"\n'
    )
    section = {"tls_regions": [{"address": "127.0.0.1", "port": region.port}]}
    (root / "http/regions.conf").write_bytes(nginx_files.render(section))
    certificate = (rack.config.identity / "rack.crt").read_bytes()
    (root / "http/identity.conf").write_bytes(nginx_files.render_identity(rack.config.identity, certificate))
    nginx = front.rack_nginx(
        nginx_home, root / "http", port=ports["door"], gateway=ports["gateway"], boot=ports["boot"], address=address
    )
    found = Site(region, rack, ports, nginx)
    with ExitStack() as parts:
        parts.callback(nginx.stop)
        nginx.start()
        parts.callback(found.running.close)
        if metadata:
            found.start_metadata()
        parts.callback(found.kill_boot)
        found.start_boot()
        rack.start()
        there = "SELECT 1 FROM rack_interface WHERE host(address) = %s"
        wait_until(lambda: found.rows(there, address), "the rack's addresses")
        yield found


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
    system_id = str(api.post("machines/", data=machine).get_json()["system_id"])
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
    assert api.post("machines/", data=idler | ipmi).status_code == 200
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
