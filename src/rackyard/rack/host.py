# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host is: its network interfaces and the state of its daemons, as the region wants to know them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from rackyard.daemons import units
from rackyard.daemons.registry import UNITS
from rackyard.rack.errors import RackError
from rackyard_core import macs

_MAX_INFO = 1000
# The rack's own units come after the daemons; a dead boot service is as bad as a dead dhcpd.
_UNITS = {**UNITS, "boot": "rackyard-rack-boot"}


def interfaces() -> list[dict[str, Any]]:
    """Interfaces with a MAC and their global addresses, from ip(8). Raises RackError with ip's words."""
    done = _run(["ip", "-json", "address", "show"])
    try:
        return parse_interfaces(json.loads(done.stdout))
    except ValueError as reason:
        raise RackError(f"ip does not list the interfaces: {done.stderr.strip() or reason}") from reason


def parse_interfaces(links: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Shape the output of `ip -json address show`: loopback and link-local addresses are left out.

    So are IPv6 addresses that come and go by themselves (RFC 8981) or are on their way out: each change would reload
    daemons everywhere. One that a person set is kept, also when it is no source address (`preferred_lft 0`).
    """
    found = []
    for link in links:
        if not macs.is_normal(link.get("address")) or "LOOPBACK" in link.get("flags", []):
            continue
        addresses = [
            f"{address['local']}/{address['prefixlen']}"
            for address in link.get("addr_info", [])
            if address.get("scope") == "global" and "local" in address
            if not (address.get("temporary") or (address.get("deprecated") and address.get("dynamic")))
        ]
        found.append({"name": link["ifname"], "mac": link["address"], "addresses": addresses})
    return found


def services(wanted: Mapping[str, bool]) -> list[units.Service]:
    """State of each daemon; ``wanted`` says which have something to serve (missing means yes). Raises RackError."""
    try:
        return units.look(_UNITS, wanted, "rack")
    except units.UnitsUnknown as reason:
        raise RackError(str(reason)) from reason


def agent(troubles: Sequence[str]) -> dict[str, str]:
    """The agent's own line among the services: degraded when something keeps it from its work."""
    return {"name": "agent", "state": "degraded" if troubles else "running", "info": "; ".join(troubles)[:_MAX_INFO]}


def parse_services(text: str, wanted: Mapping[str, bool]) -> list[units.Service]:
    """Shape the output of `systemctl show`: one paragraph per unit."""
    return units.parse(text, _UNITS, wanted, "rack")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as reason:
        raise RackError(f"{command[0]} cannot be run: {reason}") from reason
