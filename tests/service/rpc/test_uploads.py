# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that is uploaded while regions die: real processes behind the real nginx."""

from __future__ import annotations

import hashlib
import http.client
import random
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

import front
import pytest
from authority import Authority

from rackyard.region.config import Config
from rackyard.region.context import Context
from rackyard.region.worker.tasks import uploads
from rackyard_core.boot_resources import CHUNK_BYTES, LocalFile, Sender, Wish
from rackyard_core.client import ApiKey, RegionClient
from rackyard_core.patience import Patience
from rackyard_core.wire import Request, Response, urllib_transport

from .conftest import write_toml

CONTENT = random.Random(5).randbytes(10 * CHUNK_BYTES + 77)
CHUNK_TYPE = {"Content-Type": "application/octet-stream"}


@dataclass
class Region:
    """nginx of a region and the process behind it."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    @property
    def peak_mib(self) -> float:
        """The most memory that a process which answers has ever had."""
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in self.workers]
        found = re.findall(r"VmHWM:\s+(\d+) kB", "".join(texts))
        assert len(found) == len(texts), "every process has it"
        return max(map(int, found)) / 1024


@pytest.fixture
def regions(config: Config, tmp_path: Path) -> Iterator[list[Region]]:
    """Two of one site, each with a disk of its own."""
    Authority().install(config)
    with ExitStack() as stack:
        found = []
        for number in (1, 2):
            home = tmp_path / f"region{number}"
            for folder in ("images", "run"):
                (home / folder).mkdir(parents=True)
            write_toml(replace(config, name=home.name, images=home / "images"), home / "region.toml")
            port, bind = front.free_port(), home / "run/region.sock"
            nginx = front.region_nginx(
                home / "nginx", ports=[front.free_port()], plain_port=port, sockets=home / "run",
                tls=config.ca_cert.parent, images=home / "images",
            )  # fmt: skip
            process = stack.enter_context(front.process("region", bind, home / "region.toml", home / "log"))
            front.wait_for(lambda bind=bind: front.answers(bind), home.name, 90)
            stack.callback(nginx.stop)
            nginx.start()
            found.append(Region(port, process))
        yield found


class Gateway:
    """Asks the regions in turn; after so many chunks the process that has just answered is killed."""

    def __init__(self, regions: list[Region], killed_after: int) -> None:
        self._regions = regions
        self._killed_after = killed_after
        self._send = urllib_transport()
        self.asked: list[int] = []

    def __call__(self, request: Request, timeout_s: float) -> Response:
        turn = len(self.asked) % 2
        port = self._regions[turn].port
        if request.method == "PUT":
            self.asked.append(turn)
        if len(self.asked) == self._killed_after:
            for pid in self._regions[turn].workers:
                subprocess.run(["kill", "-KILL", str(pid)], check=True)
        return self._send(replace(request, url=request.url.replace("region:5240", f"127.0.0.1:{port}")), timeout_s)


def test_upload_goes_on_when_a_region_dies_and_takes_little_memory(
    regions: list[Region], ctx: Context, admin_key: str, tmp_path: Path, upload_worker: None
) -> None:
    path = tmp_path / "web.tar.gz"
    path.write_bytes(CONTENT)
    gateway = Gateway(regions, killed_after=4)
    client = RegionClient("http://region:5240/MAAS", admin_key, transport=gateway)
    sender = Sender(client, Wish.of("web", "amd64", None), LocalFile.read(str(path), None), Patience(60, 0.2))
    sender.send({})
    assert set(gateway.asked) == {0, 1}
    assert (ctx.config.images / hashlib.sha256(CONTENT).hexdigest() / "image").read_bytes() == CONTENT
    assert not uploads.assemble(ctx)
    assert max(region.peak_mib for region in regions) < 120, "of which Python and its modules take the most"


def status(region: Region, key: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", region.port, timeout=60)
    try:
        signed = {**headers, "Authorization": ApiKey.parse(key).header()}
        connection.request(method, f"/MAAS/api/2.0/{path}", body, signed)
        return connection.getresponse().status
    finally:
        connection.close()


def test_large_bodies_pass_at_the_url_of_an_upload_only(regions: list[Region], admin_key: str) -> None:
    region, chunk = regions[0], bytes(CHUNK_BYTES)
    file = {"name": "web", "architecture": "amd64", "sha256": "0" * 64, "size": str(10 * CHUNK_BYTES)}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert status(region, admin_key, "POST", "boot-resources/", urlencode(file).encode(), form) == 201
    client = RegionClient(f"http://127.0.0.1:{region.port}/MAAS", admin_key)
    (image,) = client.get("boot-resources/")
    (known,) = client.get(f"boot-resources/{image['id']}/")["sets"].values()
    path = known["files"]["root-tgz"]["upload_uri"].removeprefix("/MAAS/api/2.0/")
    assert status(region, admin_key, "PUT", path, chunk, CHUNK_TYPE) == 200
    assert status(region, admin_key, "PUT", path, bytes(2 * CHUNK_BYTES + 1), CHUNK_TYPE) == 413
    assert status(region, admin_key, "PUT", path, bytes(5 * CHUNK_BYTES), CHUNK_TYPE) == 413, "nginx"
    for _turn in range(20):
        refused = status(region, admin_key, "PUT", path, chunk, {**CHUNK_TYPE, "Content-Range": "bytes 0-4194303/*"})
        assert refused == 409, "an answer that is there before nginx has sent the chunk is not lost"
    assert status(region, admin_key, "POST", "tags/", chunk, form) == 413
    assert status(region, admin_key, "POST", "boot-resources/", chunk, form) == 413
