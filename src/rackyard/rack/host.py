# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host is: its network interfaces and the state of its daemons, as the region wants to know them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

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


def services(wanted: Mapping[str, bool]) -> list[dict[str, str]]:
    """State of each daemon; ``wanted`` says which ones have something to serve (missing means yes)."""
    names = [f"{unit}.service" for unit in _UNITS.values()]
    properties = "--property=Id,LoadState,ActiveState,SubState,Result"
    return parse_services(_run(["systemctl", "show", properties, *names]).stdout, wanted)


def agent(troubles: Sequence[str]) -> dict[str, str]:
    """The agent's own line among the services: degraded when something keeps it from its work."""
    return {"name": "agent", "state": "degraded" if troubles else "running", "info": "; ".join(troubles)[:_MAX_INFO]}


def parse_services(text: str, wanted: Mapping[str, bool]) -> list[dict[str, str]]:
    """Shape the output of `systemctl show`: one paragraph per unit."""
    shown = {}
    for paragraph in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in paragraph.splitlines() if "=" in line)
        shown[values.get("Id", "").removesuffix(".service")] = values
    return [_service(name, unit, shown.get(unit, {}), wanted.get(name, True)) for name, unit in _UNITS.items()]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as reason:
        raise RackError(f"{command[0]} cannot be run: {reason}") from reason


def _service(name: str, unit: str, shown: Mapping[str, str], wanted: bool) -> dict[str, str]:
    active, sub = shown.get("ActiveState", "unknown"), shown.get("SubState", "")
    if active in ("active", "reloading"):
        return {"name": name, "state": "running", "info": ""}
    if not wanted:
        return {"name": name, "state": "off", "info": "nothing to serve"}
    if active in ("activating", "deactivating"):
        return {"name": name, "state": "degraded", "info": f"{unit} is {active} ({sub})"}
    if shown.get("LoadState") == "not-found":
        return {"name": name, "state": "dead", "info": f"{unit} is not installed; run the rack playbook"}
    reason = shown.get("Result", "")
    return {"name": name, "state": "dead", "info": f"{unit} is {active} ({reason}); see `journalctl -u {unit}`"}
