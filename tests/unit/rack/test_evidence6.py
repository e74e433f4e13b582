# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of a dhcpd for IPv6 as evidence: whose lease it is; a client chooses its DUID, which may say anything."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackyard.rack.evidence6 import Dhcp6Log, mac_of_duid, mac_of_link_local

ASKER, MAC = "fe80::5054:ff:fe0a:b01", "52:54:00:0a:0b:01"
QUESTION = f"Request message from {ASKER} port 546, transaction ID 0x1A2B3C"
UUID = "00:04:6b:1d:9a:00:00:00:00:00:00:00:52:54:00:ff:ff:ff"
GIVEN = f"Reply NA: address fd00:20::1:a to client with duid {UUID} iaid = 1 valid for 600 seconds"
RELAYED = "Relay-forward message from fe80::1 port 547, link address fd00:21::1, peer address fe80::5054:ff:fe0a:b01"


def read(*lines: str, identifier: str = "dhcpd") -> list[dict[str, Any]]:
    reader = Dhcp6Log()
    found = (
        reader.read(
            {"__CURSOR": str(n), "__REALTIME_TIMESTAMP": "1760000000123456", "SYSLOG_IDENTIFIER": identifier,
             "MESSAGE": line}
        )
        for n, line in enumerate(lines)
    )  # fmt: skip
    return [each.item for each in found if each is not None]


def test_lease_belongs_to_whoever_asked_before_it() -> None:
    (lease,) = read(QUESTION, GIVEN)
    assert lease == {
        "key": lease["key"],
        "at": "2025-10-09T08:53:20.123456+00:00",
        "action": "commit",
        "ip": "fd00:20::1:a",
        "mac": MAC,
        "lease_s": 600,
    }


def test_release_says_nothing_since_the_loader_goes_on_with_the_address_that_its_firmware_released() -> None:
    assert read(QUESTION.replace("Request", "Release"), f"Client {UUID} releases address fd00:20::1:a") == []


@pytest.mark.parametrize(
    ("question", "duid", "mac"),
    [
        # The port that asks, not the one that the name was made of.
        (QUESTION, "00:03:00:01:52:54:00:99:99:99", MAC),
        # A link-local address that nothing can be read from.
        ("Renew message from fe80::1:2:3:4 port 546, transaction ID 0x1", "00:03:00:01:52:54:00:0a:0b:01", MAC),
        ("Renew message from fe80::1:2:3:4 port 546, transaction ID 0x1", "0:1:0:1:2a:3:4:5:52:54:0:a:b:1", MAC),
        ("Renew message from fe80::1:2:3:4 port 546, transaction ID 0x1", UUID, None),
        # What a relay passes on comes from the relay.
        (RELAYED, "00:03:00:01:52:54:00:0a:0b:01", MAC),
        (RELAYED, UUID, None),
    ],
)
def test_machine_is_known_by_the_address_it_asks_from_else_by_its_duid(
    question: str, duid: str, mac: str | None
) -> None:
    assert [lease["mac"] for lease in read(QUESTION, question, GIVEN.replace(UUID, duid))] == ([mac] if mac else [])


@pytest.mark.parametrize(
    "line",
    [
        GIVEN.replace("Reply NA", "Advertise NA"),
        GIVEN.replace("fd00:20::1:a", "fd00:20::1:a:z"),
        GIVEN.replace(" valid for 600 seconds", ""),
        f"Client {UUID} releases address fd00:20::1:a, which is not leased to it.",
        f'Decline message from {ASKER} port 546 says "{GIVEN}"',
    ],
)
def test_other_lines_are_no_leases(line: str) -> None:
    assert read(QUESTION, line) == []


def test_other_programs_are_not_believed() -> None:
    assert read(QUESTION, GIVEN, identifier="in.tftpd") == []


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=130))
def test_no_duid_changes_what_dhcpd_says_of_the_address(text: str) -> None:
    found = read(QUESTION, GIVEN.replace(UUID, f'"{text}"'))
    assert [(lease["ip"], lease["mac"], lease["lease_s"]) for lease in found] == [("fd00:20::1:a", MAC, 600)]


def test_addresses_that_no_mac_is_in() -> None:
    for text in ("fd00::5054:ff:fe0a:b01", "fe80:0:0:1:5054:ff:fe0a:b01", "fe80::1", "10.20.0.1", ""):
        assert mac_of_link_local(text) is None, text
    for text in ("00:01:00:06:2a:00:00:00:52:54:00:0a:0b:01", "00:03:00:01:52:54:00:0a:0b", UUID, "", '"00:03"'):
        assert mac_of_duid(text) is None, text
