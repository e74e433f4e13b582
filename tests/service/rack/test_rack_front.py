# SPDX-License-Identifier: GPL-3.0-or-later
"""A rack's nginx: what machines get through it, and that rack and region know each other by their certificates."""

from __future__ import annotations

import http.client
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import front
import pytest

from rackyard.daemons import http as nginx_files
from rackyard.rack import enroll
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE

from .conftest import CODE, RackHost, Region, make_certificates, wait_until


class Quiet:
    """Stands where systemd would: the test reloads nginx itself."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.trouble = ""

    def act(self, verb: str, unit: str) -> str:
        self.asked.append((verb, unit))
        return self.trouble

    def is_active(self, unit: str) -> bool:
        return True

    def stays_active(self, unit: str) -> bool:
        return True


@dataclass
class Door:
    """A rack's nginx in front of its boot service."""

    nginx: front.Nginx
    port: int
    gateway: int
    files: Path

    def get(
        self, path: str, port: int | None = None, method: str = "GET", body: bytes | None = None
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers={"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


@pytest.fixture
def door(region: Region, rack: RackHost, tmp_path: Path) -> Iterator[Door]:
    """An enrolled rack, its nginx and its boot service, and the region's metadata process."""
    enroll.enroll(rack.config, enrolment.mint_token(region.ctx, COMMAND_LINE))
    root, port, gateway, boot = rack.config.daemons_root, *(front.free_port() for _each in range(3))
    files = root / "http"
    files.mkdir(parents=True)
    rack.config.boot_evidence.mkdir()
    section = {"tls_regions": [{"address": "127.0.0.1", "port": region.port}]}
    (files / "regions.conf").write_bytes(nginx_files.render(section))
    assert nginx_files.follow_identity(rack.config.identity, root, Quiet()) == ""
    nginx = front.rack_nginx(tmp_path / "rack-nginx", files, port=port, gateway=gateway, boot=boot)
    with rack.config_file.open("a") as stream:
        stream.write(f'[boot]\ngateway = "http://127.0.0.1:{gateway}"\n')
    environment = {**os.environ, "PYTHONPATH": CODE, "RACKYARD_RACK_CONFIG": str(rack.config_file)}
    command = [*front.gunicorn(), "--bind", f"127.0.0.1:{boot}", "--worker-class", "gthread", "--threads", "8"]
    metadata = region.home / "run/metadata.sock"
    with ExitStack() as running:
        running.enter_context(
            front.process("metadata", metadata, region.home / "region.toml", region.home / "metadata.log")
        )
        with (tmp_path / "boot.log").open("wb") as log:
            service = subprocess.Popen(
                [*command, "rackyard.rack.wsgi:boot_app()"], env=environment, stderr=log, cwd="/"
            )
        running.callback(service.wait)
        running.callback(service.terminate)
        running.callback(nginx.stop)
        nginx.start()
        found = Door(nginx, port, gateway, files)
        wait_until(lambda: found.get("/ipxe.cfg")[0] == 200, "the boot service", timeout_s=60)
        wait_until(lambda: front.answers(metadata), "the metadata process", timeout_s=60)
        yield found


def test_machines_reach_metadata_images_and_boot_files_and_nothing_else(door: Door, region: Region) -> None:
    (region.ctx.config.images / "vmlinuz").write_bytes(b"kernel")
    assert door.get("/images/vmlinuz") == (200, "kernel")
    status, text = door.get(f"/MAAS/metadata/latest/by-id/{'0' * 32}/?op=get_preseed")
    assert (status, "no boot with that id is under way" in text) == (404, True), "answered by the region, rack known"
    for path in ("/MAAS/", "/MAAS/api/2.0/version/", "/MAAS/metadata/../api/2.0/version/", "/MAAS//api/2.0/version/"):
        assert door.get(path)[0] == 404, path
    assert "rackyard" not in door.get("/MAAS/api/2.0/version/")[1]
    assert door.get("/MAAS/accounts/authenticate/", method="POST", body=b"username=admin")[0] == 404


def test_boot_service_asks_through_nginx_without_a_key_of_its_own(door: Door) -> None:
    status, text = door.get("/ipxe.cfg-52:54:00:00:00:01")
    # The region's own words: this rack has no address in the subnet that asks.
    assert (status, text.startswith("rackyard: "), "127.0.0.1" in text) == (404, True, True), text
    for path in ("/rpc/1/jobs", "/rpc/1/events", "/rpc/1/enroll", "/rpc/1/boot-config/../jobs", "/MAAS/api/2.0/"):
        assert door.get(path, door.gateway, "POST", b"{}")[0] == 404, path
    assert door.get("/MAAS/metadata/latest/", door.gateway)[0] == 403, "machines' posts pass here, and nothing is read"


def test_nginx_refuses_a_region_of_another_site(door: Door, region: Region) -> None:
    (region.ctx.config.images / "vmlinuz").write_bytes(b"kernel")
    region.stop()
    make_certificates(region.ctx.config)  # another authority's, at the same address
    region.start()
    assert door.get("/images/vmlinuz")[0] == 502
    assert "certificate verify error" in door.nginx.errors()


def test_new_certificate_reloads_nginx_once_and_again_when_that_failed(rack: RackHost, region: Region) -> None:
    enroll.enroll(rack.config, enrolment.mint_token(region.ctx, COMMAND_LINE))
    (rack.config.daemons_root / "http").mkdir(parents=True)
    systemd = Quiet()
    follow = (rack.config.identity, rack.config.daemons_root, systemd)
    assert nginx_files.follow_identity(*follow) == ""
    assert nginx_files.follow_identity(*follow) is None
    enroll.enroll(rack.config, enrolment.mint_token(region.ctx, COMMAND_LINE, "rack1"), force=True)
    systemd.trouble = "nginx.service is not active"
    assert nginx_files.follow_identity(*follow) == systemd.trouble
    systemd.trouble = ""
    assert nginx_files.follow_identity(*follow) == ""
    assert systemd.asked == [("reload-or-restart", "nginx")] * 3
