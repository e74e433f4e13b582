# SPDX-License-Identifier: GPL-3.0-or-later
"""A real dhcpd that keeps addresses for machines: told while it runs, over its restart, and from lease to address."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rackyard.rack.evidence import from_journal

from .dhcp_pair import Site
from .dhcp_server import PROBE, entries
from .namespace import wait_until
from .test_dhcp_pair import network
from .test_dhcp_shares import M1, M2, SharedDhcpd

KEPT, OTHER = "10.20.0.50", "10.20.0.51"


class KeepingDhcpd(SharedDhcpd):
    """One that is told of reservations, too."""

    def keep(self, *macs: str, **kept: list[str]) -> str:
        """Machines, and the addresses kept for `m1` and `m2`; the diff."""
        self.section["reservations"] = {{"m1": M1, "m2": M2}[name]: addresses for name, addresses in kept.items()}
        return self.tell(*macs)

    def address(self, mac: str, *, keep: bool = False) -> str:
        lease = self.lease(mac, keep=keep)
        assert lease is not None, self.net.log("dhcpd")[-2000:]
        return str(lease["address"])

    def evidence(self) -> list[dict[str, Any]]:
        """What the rack's agent would tell of it."""
        return [found.item for found in map(from_journal, entries(self.log())) if found is not None]


@pytest.fixture
def dhcpd(tmp_path: Path) -> Iterator[KeepingDhcpd]:
    server = KeepingDhcpd(tmp_path)
    try:
        yield server
    finally:
        server.net.stop()


def test_reservation_lives_without_a_restart_and_over_one(dhcpd: KeepingDhcpd) -> None:
    pid = dhcpd.process.pid
    began = time.monotonic()
    assert dhcpd.keep(M1, M2, m1=[KEPT]) == f"+host {M1} {KEPT}\n+host {M2}\n"
    assert time.monotonic() - began < 2, "with the start of a Python"
    assert dhcpd.keep(M1, M2, m1=[KEPT]) == "", "a second time there is nothing to do"
    assert dhcpd.address(M1) == KEPT
    assert dhcpd.address(M2) not in (KEPT, OTHER)
    assert (dhcpd.process.pid, dhcpd.process.poll()) == (pid, None)
    dhcpd.process.kill()
    dhcpd.process.wait()
    dhcpd.start()
    assert dhcpd.keep(M1, M2, m1=[KEPT]) == "", "dhcpd remembers"
    assert dhcpd.address(M1) == KEPT
    assert dhcpd.keep(M1, M2, m1=[OTHER]) == f"-host {M1}\n+host {M1} {OTHER}\n"
    assert dhcpd.address(M1) == OTHER
    assert dhcpd.keep(M1, M2, m2=[OTHER]) == f"-host {M1}\n-host {M2}\n+host {M1}\n+host {M2} {OTHER}\n"
    assert dhcpd.address(M2) == OTHER
    assert dhcpd.address(M1) not in (KEPT, OTHER), "registered, and nothing more"
    assert dhcpd.keep(M1) == f"-host {M2}\n"
    assert dhcpd.keep(M1, m2=[OTHER]) == f"+host {M2} {OTHER}\n"
    assert dhcpd.address(M2) == OTHER, "for a NIC that nobody has registered, as a person may have it"
    assert dhcpd.process.poll() is None


def test_machine_with_a_lease_goes_over_to_its_reservation_and_back(dhcpd: KeepingDhcpd) -> None:
    dhcpd.keep(M1)
    leased = dhcpd.address(M1, keep=True)
    assert leased != KEPT
    dhcpd.keep(M1, m1=[KEPT])
    assert dhcpd.address(M1, keep=True) == KEPT
    dhcpd.keep(M1)
    assert dhcpd.address(M1, keep=True) not in (KEPT, OTHER)


def test_address_of_another_network_is_no_reason_not_to_answer(dhcpd: KeepingDhcpd) -> None:
    """A machine's card may be linked to several subnets; here it gets the one that lies here."""
    dhcpd.keep(M1, m1=["10.77.0.50", KEPT])
    assert dhcpd.address(M1) == KEPT
    dhcpd.keep(M1, m1=["10.77.0.50"])
    elsewhere = dhcpd.lease(M1)
    assert elsewhere is not None
    assert elsewhere["address"].startswith("10.20.0.1")
    assert elsewhere["lease_s"] == 600, "as a registered machine"


def test_reserved_address_is_evidence_of_the_machine_as_a_lease_is(dhcpd: KeepingDhcpd) -> None:
    """Metadata goes only to the address that the region was told of."""
    dhcpd.keep(M1, m1=[KEPT])
    answer = dhcpd.lease(M1)
    assert answer is not None
    assert (answer["address"], answer["lease_s"], answer["next_server"]) == (KEPT, 600, "10.20.0.2")
    wait_until(lambda: any(item.get("ip") == KEPT for item in dhcpd.evidence()), "the commit")
    commit = next(item for item in dhcpd.evidence() if item.get("ip") == KEPT)
    assert (commit["action"], commit["mac"], commit["lease_s"]) == ("commit", M1, 600)


@pytest.mark.parametrize(
    "hostile",
    [{M1: ["10.20.0.50; }"]}, {M1: ["2001:db8::1"]}, {M1: KEPT}, {"moon": [KEPT]}, [M1]],
)
def test_what_is_no_reservation_is_refused_and_nothing_is_told(dhcpd: KeepingDhcpd, hostile: Any) -> None:
    dhcpd.section["reservations"] = hostile
    with pytest.raises(AssertionError, match="correct it in the region"):
        dhcpd.tell(M1)
    dhcpd.section["reservations"] = {}
    assert dhcpd.tell(M1) == f"+host {M1}\n"


def test_both_racks_of_a_pair_answer_with_the_reservation(tmp_path: Path) -> None:
    site = Site(tmp_path, [network(20, 199)])
    try:
        site.start()
        for rack in site.racks:
            rack.hosts = [M1]
            rack.reservations = {M1: ["10.20.0.50"]}
            assert rack.agent("tell") == f"+host {M1} 10.20.0.50\n"
        lease = site.lease(M1)
        assert lease is not None
        assert lease["address"] == "10.20.0.50"
        site.primary.kill()
        lease = site.lease(M1)
        assert lease is not None
        assert (lease["address"], lease["server"]) == ("10.20.0.50", "10.20.0.3"), json.dumps(lease)
    finally:
        site.stop()


# A machine that starts again asks for the address that it had, without any offer; and what it is told.
ASK_AGAIN = """
import importlib.util, socket, sys, time
spec = importlib.util.spec_from_file_location("probe", sys.argv[1])
probe = importlib.util.module_from_spec(spec)
sys.modules["probe"] = probe
spec.loader.exec_module(probe)
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
link.bind(("machine", 0x0800))
link.settimeout(2)
mac = bytes.fromhex(sys.argv[2].replace(":", ""))
link.send(probe.frame(mac, probe.message(probe.REQUEST, 7, mac, {50: socket.inet_aton(sys.argv[3])})))
while True:
    try:
        data = link.recv(2048)
    except TimeoutError:
        print("silence")
        break
    reply = probe.parse(data, 7) if len(data) > 280 else None
    if reply is not None and reply.kind in (5, 6):
        print({5: "ACK", 6: "NAK"}[reply.kind])
        break
"""


def test_machine_that_asks_for_its_old_address_is_told_that_it_is_no_longer_its(dhcpd: KeepingDhcpd) -> None:
    def again(address: str) -> str:
        return dhcpd.net.run(sys.executable, "-c", ASK_AGAIN, str(PROBE), M1, address).strip()

    dhcpd.keep(M1)
    leased = dhcpd.address(M1, keep=True)
    assert again(leased) == "ACK"
    dhcpd.keep(M1, m1=[KEPT])
    assert again(leased) == "NAK"
    assert again(KEPT) == "ACK"
    dhcpd.keep(M1)
    # RFC 2131, 4.3.2: of an address that it knows nothing of, a server says nothing. The client begins anew.
    assert again(KEPT) == "silence"
    assert dhcpd.address(M1) != KEPT
