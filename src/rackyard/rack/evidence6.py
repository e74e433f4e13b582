# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases of a dhcpd for IPv6 from its own log lines: whose question it has, then which address it gives.

A client of DHCP for IPv6 names itself by a DUID, which need not have a MAC address in it: firmware sends the machine's
UUID. It asks from a link-local address that it has made of its MAC address (RFC 4291, appendix A), so the question
tells the machine. One dhcpd answers one question after the other, so a line about an address belongs to the question
before it. What a relay passes on is known by its DUID only (RFC 8415, 11.2 and 11.4).

A release is no evidence: UEFI releases its lease before it starts the loader, which goes on with the address. So the
lease speaks for the machine until its time is over or dhcpd gives the address to another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from rackyard.rack import evidence
from rackyard.rack.evidence import Evidence
from rackyard_core import macs

_QUESTION = re.compile(r"(?P<kind>[A-Z][A-Za-z-]{2,30}) message from (?P<ip>[0-9a-f:.]{2,45}) port [0-9]{1,5}\b.*")
# A DUID of printable characters is written as text in quotes, whatever that says.
_GIVEN = re.compile(
    r"Reply NA: address (?P<ip>[0-9a-f:.]{2,45}) to client with duid (?P<duid>.*) iaid = -?[0-9]{1,10} "
    r"valid for (?P<seconds>[0-9]{1,10}) seconds"
)
_RELAYED = "Relay-forward"
_LINK_LOCAL = IPv6Network("fe80::/64")
# Time and Ethernet address, or the address alone (RFC 8415, 11.2 and 11.4), of hardware type 1.
_DUID_MAC = re.compile(r"(?:0{1,2}:0?1:0{1,2}:0?1(?::[0-9a-f]{1,2}){4}|0{1,2}:0?3:0{1,2}:0?1)((?::[0-9a-f]{1,2}){6})")


class Dhcp6Log:
    """Reads the lines of one dhcpd in their order. After a start in the middle of an exchange one lease may stay
    unknown until the client renews it."""

    def __init__(self) -> None:
        self._asker: str | None = None

    def read(self, entry: Mapping[str, Any]) -> Evidence | None:
        """One journal entry as evidence of a lease, or None."""
        if entry.get("SYSLOG_IDENTIFIER") != "dhcpd":
            return None
        message = str(entry.get("MESSAGE", "")).strip()
        question = _QUESTION.fullmatch(message)
        if question is not None:
            self._asker = None if question["kind"] == _RELAYED else mac_of_link_local(question["ip"])
            return None
        given = _GIVEN.fullmatch(message)
        mac = None if given is None else self._asker or mac_of_duid(given["duid"])
        if given is None or mac is None:
            return None
        return evidence.lease(entry, "commit", given["ip"], mac, int(given["seconds"]))


def mac_of_link_local(text: str) -> str | None:
    """The MAC address that a link-local address was made of; None when it was made of something else."""
    try:
        address = IPv6Address(text)
    except ValueError:
        return None
    part = address.packed[8:]
    if address not in _LINK_LOCAL or part[3:5] != b"\xff\xfe":
        return None
    return ":".join(f"{octet:02x}" for octet in (part[0] ^ 2, *part[1:3], *part[5:]))


def mac_of_duid(text: str) -> str | None:
    """The MAC address in a DUID as dhcpd writes it; None when it has none."""
    match = _DUID_MAC.fullmatch(text)
    return None if match is None else macs.of_octets(match[1].strip(":"))
