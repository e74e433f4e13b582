# SPDX-License-Identifier: GPL-3.0-or-later
"""All of a rack that machines reach, and its region: real nginx, agent, boot service, metadata process."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
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
from rpc.play import MACHINE_IP
from werkzeug.test import EnvironBuilder

from rackyard.daemons import http as nginx_files
from rackyard.rack import cli, enroll
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site import images
from rackyard.region.services.site.authorisation import COMMAND_LINE

from .conftest import CODE, RackHost, Region, wait_until

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
