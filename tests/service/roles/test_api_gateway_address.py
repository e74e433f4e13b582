# SPDX-License-Identifier: GPL-3.0-or-later
"""Role api_gateway: the address moves between two hosts with the real keepalived and haproxy."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import front
import pytest
import yaml

from .namespace import Namespace, program, wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
MOVING, ADDRESSES = "10.98.72.10", ("10.98.72.11", "10.98.72.12")
ROLE = front.ROLES / "api_gateway"


@dataclass
class Host:
    """One gateway, with something that answers as a healthy region does."""

    space: Namespace
    haproxy: subprocess.Popen[bytes]
    keepalived: subprocess.Popen[bytes]

    def has_address(self) -> bool:
        return f" {MOVING}/" in self.space.run("ip", "-o", "address", "show", "dev", "eth0")

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        os.killpg(process.pid, signal.SIGKILL)


def rendered(template: str, own: str, folder: Path) -> str:
    """A file of the role for the gateway at that address."""
    variables = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))
    inputs: dict[str, Any] = {name: front.trusted(value) for name, value in variables.items()}
    inputs |= {
        "api_gateway_address": MOVING, "api_gateway_interface": "eth0", "api_gateway_peers": list(ADDRESSES),
        "api_gateway_own_address": own, "api_gateway_regions": [own], "__api_gateway_pem": str(folder / "pair.pem"),
    }  # fmt: skip
    return front.render("api_gateway", template, ["region"], inputs)


def start(space: Namespace, own: str, folder: Path) -> Host:
    haproxy, keepalived = program("haproxy", "haproxy"), program("keepalived", "keepalived")
    (folder / "web/MAAS").mkdir(parents=True)
    (folder / "web/MAAS/health").write_text("ok\n")
    make = [
        "openssl",
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-subj",
        "/CN=gateway",
    ]
    subprocess.run(
        [*make, "-keyout", str(folder / "key"), "-out", str(folder / "crt")], check=True, capture_output=True
    )
    (folder / "pair.pem").write_bytes((folder / "crt").read_bytes() + (folder / "key").read_bytes())
    text = rendered("etc/haproxy/haproxy.cfg", own, folder).replace(
        "/run/haproxy/admin.sock", str(folder / "admin.sock")
    )
    (folder / "haproxy.cfg").write_text(text)
    script = folder / "serves"
    script.write_text(rendered("usr/local/sbin/rackyard-gateway-serves", own, folder))
    script.chmod(0o755)
    text = rendered("etc/keepalived/keepalived.conf", own, folder).replace("script_user haproxy", "script_user root")
    (folder / "keepalived.conf").write_text(text.replace("/usr/local/sbin/rackyard-gateway-serves", str(script)))
    space.start("web", sys.executable, "-m", "http.server", "5240", "--directory", str(folder / "web"))
    balancer = space.start("haproxy", haproxy, "-db", "-f", str(folder / "haproxy.cfg"))
    files = ["-f", str(folder / "keepalived.conf"), "-p", str(folder / "pid"), "-r", str(folder / "vrrp.pid")]
    return Host(space, balancer, space.start("keepalived", keepalived, "-n", "-l", "-P", *files))


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[Host]]:
    """Two gateways on one cable; the first one has the address."""
    with ExitStack() as running:
        # keepalived runs no script of a place that others may write to, as below /tmp.
        place = Path(tempfile.mkdtemp(prefix="ry-gateway-", dir="/run"))
        running.callback(shutil.rmtree, place, True)
        spaces = []
        for number in (1, 2):
            (tmp_path / f"g{number}").mkdir()
            spaces.append(Namespace(tmp_path / f"g{number}"))
            running.callback(spaces[-1].stop)
        cable = ["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", str(spaces[1].pid)]
        spaces[0].run(*cable)
        for space, address in zip(spaces, ADDRESSES, strict=True):
            space.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
            space.run("ip", "link", "set", "eth0", "up")
        found = []
        for space, address in zip(spaces, ADDRESSES, strict=True):
            (place / address).mkdir(mode=0o755)
            found.append(start(space, address, place / address))
        wait_until(lambda: found[0].has_address() and not found[1].has_address(), "the first to have it", 30)
        yield found


def moved_within(hosts: list[Host], limit_s: float) -> None:
    began = time.monotonic()
    wait_until(hosts[1].has_address, "the address at the other gateway", limit_s)
    assert time.monotonic() - began <= limit_s


def test_address_moves_when_haproxy_dies_and_comes_back_with_it(hosts: list[Host]) -> None:
    time.sleep(3)  # the scripts have spoken
    hosts[0].kill(hosts[0].haproxy)
    moved_within(hosts, 3)
    wait_until(lambda: not hosts[0].has_address(), "the first to let go of it", 3)


def test_address_moves_when_its_host_falls_silent(hosts: list[Host]) -> None:
    time.sleep(3)
    hosts[0].kill(hosts[0].keepalived)
    moved_within(hosts, 3)
