# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a rack does its work, as its agent last said: before the next host is upgraded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def troubles(status_file: Path, since: datetime) -> list[str]:
    """What is not as it should be, in words, as the agent has said after `since`; empty when daemons and services run,
    and there is a channel to each region."""
    try:
        status: dict[str, Any] = json.loads(status_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ["the agent has not said anything yet; look at `systemctl status rackyard-rack`"]
    if datetime.fromisoformat(status["at"]) < since.replace(microsecond=0):
        return ["the agent has not said anything since; look at `journalctl -u rackyard-rack`"]
    found = list(status.get("troubles", []))
    if status["generation"] is None:
        found.append("no desired state was applied yet")
    found += [f"{name}: {daemon['message']}" for name, daemon in status["daemons"].items() if not daemon["ok"]]
    found += [
        f"service {name} is {state}" for name, state in status["services"].items() if state not in ("running", "off")
    ]
    return found + _cut_off(status["regions"])


def _cut_off(regions: Mapping[str, str]) -> list[str]:
    """Regions of which no port answers, with the reasons."""
    by_name: dict[str, dict[str, str]] = {}
    for url, state in regions.items():
        by_name.setdefault(urlsplit(url).hostname or url, {})[url] = state
    return [
        f"no channel to region {name} ({'; '.join(f'{url}: {state}' for url, state in ports.items())})"
        for name, ports in by_name.items()
        if "live" not in ports.values()
    ]
