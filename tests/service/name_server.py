# SPDX-License-Identifier: GPL-3.0-or-later
"""A region's or rack's real named with the templates of role dns, on a free port of the loopback; its unit played."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.update
import pytest
from front import free_port, render, wait_for

from rackyard.daemons.dns import DAEMON as DNS

DOMAIN = "rackyard.internal"
OPTIONS = "listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; pid-file none; session-keyfile none;"


def program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin")
    if found is None:
        pytest.exit(f"{name} is missing; install it with: apt-get install bind9", returncode=3)
    return found


class NameServer:
    """named, and what systemd does with it. `root` stands for /var/lib/rackyard. The one of a rack forwards to the port
    of a region's."""

    def __init__(self, place: Path, region_port: int | None = None) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self.place = place
        self.tier = "region" if region_port is None else "rack"
        self.root = place / "lib"
        self.zone_file = place / f"{DOMAIN}.zone"
        self.key_file = place / "rackyard.key"
        self.port = free_port()
        self.orders: list[tuple[str, str]] = []
        self._process: subprocess.Popen[bytes] | None = None
        (self.root / "dns/zones").mkdir(parents=True)
        (place / "named.conf.local").touch()
        key = [program("tsig-keygen"), "-a", "hmac-sha256", "rackyard"]
        self.key_file.write_bytes(subprocess.run(key, check=True, capture_output=True).stdout)
        self.zone_file.write_text(self._rendered("var/lib/bind/zone"))
        service = self._rendered("var/lib/rackyard/dns/named.conf")
        if region_port is not None:
            forwarding = DNS.render({"trusted": [], "forwarders": ["127.0.0.1"]}).decode("ascii")
            service = forwarding.replace("127.0.0.1;", f"127.0.0.1 port {region_port};")
        (self.root / "dns/named.conf").write_text(service)
        options = OPTIONS.format(port=self.port)
        text = self._rendered("etc/bind/named.conf").replace("options {", f"options {{\n\t{options}", 1)
        text = text.replace("listen-on { any; };", "").replace("listen-on-v6 { any; };", "")
        (place / "named.conf").write_text("controls { };\n" + text)
        (place / "mend").write_text(self._rendered("usr/local/sbin/rackyard-dns-mend"))

    def _rendered(self, template: str) -> str:
        zones = str(self.root / "dns/zones")
        inputs = {"dns_service_dir": str(self.root / "dns"), "__dns_zones": zones, "dns_dnssec_validation": "no"}
        text = render("dns", template, [self.tier], inputs)
        return re.sub("/(etc|var/lib|var/cache)/bind", str(self.place), text)

    def start(self) -> None:
        """As the unit does it."""
        subprocess.run(["sh", str(self.place / "mend")], check=False)
        command = [program("named"), "-g", "-n", "1", "-c", str(self.place / "named.conf")]
        with (self.place / "named.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(self._runs, "named")

    def kill(self) -> None:
        """As a loss of power ends it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def act(self, verb: str, unit: str) -> str:
        """systemctl, as the service asks for it."""
        self.orders.append((verb, unit))
        assert self._process is not None
        if verb == "restart":
            self._process.terminate()
            self._process.wait(10)
            self.start()
        else:
            subprocess.run(["kill", "-HUP", str(self._process.pid)], check=True)
        return ""

    def is_active(self, unit: str) -> bool:
        return True

    def stays_active(self, unit: str) -> bool:
        return True

    def words(self) -> str:
        return (self.place / "named.log").read_text()

    def _runs(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.words()
        # Class CH is answered by named itself, also by one that forwards all else.
        question = dns.message.make_query("version.bind", "TXT", "CH")
        try:
            dns.query.udp(question, "127.0.0.1", timeout=0.3, port=self.port)
        except (OSError, dns.exception.Timeout):
            return False
        return True

    def answer(self, name: str, kind: str = "A", timeout_s: float = 5) -> dns.message.Message:
        """What named says."""
        return dns.query.udp(dns.message.make_query(name, kind), "127.0.0.1", timeout=timeout_s, port=self.port)

    def records(self, name: str, kind: str = "A") -> list[tuple[int, str]]:
        """TTL and data, in the order of the answer; of aliases what they lead to."""
        found = self.answer(name, kind).answer
        return [(rrset.ttl, data.to_text()) for rrset in found for data in rrset if rrset.rdtype != dns.rdatatype.CNAME]

    def data(self, name: str, kind: str = "A") -> set[str]:
        return {data for _ttl, data in self.records(name, kind)}

    def serial(self, zone: str = DOMAIN) -> int:
        (rrset,) = self.answer(zone, "SOA").answer
        return int(rrset[0].serial)

    def nsupdate(self, zone: str = DOMAIN) -> dns.update.UpdateMessage:
        """An update of somebody who has the key; `send` takes it."""
        secret = re.search(r'secret "([^"]+)"', self.key_file.read_text())
        assert secret is not None
        update = dns.update.UpdateMessage(zone)
        name = dns.name.from_text("rackyard")
        update.use_tsig({name: dns.tsig.Key(name, secret[1], dns.name.from_text("hmac-sha256"))})
        return update

    def send(self, update: dns.update.UpdateMessage) -> None:
        answer = dns.query.tcp(update, "127.0.0.1", port=self.port, timeout=5)
        assert answer.rcode() == dns.rcode.NOERROR

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)


@contextmanager
def running(place: Path, region_port: int | None = None) -> Iterator[NameServer]:
    """Started, until the block ends."""
    server = NameServer(place, region_port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
