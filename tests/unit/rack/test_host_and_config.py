# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rack tells about itself, and its configuration."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rackyard.daemons import own_host
from rackyard.rack import cli, host, log
from rackyard.rack.config import load
from rackyard.rack.errors import RackError
from rackyard.rack.identity import Identity, due_in_s
from rackyard.rack.regions import Regions, clean, read_list

SHOWN = """\
Id=named.service
LoadState=loaded
ActiveState=active
SubState=running
Result=success

Id=isc-dhcp-server.service
LoadState=loaded
ActiveState=inactive
SubState=dead
Result=success

Id=squid.service
LoadState=loaded
ActiveState=failed
SubState=failed
Result=exit-code

Id=nginx.service
LoadState=not-found
ActiveState=inactive
SubState=dead
Result=success
"""


def test_interfaces_leave_out_loopback_and_link_local() -> None:
    links = [
        {
            "ifname": "lo", "flags": ["LOOPBACK"], "address": "00:00:00:00:00:00",
            "addr_info": [{"local": "127.0.0.1", "prefixlen": 8, "scope": "host"}],
        },
        {
            "ifname": "eth0", "flags": ["UP"], "address": "52:54:00:00:00:01",
            "addr_info": [
                {"local": "10.20.0.2", "prefixlen": 24, "scope": "global"},
                {"local": "fe80::1", "prefixlen": 64, "scope": "link"},
            ],
        },
        {"ifname": "tun0", "flags": ["UP"], "addr_info": []},
    ]  # fmt: skip
    (found,) = own_host.parse_interfaces(links)
    assert (found["name"], found["mac"], found["addresses"]) == ("eth0", "52:54:00:00:00:01", ["10.20.0.2/24"])


def test_addresses_that_change_by_themselves_are_left_out() -> None:
    """As `ip -json address show` of iproute2 6.1 words privacy extensions and a prefix that its router withdrew."""
    lasting = {"family": "inet6", "local": "2001:db8::5054:ff:fe00:1", "prefixlen": 64, "scope": "global",
               "dynamic": True, "mngtmpaddr": True, "noprefixroute": True}  # fmt: skip
    temporary = {"family": "inet6", "local": "2001:db8::9a3f:1c2d:77aa:1", "prefixlen": 64, "scope": "global",
                 "temporary": True, "dynamic": True}  # fmt: skip
    withdrawn = {**lasting, "local": "2001:db8:1::5054:ff:fe00:1", "deprecated": True, "preferred_life_time": 0}
    service = {"family": "inet6", "local": "2001:db8::53", "prefixlen": 128, "scope": "global", "deprecated": True}
    link = {"ifname": "eth0", "address": "52:54:00:00:00:01", "addr_info": [temporary, withdrawn, lasting, service]}
    (found,) = own_host.parse_interfaces([link])
    assert found["addresses"] == ["2001:db8::5054:ff:fe00:1/64", "2001:db8::53/128"]


def test_services_are_named_as_the_region_knows_them() -> None:
    found = {service["name"]: service for service in host.parse_services(SHOWN, {"dhcp": False})}
    assert found["dns"]["state"] == "running"
    assert found["dhcp"]["state"] == "off"
    assert found["proxy"] == {
        "name": "proxy",
        "state": "dead",
        "info": "squid is failed (exit-code); see `journalctl -u squid`",
    }
    assert "not installed" in found["http"]["info"]
    assert host.parse_services(SHOWN, {})[-2]["state"] == "dead"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "run the rack playbook, or give --config"),
        ("[rack", "not valid TOML"),
        ('[rack]\nname = "r"\n', "lacks the key"),
        (
            '[rack]\nname = "r"\nregions = "https://x"\n[paths]\nidentity="a"\nstate="b"\n[daemons]\nroot="c"',
            "list of URLs",
        ),
    ],
)
def test_configuration_errors_name_the_file_and_the_remedy(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "rack.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RackError, match=r"rack\.toml") as caught:
        load(path)
    assert words in str(caught.value)


def test_only_well_formed_region_urls_are_kept() -> None:
    urls = [
        "https://10.10.0.11:5250",
        "http://10.10.0.11:5250",
        "https://[fd00::1]:5250",
        5,
        "https://a:1/x",
        "https://10.10.0.11:5250",
    ]
    assert clean(urls) == ("https://10.10.0.11:5250", "https://[fd00::1]:5250")
    assert clean("https://10.10.0.11:5250") == ()


def test_damaged_region_list_falls_back_to_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "regions.json").write_text("{")
    assert read_list(tmp_path / "regions.json", ("https://a:1",)) == ("https://a:1",)


def test_regions_of_the_configuration_come_first_and_told_ones_beside_them(tmp_path: Path) -> None:
    told = tmp_path / "regions.json"
    told.write_text('["https://old:1", "https://a:1", "https://b:1"]')
    regions = Regions(tmp_path, told, ("https://a:1", "https://new:1"))
    assert regions.urls == ("https://a:1", "https://new:1", "https://old:1", "https://b:1")
    regions.update(["https://b:1"])
    assert regions.urls == ("https://a:1", "https://new:1", "https://b:1")
    assert read_list(told, ("https://c:1",)) == ("https://c:1", "https://b:1")


def test_racks_begin_with_different_regions(tmp_path: Path) -> None:
    urls = ("https://a:1", "https://b:1", "https://c:1")
    firsts = [Regions(tmp_path, tmp_path / "none", urls, spread).live_first()[0] for spread in range(6)]
    assert firsts == [*urls, *urls]


def test_rack_has_one_channel_to_each_region_and_racks_spread_over_its_ports(tmp_path: Path) -> None:
    urls = ("https://a:5250", "https://a:5251", "https://[2001:db8::1]:5250", "https://[2001:db8::1]:5251")
    racks = [Regions(tmp_path, tmp_path / "none", urls, spread) for spread in range(4)]
    assert racks[0].names == ("a", "2001:db8::1")
    assert [rack.channel("a")[0] for rack in racks] == [urls[0], urls[1], urls[0], urls[1]]
    assert [sorted(rack.channel("2001:db8::1")) for rack in racks] == [list(urls[2:])] * 4
    assert racks[0].channel("b") == []


def test_channel_moves_to_the_next_port_and_comes_back_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = "https://a:5250", "https://a:5251"
    rack = Regions(tmp_path, tmp_path / "none", (own, other))
    rack.note_away(own, "does not answer")
    assert rack.channel("a") == [other, own]
    rack.note_live(other)
    assert rack.status() == {own: "does not answer", other: "live"}
    rack.note_away(other, "HTTP 502")
    assert rack.channel("a") == [own, other], "the one that failed first"
    later = time.monotonic() + 31
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert rack.channel("a") == [own, other]
    rack.note_live(own)
    assert rack.status() == {own: "live", other: "HTTP 502"}


def test_port_that_nobody_had_to_ask_is_in_reserve(tmp_path: Path) -> None:
    urls = ("https://a:5250", "https://a:5251", "https://b:5250")
    rack = Regions(tmp_path, tmp_path / "none", urls)
    rack.note_live(urls[0])
    assert list(rack.status().values()) == ["live", "in reserve", "not asked yet"]


@pytest.mark.parametrize("workers", ["0", "257", "true", '"many"'])
def test_number_of_power_workers_is_checked(tmp_path: Path, workers: str) -> None:
    path = tmp_path / "rack.toml"
    path.write_text(
        f'[rack]\nname="r"\n[paths]\nidentity="a"\nstate="b"\n[daemons]\nroot="c"\n[power]\nworkers={workers}'
    )
    with pytest.raises(RackError, match=r"power.workers must be a number from 1 to 256"):
        load(path)


@pytest.mark.parametrize("networks", ['"10.30.0.0/24"', "[10]", '["10.30.0.1/24"]', '["bmcs"]'])
def test_networks_of_bmcs_are_checked(tmp_path: Path, networks: str) -> None:
    path = tmp_path / "rack.toml"
    base = '[rack]\nname="r"\n[paths]\nidentity="a"\nstate="b"\n[daemons]\nroot="c"\n[power]\nbmc_networks='
    path.write_text(f'{base}["10.30.0.0/24", "fd30::/64"]')
    assert load(path).bmc_networks == ("10.30.0.0/24", "fd30::/64")
    path.write_text(base + networks)
    with pytest.raises(RackError, match=r"power.bmc_networks must be a list of networks"):
        load(path)


def test_certificate_past_its_end_is_due_now() -> None:
    known = Identity("abc234", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 31, tzinfo=UTC))
    assert due_in_s(known, datetime(2026, 1, 11, tzinfo=UTC)) == 10 * 86400
    assert due_in_s(known, datetime(2026, 3, 1, tzinfo=UTC)) == 0


def test_log_lines_cannot_be_forged(capsys: pytest.CaptureFixture[str]) -> None:
    log.log("info", "boot", mac='x\n<3>boot ok="yes"', empty=None, plain="m1")
    assert capsys.readouterr().err == '<6>boot mac="x\\n<3>boot ok=\\"yes\\"" plain=m1\n'


def test_status_without_an_agent_names_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rack.toml"
    path.write_text(
        f'[rack]\nname="r"\n[paths]\nidentity="{tmp_path}"\nstate="{tmp_path}"\n[daemons]\nroot="{tmp_path}"\n'
    )
    assert cli.main(["--config", str(path), "status"]) == 1
    assert "systemctl start rackyard-rack" in capsys.readouterr().err
    assert cli.main(["--config", str(path), "agent"]) == 1
    assert "rackyard-rack enroll" in capsys.readouterr().err


def test_power_command_takes_the_password_from_standard_input_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    with pytest.raises(SystemExit):
        cli.main(["power", "query", "--address", "127.0.0.1", "--user", "admin", "--password", "secret"])


def test_missing_ip_command_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RackError, match="ip cannot be run"):
        host.interfaces()


def test_words_of_ip_are_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ip").write_text("#!/bin/sh\necho 'Cannot open netlink socket' >&2\nexit 1\n")
    (tmp_path / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RackError, match="Cannot open netlink socket"):
        host.interfaces()
