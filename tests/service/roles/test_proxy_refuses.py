# SPDX-License-Identifier: GPL-3.0-or-later
"""A real squid with the role's file and the service's: what it refuses by rule, and how often it asks for one thing."""

from __future__ import annotations

import grp
import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rackyard.daemons.proxy import render as render_include

from .namespace import Namespace, program, wait_until
from .test_templates import render

ALLOWED = "10.30.0.5"
# Answers on every address, so that only a rule of squid can keep a request from being answered.
SERVER = """
import http.server, socket
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()
Server(("::", 8080), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
ASK = """
import socket, sys
link = socket.create_connection(("127.0.0.1", 8000), 20)
link.sendall(sys.argv[1].encode("unicode_escape").replace(b"\\\\r\\\\n", b"\\r\\n"))
answer = b""
while b"\\r\\n\\r\\n" not in answer and (part := link.recv(4096)):
    answer += part
sys.stdout.write(answer.decode("latin-1"))
"""
# Takes its time over something that may be kept, and says each time that it is asked.
SLOW = """
import http.server, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print("asked", flush=True)
        time.sleep(2)
        self.send_response(200)
        self.send_header("Cache-Control", "max-age=600")
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"package")
http.server.ThreadingHTTPServer(("192.0.2.10", 8081), Slow).serve_forever()
"""
TOGETHER = """
import concurrent.futures, urllib.request
def fetch(_machine):
    asked = urllib.request.Request("http://192.0.2.10:8081/pool/a.deb")
    asked.set_proxy("127.0.0.1:8000", "http")
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return answer.read().decode() + " " + answer.headers["Via"]
with concurrent.futures.ThreadPoolExecutor(8) as machines:
    print("\\n".join(machines.map(fetch, range(8))))
"""


class Squid:
    """squid as on a region, in a namespace where 192.0.2.10, 10.30.0.5 and 10.30.0.99 answer."""

    def __init__(self, home: Path) -> None:
        self._net = Namespace(home)
        for address in ("192.0.2.10", ALLOWED, "10.30.0.99"):
            self._net.run("ip", "address", "add", f"{address}/32", "dev", "lo")
        # Every form of an address leads somewhere.
        self._net.run("ip", "-6", "route", "add", "local", "::/0", "dev", "lo")
        section = {"clients": ["127.0.0.1"], "forbidden": ["10.30.0.0/24", "2001:db8:30::/64"]}
        (home / "squid.conf").write_bytes(render_include(section))
        inputs = {
            "proxy_service_dir": str(home), "proxy_allowed": [ALLOWED], "proxy_forbidden": ["198.51.100.0/24"],
            "proxy_visible_hostname": "region1",
        }  # fmt: skip
        text = render("proxy", "etc/squid/squid.conf", ["region"], inputs)
        text = re.sub(r"(?m)^cache_dir .*\n", "", text).replace("/var/spool/squid", str(home))
        own = f"pid_filename {home}/pid\ncache_log {home}/cache.log\naccess_log none\nlogfile_rotate 0\n"
        main = home / "main.conf"
        main.write_text(text + own + "connect_timeout 5 seconds\n")
        os.chown(home, pwd.getpwnam("proxy").pw_uid, grp.getgrnam("proxy").gr_gid)
        for parent in home.parents[:3]:
            parent.chmod(parent.stat().st_mode | 0o011)
        self._net.start("server", "python3", "-c", SERVER)
        wait_until(lambda: ":8080" in self._net.run("ss", "-ltn"), "the server's start")
        self._net.start("slow", "python3", "-c", SLOW)
        wait_until(lambda: ":8081" in self._net.run("ss", "-ltn"), "the slow server's start")
        self._net.start("squid", program("squid", "squid"), "-N", "-f", str(main))
        wait_until(lambda: self.ask("GET http://127.0.0.1:8080/ HTTP/1.0", check=False), "squid's start")

    def ask(self, line: str, *, check: bool = True) -> str:
        """Status and squid's own word for its error, as in "403 ERR_ACCESS_DENIED"."""
        try:
            answer = self._net.run("python3", "-c", ASK, f"{line}\r\nHost: x\r\n\r\n")
        except AssertionError:
            if check:
                raise
            return ""
        status = answer.split(" ", 2)[1] if answer.startswith("HTTP") else answer
        word = re.search(r"X-Squid-Error: (\S+)", answer)
        return f"{status} {word[1] if word else ''}".strip()

    def fetch_together(self) -> tuple[list[str], int]:
        """Eight machines ask for one package at once: body and Via of each, how often the server was asked."""
        answers = self._net.run("python3", "-c", TOGETHER).splitlines()
        return answers, self._net.log("slow").count("asked")

    def stop(self) -> None:
        self._net.stop()


@pytest.fixture(scope="module")
def squid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Squid]:
    server = Squid(tmp_path_factory.mktemp("squid"))
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("host", ["192.0.2.10", ALLOWED])
def test_what_is_open_is_reached(squid: Squid, host: str) -> None:
    assert squid.ask(f"GET http://{host}:8080/ HTTP/1.0") == "200"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::7f01:203]",
        "[64:ff9b::169.254.1.1]",
        "[64:ff9b:1::127.0.0.1]",
        "[2002:7f00:1::]",
        "0.0.0.0",
        "[::0.0.0.0]",
        "169.254.169.254",
        # Nobody registered a BMC at this one; it is in the network of those that are.
        "10.30.0.99",
        "[::10.30.0.99]",
        "[64:ff9b::10.30.0.99]",
        "[::ffff:10.30.0.99]",
        "[2001:db8:30::99]",
        "198.51.100.7",
        "[64:ff9b::198.51.100.7]",
        # Names that one program decodes and another does not.
        "192.0.2.10%00",
        "192.0.2.10%00.example.org",
        "127.0.0.1%00.example.org",
        "%31%32%37.0.0.1",
    ],
)
@pytest.mark.parametrize("method", ["GET", "CONNECT"])
def test_every_form_of_a_closed_address_is_refused_by_rule(squid: Squid, method: str, host: str) -> None:
    line = f"GET http://{host}:8080/ HTTP/1.0" if method == "GET" else f"CONNECT {host}:443 HTTP/1.1"
    # A host that squid cannot read at all is a bad request, which reaches nothing either.
    assert squid.ask(line) in ("403 ERR_ACCESS_DENIED", "400 ERR_INVALID_URL")


def test_machines_that_ask_for_the_same_at_once_have_it_fetched_once(squid: Squid) -> None:
    answers, asked = squid.fetch_together()
    assert len(answers) == 8
    assert {answer.split()[0] for answer in answers} == {"package"}
    assert asked == 1
    assert all(re.search(r" region1 \(squid", answer) for answer in answers), "the name that the role gives it"
