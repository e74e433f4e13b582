# SPDX-License-Identifier: GPL-3.0-or-later
"""A real dhcpd under a flood of strangers: registered machines have addresses of their own, without a restart."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from rackyard.daemons import DAEMONS, apply, dhcp
from rackyard.daemons.dhcp_control import Control
from rackyard.daemons.dhcp_hosts import HostRegister
from rackyard.daemons.dhcp_pairs import Pairs
from rackyard.daemons.engine import Outcome

from .dhcp_server import PROBE, Dhcpd
from .namespace import Namespace
from .test_templates import SECTIONS, render

M1, M2, STRANGER = "52:54:00:00:00:01", "52:54:00:00:00:02", "02:aa:00:00:00:01"
# DISCOVERs of many cards, and a REQUEST for each offer, so that whatever is given away is really taken.
FLOOD = """
import importlib.util, socket, struct, sys, time
spec = importlib.util.spec_from_file_location("probe", sys.argv[1])
probe = importlib.util.module_from_spec(spec)
sys.modules["probe"] = probe
spec.loader.exec_module(probe)
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
link.bind(("machine", 0x0800))
link.setblocking(False)
macs = {number: b"\\x02\\xbb" + struct.pack("!I", number) for number in range(1, int(sys.argv[2]) + 1)}
taken = set()
def answer():
    while True:
        try:
            data = link.recv(2048)
        except BlockingIOError:
            return
        number = struct.unpack("!I", data[46:50])[0] if len(data) > 300 else 0
        reply = probe.parse(data, number) if number in macs else None
        if reply is not None and reply.kind == probe.OFFER:
            wish = {50: socket.inet_aton(reply.address), 54: socket.inet_aton(reply.server)}
            link.send(probe.frame(macs[number], probe.message(probe.REQUEST, number, macs[number], wish)))
        elif reply is not None and reply.kind == probe.ACK:
            taken.add(reply.address)
for number, mac in macs.items():
    link.send(probe.frame(mac, probe.message(probe.DISCOVER, number, mac, {})))
    time.sleep(0.002)
    answer()
deadline = time.monotonic() + 3
while time.monotonic() < deadline:
    time.sleep(0.05)
    answer()
print(" ".join(sorted(taken)))
"""
APPLY = """
import json, sys
from pathlib import Path
from rackyard.daemons import dhcp
from rackyard.daemons.dhcp_control import Control
from rackyard.daemons.dhcp_hosts import HostRegister
from rackyard.daemons.dhcp_pairs import Pairs
home, section = Path(sys.argv[1]), json.load(sys.stdin)
control = Control(home / "rackyard-omapi.key")
print(json.dumps(dhcp.tell_running(HostRegister(home / "leases", control), Pairs(control))(section, False)))
"""


class SharedDhcpd(Dhcpd):
    """One that is told which machines are registered."""

    def __init__(self, home: Path) -> None:
        self.section: dict[str, Any] = json.loads(json.dumps({**SECTIONS["dhcp"], "hosts": []}))
        super().__init__(home, "10.20.0.2/24", dhcp.render(self.section))
        self.start()

    def tell(self, *macs: str) -> str:
        """What the agent does with a document of these machines; the diff."""
        done = self.net.run("sh", "-c", f"echo '{json.dumps({**self.section, 'hosts': macs})}' | {self._python()}")
        return str(json.loads(done))

    def _python(self) -> str:
        (self.home / "apply.py").write_text(APPLY)
        paths = ":".join(path for path in sys.path if path)
        return f"PYTHONPATH={paths} {sys.executable} {self.home}/apply.py {self.home}"

    def lease(self, mac: str, *, keep: bool = False, timeout_s: int = 12) -> dict[str, Any] | None:
        """What a machine gets, None when it gets no address."""
        self.net.run("ip", "link", "set", "machine", "address", mac)
        keeping = " --keep" if keep else ""
        command = f"{sys.executable} {PROBE} machine --timeout {timeout_s}{keeping} || true"
        said = self.net.run("sh", "-c", command)
        return json.loads(said) if said.strip() else None

    def flood(self, cards: int) -> list[str]:
        """Addresses that this many strangers got hold of."""
        return self.net.run(sys.executable, "-c", FLOOD, str(PROBE), str(cards)).split()


@pytest.fixture
def dhcpd(tmp_path: Path) -> Iterator[SharedDhcpd]:
    server = SharedDhcpd(tmp_path)
    try:
        yield server
    finally:
        server.net.stop()


def test_two_thousand_strangers_leave_registered_machines_their_addresses(dhcpd: SharedDhcpd) -> None:
    assert dhcpd.tell(M1) == f"+host {M1}\n"
    taken = dhcpd.flood(2000)
    assert len(taken) == 25, "all that strangers may have, a quarter of a hundred"
    assert {ip_address(address) >= ip_address("10.20.0.175") for address in taken} == {True}
    assert dhcpd.lease(STRANGER, timeout_s=3) is None
    began = time.monotonic()
    lease = dhcpd.lease(M1)
    assert lease is not None, dhcpd.net.log("dhcpd")[-2000:]
    assert time.monotonic() - began < 5
    assert ip_address("10.20.0.100") <= ip_address(lease["address"]) < ip_address("10.20.0.175")
    assert lease["lease_s"] == 600


def test_machine_is_registered_and_forgotten_while_dhcpd_runs_and_over_its_restart(dhcpd: SharedDhcpd) -> None:
    stranger = dhcpd.lease(M1)
    assert stranger is not None
    assert stranger["lease_s"] == 120
    pid = dhcpd.process.pid
    assert dhcpd.tell(M1, M2) == f"+host {M1}\n+host {M2}\n"
    assert dhcpd.tell(M1, M2) == "", "a second time there is nothing to do"
    registered = dhcpd.lease(M2)
    assert registered is not None
    assert registered["lease_s"] == 600
    assert (dhcpd.process.pid, dhcpd.process.poll()) == (pid, None)
    dhcpd.process.kill()
    dhcpd.process.wait()
    dhcpd.start()
    assert dhcpd.tell(M1, M2) == "", "dhcpd remembers"
    assert dhcpd.tell(M1) == f"-host {M2}\n"
    assert dhcpd.tell(M1) == ""
    assert dhcpd.tell(M1, M2) == f"+host {M2}\n", "and may come back"


def test_lost_lease_file_is_noticed(dhcpd: SharedDhcpd) -> None:
    dhcpd.tell(M1)
    dhcpd.process.kill()
    dhcpd.process.wait()
    (dhcpd.home / "leases").write_text("")
    dhcpd.start()
    assert dhcpd.tell(M1) == f"+host {M1}\n"


def test_stranger_that_is_registered_later_keeps_its_address(dhcpd: SharedDhcpd) -> None:
    before = dhcpd.lease(M1, keep=True)
    dhcpd.tell(M1)
    after = dhcpd.lease(M1, keep=True)
    assert before is not None
    assert after is not None
    assert after["address"] == before["address"]


def test_units_rule_closes_the_control_port_but_for_loopback(dhcpd: SharedDhcpd) -> None:
    connect = "import socket, sys; socket.create_connection((sys.argv[1], 7911), 3)"
    rules = dhcpd.home / "omapi.nft"
    rules.write_text(render("dhcp", "etc/dhcp/rackyard-omapi.nft", ["rack"], {}))
    for _twice in range(2):
        dhcpd.net.run("nft", "-f", str(rules))
    dhcpd.net.run(sys.executable, "-c", connect, "127.0.0.1")
    other = Namespace(dhcpd.home)
    try:
        dhcpd.net.run("ip", "link", "set", "machine", "netns", str(other.pid))
        other.run("ip", "address", "add", "10.20.0.3/24", "dev", "machine")
        other.run("ip", "link", "set", "machine", "up")
        with pytest.raises(AssertionError, match="Connection refused"):
            other.run(sys.executable, "-c", connect, "10.20.0.2")
        dhcpd.net.run("nft", "delete", "table", "inet", "rackyard_omapi")
        other.run(sys.executable, "-c", connect, "10.20.0.2")
    finally:
        other.stop()


def outcome(home: Path, hosts: list[str], *, check_only: bool = False) -> Outcome:
    """The engine with a dhcpd that runs and takes no orders."""

    class Obeying:
        def act(self, verb: str, unit: str) -> str:
            return ""

        def is_active(self, unit: str) -> bool:
            return True

        stays_active = is_active

    control = Control(home / "no.key", port=1)
    daemon = next(each for each in DAEMONS if each.name == "dhcp")
    section = {**SECTIONS["dhcp"], "hosts": hosts}
    live = dhcp.tell_running(HostRegister(home / "leases", control), Pairs(control))
    return apply({"dhcp": section}, home, Obeying(), check_only=check_only, daemons=[replace(daemon, live=live)])[
        "dhcp"
    ]


def test_dhcpd_that_takes_no_orders_is_reported_and_check_mode_asks_it_nothing(tmp_path: Path) -> None:
    looked = outcome(tmp_path, [M1], check_only=True)
    assert looked.ok
    assert f"+host {M1}" in looked.diff
    assert outcome(tmp_path, []).ok
    refused = outcome(tmp_path, [M1])
    assert not refused.ok
    assert "dhcpd does not take 1 changes of its hosts" in refused.message
    assert "its restart makes a missing key anew" in refused.message
    hostile = outcome(tmp_path, ["52:54:00:00:00:01; }"])
    assert not hostile.ok
    assert "correct it in the region" in hostile.message
