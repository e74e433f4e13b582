# SPDX-License-Identifier: GPL-3.0-or-later
"""A real dhcpd of either family with the role's file and the service's, and a client that asks it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

from .namespace import Namespace, program, wait_until
from .test_templates import render

REPOSITORY = Path(__file__).resolve().parents[3]
# What asks, by the version of IP.
PROBES = {4: REPOSITORY / "molecule/dhcp/files/dhcp_probe.py", 6: REPOSITORY / "molecule/dhcp/files/dhcp6_probe.py"}
PROBE = PROBES[4]
KEY = 'key "rackyard" { algorithm hmac-md5; secret "b25seSBmb3IgdGVzdHM="; };\n'
# The file of role and service, by the version of IP.
FILES = {4: "dhcpd.conf", 6: "dhcpd6.conf"}
MAC = "52:54:00:0a:0b:01"


def prepare(home: Path, service_dir: Path, version: int = 4) -> None:
    """What a rack has besides the service's file (`FILES` in `service_dir`): the role's file, a key, no leases."""
    (home / "rackyard-omapi.key").write_text(KEY)
    (home / "leases").touch()
    text = render("dhcp", f"etc/dhcp/{FILES[version]}", ["rack"], {"dhcp_service_dir": str(service_dir)})
    (home / "main.conf").write_text(text.replace("/etc/dhcp/", f"{home}/"))


def command(home: Path, *interfaces: str, version: int = 4) -> list[str]:
    """How dhcpd is started with that, in the foreground."""
    options = ["-f", "-d", "-cf", f"{home}/main.conf", "-lf", f"{home}/leases", "-pf", f"{home}/pid"]
    return [program("dhcpd", "isc-dhcp-server"), f"-{version}", *options, *interfaces]


def entries(log: str) -> Iterator[dict[str, str]]:
    """The lines of dhcpd's log as its journal would have them."""
    for number, line in enumerate(log.splitlines()):
        at = str(time.time_ns() // 1000)
        yield {
            "__CURSOR": str(number), "__REALTIME_TIMESTAMP": at, "SYSLOG_IDENTIFIER": "dhcpd", "MESSAGE": line,
        }  # fmt: skip


def starts(log: Path) -> int:
    """How often dhcpd has come up, by its log."""
    return log.read_text(errors="replace").count("Server starting service") if log.exists() else 0


class Dhcpd:
    """dhcpd and a client in one namespace, at `rack` and `machine`, the two ends of a cable."""

    def __init__(self, home: Path, address: str, content: bytes, mac: str = MAC) -> None:
        """`address` is the rack's, with its prefix length, `content` the service's file."""
        self.home = home
        self._version = ip_interface(address).version
        self.net = Namespace(home)
        self._connect(address, mac)
        prepare(home, home, self._version)
        (home / FILES[self._version]).write_bytes(content)

    def start(self) -> None:
        """Start it, also after it has ended."""
        before = starts(self.home / "dhcpd.log")
        self.process = self.net.start("dhcpd", *command(self.home, "rack", version=self._version))
        wait_until(lambda: starts(self.home / "dhcpd.log") > before, "dhcpd's start")

    def _connect(self, address: str, mac: str) -> None:
        run = self.net.run
        run("ip", "link", "add", "rack", "type", "veth", "peer", "name", "machine", "address", mac)
        run("ip", "address", "add", address, "dev", "rack", *(["nodad"] if self._version == 6 else []))
        for end in ("rack", "machine"):
            run("ip", "link", "set", end, "up")
        if self._version == 6:
            wait_until(self._has_links, "link-local addresses")

    def _has_links(self) -> bool:
        """Addresses that nobody else has: until that is known they are no source."""
        shown = self.net.run("ip", "-6", "address", "show", "scope", "link")
        return shown.count("inet6 fe80") == 2 and "tentative" not in shown

    def log(self) -> str:
        return self.net.log("dhcpd")

    def ask(self, *arguments: str) -> dict[str, Any]:
        """What the client is told."""
        probe = self.net.inside(sys.executable, str(PROBES[self._version]), "machine", *arguments)
        done = subprocess.run(probe, capture_output=True, text=True, timeout=40, check=False)
        assert done.returncode == 0, done.stderr + self.log()
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def stop(self) -> None:
        self.net.stop()
