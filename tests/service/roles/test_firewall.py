# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's rules in the kernel: which ports of a host answer whom, over real cables between network namespaces."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import firewall_role
import pytest

from ansible_collections.rackyard.metal.plugins.filter.firewall import firewall_admits

from .namespace import Namespace, program, wait_until

# Whatever anybody may reach, and what nobody may.
PORTS = (22, 53, 67, 69, 80, 123, 443, 547, 623, 647, 5239, 5240, 5245, 5246, 5247, 5248, 5249, 5250, 5270, 5271, 5432,
         5443, 7911, 8000, 9100)  # fmt: skip
# The host under test has a leg in each network; these are at the other end.
HOST = {"mgmt": 21, "pxe": 2, "bmc": 2, "other": 2}
NETWORKS = {"mgmt": "10.10.0", "pxe": "10.20.0", "bmc": "10.30.0", "other": "10.40.0"}
PEERS = {
    "operator": ("mgmt", 1), "region": ("mgmt", 11), "rack": ("mgmt", 22), "machine": ("pxe", 101), "bmc": ("bmc", 11),
    "stranger": ("other", 9),
}  # fmt: skip
SSH = {"tcp 22"}
API = SSH | {"tcp 80", "tcp 443", "tcp 5239", "tcp 5240", "tcp 5443"}
UPWARD = {
    "tcp 53", "udp 53", "udp 123", "tcp 5247", "udp 5247", "tcp 5240", "tcp 5245", "tcp 5250", "tcp 5270",
    "tcp 8000",
}  # fmt: skip
# A relay may be anywhere.
DHCP = {"udp 67", "udp 547"}
BOOTING = DHCP | {
    "udp 69", "udp 123", "tcp 53", "udp 53", "tcp 5247", "udp 5247", "tcp 5248", "tcp 8000",
}  # fmt: skip
OPEN = {
    "region": {
        "operator": API, "region": {"udp 123", "tcp 5240"}, "rack": UPWARD, "machine": set(), "bmc": set(),
        "stranger": set(),
    },
    "rack": {
        "operator": SSH | DHCP, "region": DHCP, "rack": DHCP | {"tcp 647"}, "machine": BOOTING, "bmc": set(),
        "stranger": DHCP,
    },
    "region and rack": {
        "operator": API | DHCP, "region": {"udp 123", "tcp 5240"} | DHCP, "rack": UPWARD | DHCP | {"tcp 647"},
        "machine": BOOTING, "bmc": set(), "stranger": DHCP,
    },
}  # fmt: skip

ANSWER = """
import selectors, socket, sys
waiting = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        one = socket.socket(socket.AF_INET6, kind)
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("::", port))
        if kind == socket.SOCK_STREAM:
            one.listen(64)
        waiting.register(one, selectors.EVENT_READ, kind)
print("ready", flush=True)
while True:
    for key, _events in waiting.select():
        if key.data == socket.SOCK_STREAM:
            link, _peer = key.fileobj.accept()
            waiting.register(link, selectors.EVENT_READ, None)
        elif key.data == socket.SOCK_DGRAM:
            said, peer = key.fileobj.recvfrom(2048)
            if peer[0] == "::ffff:0.0.0.0":
                print("from nowhere:", said.decode(), flush=True)
            elif peer[1] and key.fileobj.getsockname()[1] == 69:
                # As TFTP does it: the answer, and the talk that follows, are of a port of their own.
                own = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
                own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                own.sendto(b"block 1", peer)
                waiting.register(own, selectors.EVENT_READ, "talk")
            else:
                key.fileobj.sendto(said, peer)
        elif key.data == "talk":
            said, peer = key.fileobj.recvfrom(2048)
            key.fileobj.sendto(b"block 2", peer)
        else:
            said = key.fileobj.recv(2048)
            key.fileobj.sendall(said) if said else waiting.unregister(key.fileobj)
"""
# Prints what answers; a second after the last answer it is over.
SCAN = """
import selectors, socket, sys
source, target = sys.argv[1:3]
family = socket.AF_INET6 if ":" in target else socket.AF_INET
waiting = selectors.DefaultSelector()
for port in map(int, sys.argv[3:]):
    for kind, name in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
        one = socket.socket(family, kind)
        one.bind((source, 0))
        one.setblocking(False)
        if name == "tcp":
            one.connect_ex((target, port))
        else:
            one.sendto(b"anybody there?", (target, port))
        events = selectors.EVENT_WRITE if name == "tcp" else selectors.EVENT_READ
        waiting.register(one, events, f"{name} {port}")
while waiting.get_map() and (ready := waiting.select(1)):
    for key, _events in ready:
        waiting.unregister(key.fileobj)
        if not key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            print(key.data)
"""
TFTP = """
import socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.settimeout(5)
link.sendto(b"read", (sys.argv[1], 69))
said, peer = link.recvfrom(100)
assert peer[1] != 69
link.sendto(b"ack 1", peer)
print(said.decode(), link.recv(100).decode())
"""
# A frame as a client without an address sends it: 0.0.0.0:68 to 255.255.255.255:67, without a checksum of UDP.
DISCOVER = """
import socket, struct, sys
text = sys.argv[2].encode()
udp = struct.pack("!4H", 68, 67, 8 + len(text), 0) + text
head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\\xff" * 4)
total = sum(struct.unpack("!10H", head))
head = head[:10] + struct.pack("!H", 0xffff - (total & 0xffff) - (total >> 16)) + head[12:]
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind((sys.argv[1], 0))
link.send(b"\\xff" * 6 + link.getsockname()[4] + b"\\x08\\x00" + head + udp)
"""
# Prints whether an echo request is answered within a second.
PING = """
import select, socket, struct, sys
newer = ":" in sys.argv[1]
family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if newer else (socket.AF_INET, socket.IPPROTO_ICMP)
asked, answered = (128, 129) if newer else (8, 0)
link = socket.socket(family, socket.SOCK_RAW, protocol)
link.connect((sys.argv[1], 0))
link.send(struct.pack("!BBHHH", asked, 0, 0xffff - asked * 256 - 7 - 1, 7, 1))
while select.select([link], [], [], 1)[0]:
    said = link.recv(2048)
    if said[0 if newer else 20] == answered:
        print("answered")
        break
"""
# Says what comes back for each line; a connection that is dead says nothing.
TALK = """
import socket, sys
link = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
for line in sys.stdin:
    link.sendall(line.encode())
    print(link.recv(100).decode().strip(), flush=True)
"""


def address(network: str, number: int, version: int = 4) -> str:
    """An address in one of the networks."""
    return f"{NETWORKS[network]}.{number}" if version == 4 else f"fd00:{NETWORKS[network].split('.')[1]}::{number}"


def ports(network: str, numbers: Sequence[int]) -> list[str]:
    """The addresses of a port with these numbers, of both families."""
    return [
        text for number in numbers for text in (f"{address(network, number)}/24", f"{address(network, number, 6)}/64")
    ]


def within(network: str) -> list[str]:
    """Both networks of a cable."""
    return [f"{NETWORKS[network]}.0/24", f"{address(network, 0, 6)}/64"]


class Site:
    """A host with a leg in each network, on which everything listens, and who is at the other ends."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.host = Namespace(home)
        self.ends = {name: Namespace(home) for name in NETWORKS}
        for name, end in self.ends.items():
            numbers = [number for network, number in PEERS.values() if network == name]
            self.host.cable(f"{name}0", ports(name, [HOST[name]]), end, ports(name, numbers))
            for version in (4, 6):
                end.run("ip", f"-{version}", "route", "add", "default", "via", address(name, HOST[name], version))
        self.host.start("answer", sys.executable, "-c", ANSWER, *map(str, PORTS))
        wait_until(lambda: "ready" in self.host.log("answer"), "listening")
        # A scan waits no longer than IPv6 does before it asks for a neighbour again.
        wait_until(
            lambda: all(answers for version in (4, 6) for answers in self.everybodys_answers(version).values()),
            "everybody's neighbours",
        )

    def inputs(self, **more: Any) -> dict[str, Any]:
        """Who is who, as an inventory says it."""

        def both(*peers: tuple[str, int]) -> list[str]:
            return [address(*peer, version) for peer in peers for version in (4, 6)]

        return {
            "firewall_operators": both(PEERS["operator"]),
            "firewall_regions": both(PEERS["region"]),
            "firewall_racks": both(PEERS["rack"], ("mgmt", HOST["mgmt"])),
            "firewall_machine_networks": within("pxe"),
            "firewall_bmc_networks": within("bmc"),
        } | more

    def links(self) -> list[dict[str, Any]]:
        """Interfaces of the host, as `ip -json address` tells them."""
        told = {"lo": ["127.0.0.1"]} | {
            f"{name}0": [address(name, HOST[name]), "fe80::1", address(name, HOST[name], 6)] for name in NETWORKS
        }
        return [{"ifname": name, "addr_info": [{"local": one} for one in found]} for name, found in told.items()]

    def load(self, tiers: list[str], **more: Any) -> None:
        """Judge the role's rules as the role does, and load them as its unit does."""
        rules = self.home / "firewall.nft"
        rules.write_text(firewall_role.rules(tiers, self.links(), **self.inputs(**more)))
        nft = program("nft", "nftables")
        self.host.run(nft, "--check", "--file", str(rules))
        self.host.run(nft, "--file", str(rules))

    def answers(self, peer: str, version: int = 4) -> set[str]:
        """Ports of the host that answer a peer, as `tcp 22`."""
        network, number = PEERS[peer]
        target = address(network, HOST[network], version)
        words = [address(network, number, version), target, *map(str, PORTS)]
        return set(self.ends[network].run(sys.executable, "-c", SCAN, *words).splitlines())

    def everybodys_answers(self, version: int) -> dict[str, set[str]]:
        """The same for each peer, side by side."""
        with ThreadPoolExecutor(len(PEERS)) as pool:
            return dict(zip(PEERS, pool.map(lambda peer: self.answers(peer, version), PEERS), strict=True))

    def reaches(self, network: str, target: str) -> bool:
        """Whether an echo request from the other end of a cable is answered."""
        return "answered" in self.ends[network].run(sys.executable, "-c", PING, target)

    def stop(self) -> None:
        for net in (*self.ends.values(), self.host):
            net.stop()


@pytest.fixture(scope="module")
def cables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("firewall"))
    try:
        yield site
    finally:
        site.stop()


@pytest.fixture
def site(cables: Site) -> Site:
    """The host before the role."""
    cables.host.run("nft", "flush", "ruleset")
    return cables


@pytest.mark.parametrize("version", [4, 6])
def test_without_the_rules_everything_answers_everybody(site: Site, version: int) -> None:
    """The tests below can fail."""
    everything = {f"{protocol} {port}" for protocol in ("tcp", "udp") for port in PORTS}
    assert site.everybodys_answers(version) == dict.fromkeys(PEERS, everything)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("tiers", OPEN)
def test_exactly_the_tables_ports_answer(site: Site, tiers: str, version: int) -> None:
    """And the filter that keeps Ansible from being locked out says the same as the kernel."""
    site.load(tiers.split(" and "))
    rows, parties = firewall_role.table(tiers.split(" and "), **site.inputs())
    assert site.everybodys_answers(version) == OPEN[tiers]
    told = {
        peer: {
            f"{protocol} {port}"
            for protocol in ("tcp", "udp")
            for port in PORTS
            if firewall_admits(rows, tiers.split(" and "), parties, address(*place, version), protocol, port)
        }
        for peer, place in PEERS.items()
    }
    assert told == OPEN[tiers]


def test_unless_told_otherwise_operators_and_machines_are_everywhere_but_at_bmcs(site: Site) -> None:
    site.load(["rack"], firewall_operators=[], firewall_machine_networks=[])
    assert site.answers("stranger") == SSH | BOOTING
    assert site.answers("bmc") == set()
    site.load(["rack"], firewall_operators=[])
    assert site.answers("stranger") == SSH | DHCP
    assert site.answers("machine") == BOOTING, "no ssh"


def test_an_operator_who_is_named_may_be_among_machines_and_bmcs(site: Site) -> None:
    site.load(["region"], firewall_operators=[address(*PEERS["machine"])])
    assert site.answers("machine") == API


def test_what_an_operator_opens_besides(site: Site) -> None:
    database = {"firewall_remote_database": True}
    extra = [
        {"ports": [9100], "protocols": ["tcp"], "from": [address(*PEERS["stranger"])]},
        {"ports": ["5271"], "protocols": ["udp"]},
        {"rule": f"ip saddr {address(*PEERS['machine'])} tcp dport 7911 accept"},
    ]
    site.load(["region"], firewall_extra=extra, **database)
    assert site.answers("stranger") == {"tcp 9100", "udp 5271"}
    assert site.answers("machine") == {"tcp 7911"}
    assert site.answers("region") == {"udp 123", "tcp 5240", "tcp 5432", "udp 5271"}
    assert "tcp 5432" not in site.answers("rack") | site.answers("operator")


def test_pings_are_answered_but_for_bmcs(site: Site) -> None:
    site.load(["rack"])
    for version in (4, 6):
        assert site.reaches("pxe", address("pxe", HOST["pxe"], version))
        assert site.reaches("other", address("other", HOST["other"], version))
        assert not site.reaches("bmc", address("bmc", HOST["bmc"], version))


def test_answers_of_a_bmc_and_blocks_of_tftp_get_through(site: Site) -> None:
    site.load(["rack"])
    site.ends["bmc"].start("sensor", sys.executable, "-c", ANSWER, "623")
    wait_until(lambda: "ready" in site.ends["bmc"].log("sensor"), "the BMC")
    words = [address("bmc", HOST["bmc"]), address(*PEERS["bmc"]), "623"]
    assert "udp 623" in site.host.run(sys.executable, "-c", SCAN, *words).splitlines()
    assert site.ends["pxe"].run(sys.executable, "-c", TFTP, address("pxe", HOST["pxe"])) == "block 1 block 2\n"


def test_a_machine_without_an_address_is_heard_and_a_bmc_without_one_is_not(site: Site) -> None:
    def heard(text: str) -> bool:
        return f"from nowhere: {text}" in site.host.log("answer")

    def discover(network: str, text: str) -> None:
        site.ends[network].run(sys.executable, "-c", DISCOVER, "eth0", text)

    discover("bmc", "bmc before")
    wait_until(lambda: heard("bmc before"), "the BMC's word without rules")
    site.load(["rack"])
    discover("bmc", "bmc after")
    discover("pxe", "machine")
    wait_until(lambda: heard("machine"), "the machine's word")
    assert not heard("bmc after")


def test_connections_survive_new_rules_that_would_not_let_them_in(site: Site) -> None:
    site.load(["region"])
    operator, target = site.ends["mgmt"], address("mgmt", HOST["mgmt"])
    words = operator.inside(sys.executable, "-c", TALK, target, "5240")
    said = _conversation(words)
    assert next(said) == "word 1"
    site.load(["region"], firewall_operators=["192.0.2.1"])
    assert next(said) == "word 2"
    assert site.answers("operator") == set()
    assert next(said) == "word 3"
    said.close()


def _conversation(command: list[str]) -> Generator[str, None, None]:
    """What comes back for one word after another, on one connection."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as talk:
        assert talk.stdin
        assert talk.stdout
        try:
            for number in count(1):
                talk.stdin.write(f"word {number}\n")
                talk.stdin.flush()
                yield talk.stdout.readline().strip()
        finally:
            talk.kill()


def test_a_rack_is_no_way_between_networks_and_others_go_on_through_it(site: Site) -> None:
    site.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    ways = [("pxe", "bmc"), ("pxe", "other"), ("other", "pxe"), ("other", "bmc"), ("bmc", "other"), ("other", "mgmt")]
    peer_of = dict(reversed(PEERS.values()))

    def open_ways(version: int) -> list[tuple[str, str]]:
        with ThreadPoolExecutor(len(ways)) as pool:
            found = pool.map(lambda way: site.reaches(way[0], address(way[1], peer_of[way[1]], version)), ways)
            return [way for way, reached in zip(ways, found, strict=True) if reached]

    for version in (4, 6):
        assert open_ways(version) == ways
    site.load(["rack"])
    for version in (4, 6):
        assert open_ways(version) == [("other", "mgmt")]


def test_rules_of_others_stay_and_loading_again_changes_nothing(site: Site) -> None:
    site.host.run("nft", "add table inet guest; add chain inet guest input { type filter hook input priority 10; }")
    site.load(["rack"])
    once = site.host.run("nft", "--stateless", "list", "ruleset")
    assert "table inet guest" in once
    site.load(["rack"])
    assert site.host.run("nft", "--stateless", "list", "ruleset") == once
    # What the unit does when it is stopped.
    site.host.run("nft", "delete", "table", "inet", "rackyard")
    assert "table inet guest" in site.host.run("nft", "list", "ruleset")
    assert "udp 5271" in site.answers("bmc")


def test_what_is_refused_is_counted(site: Site) -> None:
    site.load(["rack"])
    assert site.answers("bmc") == set()
    chain = site.host.run("nft", "list", "chain", "inet", "rackyard", "refuse")
    dropped = int(chain.rsplit("counter packets ", 1)[1].split()[0])
    assert dropped >= 2 * len(PORTS)
    site.load(["rack"], firewall_log=False)
    assert "log prefix" not in site.host.run("nft", "list", "table", "inet", "rackyard")
