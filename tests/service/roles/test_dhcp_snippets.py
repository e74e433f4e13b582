# SPDX-License-Identifier: GPL-3.0-or-later
"""Snippets live: what a real dhcpd tells machines by them, the narrower before the wider."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rackyard.daemons import dhcp

from .dhcp_server import MAC, Dhcpd
from .test_templates import SECTIONS

OTHER = "52:54:00:0a:0b:02"


def snippet(name: str, value: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, **more}


@pytest.fixture
def dhcpd(tmp_path: Path) -> Iterator[Dhcpd]:
    section: dict[str, Any] = json.loads(json.dumps(SECTIONS["dhcp"]))
    del section["hosts"]
    (subnet,) = section["networks"][0]["subnets"]
    section["snippets"] = [snippet("everywhere", "option time-servers 192.0.2.1;\nmin-lease-time 10;")]
    subnet["snippets"] = [snippet("here", 'option ntp-servers 192.0.2.2;\noption domain-name "here.example";')]
    subnet["pools"][0]["snippets"] = [snippet("brief", "default-lease-time 77; max-lease-time 77;")]
    value = 'filename "mine.efi";\noption domain-name "mine.example";'
    section["classes"] = [snippet("mine", value, macs=["52:54:00:0a:0b:09", MAC])]
    server = Dhcpd(tmp_path, "10.20.0.2/24", dhcp.render(section))
    try:
        server.start()
        yield server
    finally:
        server.stop()


def test_machine_subnet_and_range_each_have_their_own(dhcpd: Dhcpd) -> None:
    mine = dhcpd.ask()
    dhcpd.net.run("ip", "link", "set", "machine", "address", OTHER)
    others = dhcpd.ask()
    assert (mine["lease_s"], others["lease_s"]) == (77, 77)
    assert mine["filename"] == "mine.efi"
    assert others["filename"] == "lpxelinux.0"
    assert (mine["domain"], others["domain"]) == ("mine.example", "here.example")
    assert mine["ntp_servers"] == others["ntp_servers"] == ["192.0.2.2"]
