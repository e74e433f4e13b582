# SPDX-License-Identifier: GPL-3.0-or-later
"""A real dhcpd for IPv6 with the role's file and the service's: what firmware is told; a lease becomes evidence.

It runs in a network namespace of its own, with a client at the other end of a veth pair that names itself by a UUID, as
UEFI does: nothing but its link-local address tells whose lease it is.
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

from rackyard.daemons.dhcp6 import render
from rackyard.daemons.ra import render as render_ra
from rackyard.rack.evidence6 import Dhcp6Log

from .conftest import REPOSITORY, program, wait_until

PROBE = REPOSITORY / "molecule/dhcp/files/dhcp6_probe.py"
ROLE_FILE = REPOSITORY / "roles/dhcp/templates/etc/dhcp/dhcpd6.conf.j2"
RACK, MAC = "fd00:20::2", "52:54:00:0a:0b:01"
POOL = {"start": "fd00:20::1:0", "end": "fd00:20::1:fff"}
SUBNET = {
    "cidr": "fd00:20::/64", "server": RACK, "dns_servers": [RACK], "ntp_servers": [RACK],
    "domain_name": "rackyard.internal", "pools": [POOL],
}  # fmt: skip
SECTION: dict[str, Any] = {"networks": [{"name": "vlan-1", "subnets": [SUBNET]}]}
BASE = f"http://[{RACK}]:5248"
ADVERTISED = {"interfaces": [{"name": "rack", "mtu": 1500, "dhcp": True, "prefixes": ["fd00:20::/64"]}]}
HTTP = ("--architecture", "16", "--vendor-class", "HTTPClient:Arch:00016:UNDI:003001")


class Dhcpd6:
    """dhcpd and a client in one namespace; everything ends with the process that holds it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        self._processes = [self._holder]
        wait_until(self._has_namespace, "the namespace")
        for command in (
            "ip link set lo up",
            f"ip link add rack type veth peer name machine address {MAC}",
            f"ip address add {RACK}/64 dev rack nodad",
            "ip link set rack up",
            "ip link set machine up",
        ):
            subprocess.run([*self._inside(), *command.split()], check=True)
        wait_until(self._has_links, "link-local addresses")

    def _has_namespace(self) -> bool:
        own = Path("/proc/self/ns/net").readlink()
        return Path(f"/proc/{self._holder.pid}/ns/net").readlink() != own

    def _has_links(self) -> bool:
        """Addresses that nobody else has: until that is known they are no source."""
        command = [*self._inside(), "ip", "-6", "address", "show", "scope", "link"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return shown.count("inet6 fe80") == 2 and "tentative" not in shown

    def _inside(self) -> list[str]:
        return ["nsenter", "--net", "--target", str(self._holder.pid)]

    def start(self) -> None:
        (self._home / "dhcpd6.conf").write_bytes(render(SECTION))
        (self._home / "leases").touch()
        role = jinja2.Environment(trim_blocks=True).from_string(ROLE_FILE.read_text())  # noqa: S701 (not HTML)
        main = self._home / "main.conf"
        main.write_text(role.render(dhcp_lease_s=600, dhcp_service_dir=str(self._home)))
        command = [program("dhcpd", "isc-dhcp-server"), "-6", "-f", "-d", "-cf", str(main), "-lf"]
        command += [str(self._home / "leases"), "-pf", str(self._home / "dhcpd.pid"), "rack"]
        with (self._home / "log").open("wb") as log:
            self._processes.append(subprocess.Popen([*self._inside(), *command], stdout=log, stderr=log))
        wait_until(lambda: "Server starting service" in self.log(), "dhcpd's start")

    def advertise(self) -> None:
        """A radvd with the service's file."""
        file = self._home / "radvd.conf"
        file.write_bytes(render_ra(ADVERTISED))
        file.chmod(0o644)
        command = [program("radvd", "radvd"), "--nodaemon", "--logmethod", "stderr_clean", "--config", str(file)]
        with (self._home / "radvd.log").open("wb") as log:
            command += ["--pidfile", str(self._home / "radvd.pid")]
            self._processes.append(subprocess.Popen([*self._inside(), *command], stdout=log, stderr=log))

    def addresses(self) -> str:
        """The machine's own."""
        command = [*self._inside(), "ip", "-6", "address", "show", "dev", "machine"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def routes(self) -> str:
        """Where the machine's system sends what by IPv6."""
        command = [*self._inside(), "ip", "-6", "route", "show", "dev", "machine"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

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
def dhcpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dhcpd6]:
    server = Dhcpd6(tmp_path_factory.mktemp("dhcpd6"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def seen(dhcpd: Dhcpd6) -> list[dict[str, Any]]:
    """Every lease that the log tells of."""
    reader = Dhcp6Log()
    entries = (
        {"__CURSOR": str(n), "__REALTIME_TIMESTAMP": str(time.time_ns() // 1000), "SYSLOG_IDENTIFIER": "dhcpd",
         "MESSAGE": line}
        for n, line in enumerate(dhcpd.log().splitlines())
    )  # fmt: skip
    return [found.item for found in map(reader.read, entries) if found is not None]


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        (HTTP, f"{BASE}/boot/bootx64.efi"),
        (("--architecture", "19", "--vendor-class", "HTTPClient:Arch:00019"), f"{BASE}/boot/bootaa64.efi"),
        (("--architecture", "16", "--user-class", "iPXE"), f"{BASE}/ipxe.cfg"),
        (("--architecture", "7", "--vendor-class", "PXEClient:Arch:00007"), ""),
        ((), ""),
    ],
)
def test_each_firmware_is_told_its_loader(dhcpd: Dhcpd6, arguments: tuple[str, ...], url: str) -> None:
    answer = dhcpd.ask(*arguments)
    assert answer["url"] == url
    assert answer["dns_servers"] == answer["ntp_servers"] == [RACK]
    assert answer["domain"] == "rackyard.internal"
    assert POOL["start"][:-1] in answer["address"]


def test_an_answer_counts_for_http_boot_only_when_it_says_so(dhcpd: Dhcpd6) -> None:
    assert dhcpd.ask(*HTTP)["vendor_class"] == "HTTPClient"
    assert dhcpd.ask()["vendor_class"] == ""


@pytest.mark.parametrize("duid", ["uuid", "mac"])
def test_lease_becomes_evidence_of_the_machine(dhcpd: Dhcpd6, duid: str) -> None:
    before = len(seen(dhcpd))
    address = dhcpd.ask(*HTTP, "--duid", duid)["address"]
    wait_until(lambda: f"releases address {address}" in dhcpd.log(), "the release")
    (found,) = seen(dhcpd)[before:]
    assert (found["action"], found["ip"], found["mac"], found["lease_s"]) == ("commit", address, MAC, 600)


def test_an_advertisement_tells_a_system_its_network_and_neither_a_router_nor_an_address(dhcpd: Dhcpd6) -> None:
    assert "fd00:20::/64" not in dhcpd.routes(), "DHCP for IPv6 tells no network"
    dhcpd.advertise()
    wait_until(lambda: "fd00:20::/64" in dhcpd.routes(), "the advertisement")
    assert "default" not in dhcpd.routes()
    assert "fd00:20::" not in dhcpd.addresses()
