# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host is: its network interfaces and the state of its daemons, as the region wants to know them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rackyard.daemons import own_host, units
from rackyard.daemons.registry import UNITS
from rackyard.rack.errors import RackError

_MAX_INFO = 1000
# The rack's own units come after the daemons; a dead boot service is as bad as a dead dhcpd.
_UNITS = {**UNITS, "boot": "rackyard-rack-boot"}


def interfaces() -> list[dict[str, Any]]:
    """Interfaces with a MAC and their global addresses. Raises RackError."""
    try:
        return own_host.interfaces()
    except own_host.HostUnknown as reason:
        raise RackError(str(reason)) from reason


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
