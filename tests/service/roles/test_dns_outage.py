# SPDX-License-Identifier: GPL-3.0-or-later
"""A rack's real named while its region says nothing any more: names that it knew still resolve."""

from __future__ import annotations

import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rackyard.daemons.dns import render as render_include

from .namespace import Namespace, program, wait_until
from .test_templates import render

NAME = "10-20-0-0--24.rackyard.internal"
# Answers every A question with one address and a TTL of 1 s.
REGION = """
import socket, dns.flags, dns.message, dns.rrset
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.bind(("10.10.0.11", 53))
while True:
    data, client = link.recvfrom(4096)
    question = dns.message.from_wire(data)
    answer = dns.message.make_response(question, recursion_available=True)
    if question.question[0].rdtype == 1:
        answer.answer.append(dns.rrset.from_text(question.question[0].name, 1, "IN", "A", "10.20.0.2"))
    link.sendto(answer.to_wire(), client)
"""
# As a resolver of glibc does: twice, 5 s each.
ASK = """
import sys, dns.exception, dns.message, dns.query
for _attempt in range(2):
    try:
        answer = dns.query.udp(dns.message.make_query(sys.argv[1], "A"), "127.0.0.1", timeout=5)
    except dns.exception.Timeout:
        continue
    print(" ".join(item.address for rrset in answer.answer for item in rrset))
    break
"""


class Rack:
    """named as on a rack, and a region that can fall silent."""

    def __init__(self, home: Path) -> None:
        self._net = Namespace(home)
        self._net.run("ip", "address", "add", "10.10.0.11/32", "dev", "lo")
        self.region = self._net.start("region", sys.executable, "-c", REGION)
        (home / "named.conf").write_bytes(render_include({"forwarders": ["10.10.0.11"], "trusted": []}))
        text = render("dns", "etc/bind/named.conf", ["rack"], {"dns_service_dir": str(home)})
        text = re.sub(r"listen-on(-v6)? \{ any; \};", lambda v6: "" if v6[1] else "listen-on { 127.0.0.1; };", text)
        text = text.replace("/var/cache/bind", str(home)).replace("/etc/bind", str(home))
        (home / "named.conf.local").touch()
        main = home / "main.conf"
        main.write_text("controls { };\n" + text.replace("options {", "options {\n\tpid-file none;", 1))
        self._net.start("named", program("named", "bind9"), "-g", "-c", str(main))
        wait_until(lambda: "running" in self._net.log("named"), "named's start")

    def ask(self) -> tuple[str, float]:
        """The address and the seconds that it took."""
        began = time.monotonic()
        return self._net.run(sys.executable, "-c", ASK, NAME).strip(), time.monotonic() - began

    def stop(self) -> None:
        self._net.stop()


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    server = Rack(tmp_path)
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.alone
def test_known_names_resolve_while_the_region_is_silent(rack: Rack) -> None:
    assert rack.ask()[0] == "10.20.0.2"
    rack.region.send_signal(signal.SIGSTOP)
    time.sleep(2)
    address, seconds = rack.ask()
    assert address == "10.20.0.2"
    assert seconds < 8
    address, seconds = rack.ask()
    assert address == "10.20.0.2"
    assert seconds < 2, "it is not waited for the region each time"
