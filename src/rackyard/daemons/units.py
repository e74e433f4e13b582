# SPDX-License-Identifier: GPL-3.0-or-later
"""How systemd's units of this host are, in the words of both tiers: running, dead, off, degraded."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

_TIMEOUT_S = 10
PROPERTIES = "--property=Id,LoadState,ActiveState,SubState,Result"

# What else can be said of a service that is dead than that it has failed.
_STOPPED, _MISSING = " is inactive (success)", " is not installed; "

# A service as a rack or a region tells of it: `name`, `state`, `info`.
Service = dict[str, str]


class UnitsUnknown(Exception):
    """systemd cannot be asked; the message says why."""


def look(units: Mapping[str, str], wanted: Mapping[str, bool], playbook: str) -> list[Service]:
    """The state of each unit by the name of its service. Raises UnitsUnknown.

    `wanted` says which have something to serve (missing means yes), `playbook` which one installs what is missing."""
    names = [f"{unit}.service" for unit in units.values()]
    try:
        done = subprocess.run(
            ["systemctl", "show", PROPERTIES, *names], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as reason:
        raise UnitsUnknown(f"systemctl cannot be run: {reason}") from reason
    return parse(done.stdout, units, wanted, playbook)


def parse(text: str, units: Mapping[str, str], wanted: Mapping[str, bool], playbook: str) -> list[Service]:
    """Shape the output of `systemctl show`: one paragraph per unit."""
    shown = {}
    for paragraph in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in paragraph.splitlines() if "=" in line)
        shown[values.get("Id", "").removesuffix(".service")] = values
    return [_service(name, unit, shown.get(unit, {}), wanted.get(name, True), playbook) for name, unit in units.items()]


def failed(state: str, info: str) -> bool:
    """Whether a service in this state has died, and not been stopped, not been started or not been installed yet."""
    return state == "dead" and not any(words in info for words in (_STOPPED, _MISSING))


def _service(name: str, unit: str, shown: Mapping[str, str], wanted: bool, playbook: str) -> Service:
    active, sub = shown.get("ActiveState", "unknown"), shown.get("SubState", "")
    if active in ("active", "reloading"):
        return {"name": name, "state": "running", "info": ""}
    if not wanted:
        return {"name": name, "state": "off", "info": "nothing to serve"}
    if active in ("activating", "deactivating") and sub != "auto-restart":
        return {"name": name, "state": "degraded", "info": f"{unit} is {active} ({sub})"}
    if shown.get("LoadState") == "not-found":
        return {"name": name, "state": "dead", "info": f"{unit}{_MISSING}run the {playbook} playbook"}
    reason = shown.get("Result", "")
    return {"name": name, "state": "dead", "info": f"{unit} is {active} ({reason}); see `journalctl -u {unit}`"}
