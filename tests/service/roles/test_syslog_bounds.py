# SPDX-License-Identifier: GPL-3.0-or-later
"""Real rsyslogds of a rack and a region: whose file a line goes to, and how much of it anybody can fill."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rackyard.daemons.syslog import UNKNOWN, names
from rackyard.daemons.syslog import render as render_include

from .namespace import Namespace, program, wait_until
from .test_templates import render

MACHINE, STRANGER = "10.20.0.101", "10.20.0.150"
REGION, RACK = "10.10.0.11", "10.20.0.2"
MIB = 1024 * 1024
SEND = """
import socket, sys, time
source, kind, size_mib, text = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
link = socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
link.bind((source, 0))
link.connect(("10.20.0.2", 5247))
line = text.encode().decode("unicode_escape").encode("latin-1")
if not size_mib:
    link.send(line + (b"\\n" if kind == "tcp" else b""))
sent, began = 0, time.monotonic()
link.settimeout(0.2)
line += b" " + b"x" * 1000 + b"\\n"
while sent < size_mib * 1048576 and time.monotonic() - began < 5:
    try:
        sent += link.send(line)
    except TimeoutError:
        pass
print(sent)
"""

RELAY = """
import socket, sys
link = socket.create_connection((sys.argv[2], 5247), source_address=(sys.argv[1], 0))
for address in sys.argv[3:]:
    link.sendall(f'<14>1 2026-01-01T00:00:00Z a app - - [origin ip="{address}"] talks\\n'.encode())
link.close()
"""


class Logs:
    """A rack that relays to a region, and a cable to machines; on the machines' end are two addresses."""

    def __init__(self, home: Path, unknown_mib: int) -> None:
        self.home = home
        self._unknown_mib = unknown_mib
        self.net, self.machines = Namespace(home), Namespace(home)
        self.net.run("ip", "address", "add", f"{REGION}/32", "dev", "lo")
        self.net.cable("pxe0", [f"{RACK}/24"], self.machines, [f"{each}/24" for each in (MACHINE, STRANGER)])
        self.store = home / "machines"
        self.know({MACHINE: "m1"})
        self._start("region", REGION, {"clients": [f"{RACK}/32"], "relays": [RACK, REGION]})
        targets = [{"address": REGION, "port": 5245}]
        self._start("rack", RACK, {"clients": ["10.20.0.0/24"], "relp_targets": targets})

    def _start(self, tier: str, address: str, section: dict[str, object]) -> None:
        place = self.home / tier
        place.mkdir(exist_ok=True)
        (place / "rsyslog.conf").write_bytes(render_include(section))
        inputs = {
            "syslog_service_dir": str(place), "syslog_machines_dir": str(self.store), "syslog_machine_mib": 2,
            "syslog_unknown_mib": self._unknown_mib,
        }  # fmt: skip
        text = render("syslog", "etc/rsyslog.d/50-rackyard.conf", [tier], inputs)
        text = text.replace('port="5247" ruleset', f'port="5247" address="{address}" ruleset')
        main = place / "main.conf"
        main.write_text(f'global(workDirectory="{place}")\n{text}')
        self.process = self.net.start(tier, program("rsyslogd", "rsyslog"), "-n", "-f", str(main), "-i", "NONE")
        if tier == "region":
            self.region = self.process
        listening = f"{address}:5247"
        wait_until(lambda: self.net.run("ss", "-ltun").count(listening) == 2, f"{tier}'s rsyslogd")

    def know(self, machines: dict[str, str]) -> None:
        """What the region's worker writes; then it lets rsyslogd read it."""
        (self.home / "region").mkdir(exist_ok=True)
        (self.home / "region/machines.json").write_bytes(names(machines))

    def reread(self) -> None:
        for child in Path(f"/proc/{self.region.pid}/task/{self.region.pid}/children").read_text().split():
            os.kill(int(child), 1)
        os.kill(self.region.pid, 1)

    def send(self, text: str, source: str, kind: str = "udp", mib: float = 0) -> int:
        """One line, or as many MiB of it as get away within 5 s; the bytes of these."""
        return int(self.machines.run("python3", "-c", SEND, source, kind, str(mib), text))

    def relay(self, *addresses: str) -> None:
        """A line of each machine, as the rack hands it on to the region."""
        self.net.run("python3", "-c", RELAY, RACK, REGION, *addresses)

    def open_files(self) -> int:
        """Files of the store that the region's rsyslogd has open."""
        (pid,) = self.net.run("pgrep", "--newest", "--full", f"rsyslogd.*{self.home}/region/main.conf").split()
        links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
        return sum(link.startswith(str(self.store)) for link in links)

    def stored(self, machine: str) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted((self.store / machine).glob("*.log")))

    def limit(self) -> None:
        rules = self.home / "rate.nft"
        rules.write_text(render("syslog", "etc/rackyard/syslog-rate.nft", ["rack"], {}))
        for _twice in range(2):
            self.net.run("nft", "-f", str(rules))

    def stop(self) -> None:
        self.machines.stop()
        self.net.stop()


@pytest.fixture
def logs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Logs]:
    site = Logs(tmp_path, unknown_mib=getattr(request, "param", 1))
    try:
        yield site
    finally:
        site.stop()


def test_address_decides_whose_file_it_is_and_not_what_the_line_says(logs: Logs) -> None:
    logs.send("<14>Jan  1 00:00:00 whoever app: mine", MACHINE)
    forged = [
        "<14>Jan  1 00:00:00 m1 app: forged-plain",
        f'<14>1 2026-01-01T00:00:00Z m1 app - - [origin ip="{MACHINE}"] forged-structured',
        f'<14>1 2026-01-01T00:00:00Z m1 [origin ip="{MACHINE}"] - - - forged-fields',
        f'<14>Jan  1 00:00:00 m1 x[1]-[origin: forged [origin ip="{MACHINE}"]',
        "<14>Jan  1 00:00:00 ../../m1 app: forged-path",
        "<14>Jan  1 00:00:00 m1 : forged-no-tag",
        f'<14>1 - - - - - [origin ip="{MACHINE}"] forged-empty',
        f'<14>1  m1    [origin ip="{MACHINE}"] forged-gaps',
        "forged-bare",
    ]
    for text in forged:
        for kind in ("udp", "tcp"):
            logs.send(text, STRANGER, kind)
    wait_until(lambda: logs.stored(UNKNOWN).count("forged") >= 2 * len(forged), "the lines of the stranger")
    wait_until(lambda: "mine" in logs.stored("m1"), "the machine's line")
    assert f" {MACHINE} whoever app mine" in logs.stored("m1")
    assert "forged" not in logs.stored("m1")
    assert all(f" {STRANGER} " in line for line in logs.stored(UNKNOWN).splitlines())
    assert sorted(path.name for path in logs.store.iterdir()) == [UNKNOWN, "m1"]


def test_lease_that_passes_to_another_machine_takes_the_lines_with_it(logs: Logs) -> None:
    logs.send("<14>Jan  1 00:00:00 a app: first", MACHINE)
    wait_until(lambda: "first" in logs.stored("m1"), "the first line")
    logs.know({MACHINE: "m2", "2001:db8::7": "m1"})
    logs.reread()

    def second() -> bool:
        logs.send("<14>Jan  1 00:00:00 a app: second", MACHINE)
        time.sleep(0.2)
        return "second" in logs.stored("m2")

    wait_until(second, "the table's second reading")
    logs.know({})
    logs.reread()
    wait_until(
        lambda: logs.send("<14>Jan  1 00:00:00 a app: third", MACHINE) or "third" in logs.stored(UNKNOWN), "nobody's"
    )


def test_flood_of_a_stranger_fills_its_file_and_no_other(logs: Logs) -> None:
    """Without the rack's limit: 40 MiB by TCP, which loses nothing on the way."""
    logs.send("<14>Jan  1 00:00:00 m1 flood:", STRANGER, "tcp", 40)
    wait_until(lambda: len(logs.stored(UNKNOWN)) >= MIB, "the flood", 60)
    logs.send("<14>Jan  1 00:00:00 a app: through", MACHINE)
    wait_until(lambda: "through" in logs.stored("m1"), "the machine's line", 60)
    assert "flood" not in logs.stored("m1")
    sizes = sum(path.stat().st_size for path in logs.store.rglob("*.log"))
    assert sizes < 1.1 * MIB
    logs.send("<14>Jan  1 00:00:00 m1 talk:", MACHINE, "tcp", 6)
    wait_until(lambda: len(logs.stored("m1")) >= 2 * MIB, "the talkative machine", 60)
    time.sleep(1)
    assert len(logs.stored("m1")) < 2.1 * MIB


@pytest.mark.alone
@pytest.mark.parametrize("logs", [64], indirect=True, ids=["roomy"])
@pytest.mark.parametrize("kind", ["udp", "tcp"])
def test_rack_takes_no_more_from_a_sender_than_its_share(logs: Logs, kind: str) -> None:
    logs.limit()
    sent = logs.send("<14>Jan  1 00:00:00 m1 flood:", STRANGER, kind, 40)
    assert sent > 30 * MIB if kind == "udp" else sent < 10 * MIB, "TCP slows down a sender, UDP loses"
    logs.send("<14>Jan  1 00:00:00 a app: through", MACHINE)
    wait_until(lambda: "through" in logs.stored("m1"), "the machine's line", 5)
    time.sleep(1)
    # 2 MiB at once and 64 KiB in each of some seconds; of UDP some is lost on the way.
    assert MIB / 4 < len(logs.stored(UNKNOWN)) < 3.5 * MIB


def test_files_of_a_thousand_machines_stay_open_for_their_next_lines(logs: Logs) -> None:
    machines = {f"10.20.{1 + n // 250}.{1 + n % 250}": f"n{n}" for n in range(1000)}
    logs.know(machines)
    logs.reread()
    wait_until(lambda: logs.relay("10.20.1.1") or logs.stored("n0"), "the table's second reading")
    logs.relay(*machines)
    wait_until(lambda: len(list(logs.store.glob("n*/*.log"))) == len(machines), "a line of each machine", 60)
    assert logs.open_files() == len(machines)


def test_dns_is_not_asked_for_names_of_senders(logs: Logs) -> None:
    began = time.monotonic()
    logs.send("<14>Jan  1 00:00:00 a app: quick", MACHINE)
    wait_until(lambda: "quick" in logs.stored("m1"), "the line of a new sender", 5)
    assert time.monotonic() - began < 3, "the resolver of this namespace cannot be reached"


def test_store_stays_below_its_share_and_the_oldest_go_first(tmp_path: Path) -> None:
    store = tmp_path / "machines"
    for days, name in ((3, "m1"), (2, "m2"), (1, "m1"), (0, "m2")):
        path = store / name / f"day-{days}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 3 * MIB)
        at = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        os.utime(path, (at, at))
    inputs = {"syslog_machines_dir": str(store), "syslog_total_mib": 7}
    script = tmp_path / "trim"
    script.write_text(render("syslog", "usr/local/sbin/rackyard-syslog-trim", ["region"], inputs))
    told = tmp_path / "bin"
    told.mkdir()
    (told / "systemctl").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n')
    (told / "systemctl").chmod(0o755)
    environment = {**os.environ, "PATH": f"{told}:{os.environ['PATH']}"}
    for _twice in range(2):
        subprocess.run(["sh", str(script)], check=True, env=environment, capture_output=True)
    assert sorted(str(path.relative_to(store)) for path in store.rglob("*.log")) == ["m1/day-1.log", "m2/day-0.log"]
    assert (tmp_path / "told").read_text() == "kill --kill-who=main --signal=HUP rsyslog.service\n"
