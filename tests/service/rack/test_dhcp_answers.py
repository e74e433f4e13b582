# SPDX-License-Identifier: GPL-3.0-or-later
"""A real dhcpd with the role's file and the service's: what each firmware is told, and that a lease becomes evidence.

It runs in a network namespace of its own, with a raw-socket client at the other end of a veth pair.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest

from rackyard.daemons.dhcp import render
from rackyard.rack.evidence import from_journal

from .conftest import REPOSITORY, program, wait_until

PROBE = REPOSITORY / "molecule/dhcp/files/dhcp_probe.py"
ROLE_FILE = REPOSITORY / "roles/dhcp/templates/etc/dhcp/dhcpd.conf.j2"
SECTION: dict[str, Any] = {
    "networks": [
        {
            "name": "vlan-1",
            "mtu": 1500,
            "subnets": [
                {
                    "cidr": "10.20.0.0/24",
                    "next_server": "10.20.0.2",
                    "dns_servers": ["10.20.0.2"],
                    "ntp_servers": ["10.20.0.2"],
                    "domain_name": "rackyard.internal",
                    "pools": [{"start": "10.20.0.100", "end": "10.20.0.200"}],
                }
            ],
        }
    ]
}
BASE = "http://10.20.0.2:5248"


class Dhcpd:
    """dhcpd and a client in one namespace; everything ends with the process that holds it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        self._processes = [self._holder]
        wait_until(self._has_namespace, "the namespace")
        for command in (
            "ip link set lo up",
            "ip link add rack type veth peer name machine",
            "ip address add 10.20.0.2/24 dev rack",
            "ip link set rack up",
            "ip link set machine up",
        ):
            subprocess.run([*self._inside(), *command.split()], check=True)

    def _has_namespace(self) -> bool:
        own = Path("/proc/self/ns/net").readlink()
        return Path(f"/proc/{self._holder.pid}/ns/net").readlink() != own

    def _inside(self) -> list[str]:
        return ["nsenter", "--net", "--target", str(self._holder.pid)]

    def start(self) -> None:
        (self._home / "dhcpd.conf").write_bytes(render(SECTION))
        (self._home / "dhcpd.leases").touch()
        role = jinja2.Environment(trim_blocks=True).from_string(ROLE_FILE.read_text())  # noqa: S701 (not HTML)
        main = self._home / "main.conf"
        key = self._home / "rackyard-omapi.key"
        key.write_text('key "rackyard" { algorithm hmac-md5; secret "b25seSBmb3IgdGVzdHM="; };\n')
        text = role.render(dhcp_lease_s=600, dhcp_service_dir=str(self._home))
        main.write_text(text.replace("/etc/dhcp/rackyard-omapi.key", str(key)))
        command = [program("dhcpd", "isc-dhcp-server"), "-4", "-f", "-d", "-cf", str(main), "-lf"]
        command += [str(self._home / "dhcpd.leases"), "-pf", str(self._home / "dhcpd.pid"), "rack"]
        with (self._home / "log").open("wb") as log:
            self._processes.append(subprocess.Popen([*self._inside(), *command], stdout=log, stderr=log))
        wait_until(lambda: "Server starting service" in self.log(), "dhcpd's start")

    def log(self) -> str:
        return (self._home / "log").read_text(errors="replace")

    def ask(self, *arguments: str) -> dict[str, Any]:
        command = [*self._inside(), sys.executable, str(PROBE), "machine", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
        assert done.returncode == 0, done.stderr + self.log()
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def dhcpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dhcpd]:
    server = Dhcpd(tmp_path_factory.mktemp("dhcpd"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("arguments", "filename"),
    [
        (["--architecture", "0"], "lpxelinux.0"),
        (["--architecture", "7"], "bootx64.efi"),
        (["--architecture", "9"], "bootx64.efi"),
        (["--architecture", "11"], "bootaa64.efi"),
        (["--architecture", "16", "--vendor-class", "HTTPClient:Arch:00016"], f"{BASE}/boot/bootx64.efi"),
        (["--architecture", "19", "--vendor-class", "HTTPClient:Arch:00019"], f"{BASE}/boot/bootaa64.efi"),
        (["--architecture", "0", "--user-class", "iPXE"], f"{BASE}/ipxe.cfg"),
        (["--architecture", "7", "--user-class", "iPXE"], f"{BASE}/ipxe.cfg"),
        (["--architecture", "0", "--vendor-class", "udhcp 1.36"], ""),
    ],
)
def test_each_firmware_is_told_its_loader(dhcpd: Dhcpd, arguments: list[str], filename: str) -> None:
    answer = dhcpd.ask(*arguments)
    assert answer["filename"] == filename
    assert answer["next_server"] == "10.20.0.2"
    assert answer["dns_servers"] == answer["ntp_servers"] == ["10.20.0.2"]


def test_bios_gets_the_path_prefix_and_http_boot_its_vendor_class(dhcpd: Dhcpd) -> None:
    assert dhcpd.ask("--architecture", "0")["path_prefix"] == f"{BASE}/"
    http = dhcpd.ask("--architecture", "16", "--vendor-class", "HTTPClient:Arch:00016")
    assert http["vendor_class"] == "HTTPClient"


def test_lease_and_its_release_become_evidence(dhcpd: Dhcpd) -> None:
    answer = dhcpd.ask()

    def seen() -> list[dict[str, Any]]:
        entries = (
            {"__CURSOR": str(n), "__REALTIME_TIMESTAMP": str(time.time_ns() // 1000), "SYSLOG_IDENTIFIER": "dhcpd",
             "MESSAGE": line}
            for n, line in enumerate(dhcpd.log().splitlines())
        )  # fmt: skip
        return [found.item for found in map(from_journal, entries) if found is not None]

    wait_until(lambda: "release" in [item["action"] for item in seen()], "the release")
    commits = [item for item in seen() if item["action"] == "commit"]
    assert commits[-1]["ip"] == answer["address"]
    assert commits[-1]["lease_s"] == 600
    assert len(commits[-1]["mac"]) == 17
