# SPDX-License-Identifier: GPL-3.0-or-later
"""A real rsyslogd on a host that is region and rack, with another region and another rack: whom it believes what."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rackyard.daemons.syslog import RELAY, UNKNOWN, names
from rackyard.daemons.syslog import render as render_include

from .namespace import Namespace, program, wait_until
from .test_syslog_bounds import MACHINE, MIB, RACK, REGION, SEND, STRANGER
from .test_templates import render

OTHER_RACK = "10.20.0.3"


class OneHost:
    """A host that is region and rack, and a cable to its machines; on their end is another rack, too."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.net, self.machines = Namespace(home), Namespace(home)
        self.net.run("ip", "address", "add", f"{REGION}/32", "dev", "lo")
        self.net.cable(
            "pxe0", [f"{RACK}/24"], self.machines, [f"{each}/24" for each in (MACHINE, STRANGER, OTHER_RACK)]
        )
        self._start("region2", ["region"], REGION, {"clients": [], "relays": [RACK, REGION]}, {MACHINE: "m1"}, [])
        section = {
            "clients": ["10.20.0.0/24"],
            "relp_targets": [{"address": REGION, "port": 5245}],
            "relays": [OTHER_RACK],
        }
        self._start("host", ["region", "rack"], RACK, section, {MACHINE: "m1"}, [OTHER_RACK, RACK])

    def _start(
        self, name: str, tiers: list[str], address: str, section: dict[str, object], machines: dict[str, str],
        racks: list[str],
    ) -> None:  # fmt: skip
        place = self.home / name
        place.mkdir()
        (place / "rsyslog.conf").write_bytes(render_include(section))
        (place / "machines.json").write_bytes(names(machines, racks))
        inputs = {"syslog_service_dir": str(place), "syslog_machines_dir": str(place / "machines")}
        text = render("syslog", "etc/rsyslog.d/50-rackyard.conf", tiers, inputs)
        text = text.replace('port="5247" ruleset', f'port="5247" address="{address}" ruleset')
        (place / "main.conf").write_text(f'global(workDirectory="{place}")\n{text}')
        command = (program("rsyslogd", "rsyslog"), "-n", "-f", str(place / "main.conf"), "-i", "NONE")
        self.net.start(name, *command)
        wait_until(lambda: self.net.run("ss", "-ltun").count(f"{address}:5247") == 2, f"rsyslogd of {name}")

    def send(self, text: str, source: str, kind: str = "udp", mib: float = 0) -> int:
        """One line, or as many MiB of it as get away within 5 s; the bytes of these."""
        return int(self.machines.run("python3", "-c", SEND, source, kind, str(mib), text))

    def stored(self, name: str, machine: str) -> str:
        return "".join(path.read_text() for path in sorted((self.home / name / "machines" / machine).glob("*.log")))


@pytest.fixture
def one_host(tmp_path: Path) -> Iterator[OneHost]:
    site = OneHost(tmp_path)
    try:
        yield site
    finally:
        site.machines.stop()
        site.net.stop()


def test_host_of_both_tiers_believes_racks_alone_whose_line_it_is(one_host: OneHost) -> None:
    said = f'<14>1 2026-01-01T00:00:00Z m1 app - - [origin ip="{MACHINE}"]'
    for kind in ("udp", "tcp"):
        one_host.send(f"{said} forged-by-stranger", STRANGER, kind)
    one_host.send(f"{said} forged-as-rack", OTHER_RACK, "udp")
    one_host.send(f"{said} told-by-rack", OTHER_RACK, "tcp")
    one_host.send("<14>Jan  1 00:00:00 whoever app: mine", MACHINE)
    wait_until(lambda: one_host.stored("host", UNKNOWN).count("forged") == 3, "lines of the others")
    wait_until(lambda: one_host.stored("host", "m1").count("\n") == 2, "lines of the machine")
    assert "forged" not in one_host.stored("host", "m1")
    assert f" {MACHINE} m1 app told-by-rack" in one_host.stored("host", "m1")
    assert not one_host.stored("host", RELAY)


def test_other_regions_get_the_lines_of_its_machines_and_no_line_twice(one_host: OneHost) -> None:
    one_host.send("<14>Jan  1 00:00:00 whoever app: mine", MACHINE)
    said = f'<14>1 2026-01-01T00:00:00Z m1 app - - [origin ip="{MACHINE}"]'
    one_host.send(f"{said} told-by-rack", OTHER_RACK, "tcp")
    wait_until(lambda: "told-by-rack" in one_host.stored("host", "m1"), "the other rack's line")
    wait_until(lambda: "mine" in one_host.stored("region2", "m1"), "the machine's line at the other region")
    time.sleep(1)
    assert one_host.stored("region2", "m1").count("\n") == 1, "the other rack brings its own to each region"


@pytest.mark.alone
def test_host_of_both_tiers_slows_machines_and_not_racks(one_host: OneHost) -> None:
    rules = one_host.home / "rate.nft"
    inputs = {"syslog_relays": [OTHER_RACK]}
    rules.write_text(render("syslog", "etc/rackyard/syslog-rate.nft", ["region", "rack"], inputs))
    one_host.net.run("nft", "-f", str(rules))
    slowed = one_host.send("<14>Jan  1 00:00:00 a app:", STRANGER, "tcp", 40)
    assert slowed < 10 * MIB
    assert one_host.send("<14>Jan  1 00:00:00 a app:", OTHER_RACK, "tcp", 40) > 2 * slowed
