# SPDX-License-Identifier: GPL-3.0-or-later
"""How this rack's dhcpd stands to the racks that it shares subnets with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rackyard.daemons import dhcp, dhcp_pairs, files
from rackyard.daemons.dhcp_pairs import Pairs
from rackyard.daemons.model import Untold

_WORDS = {
    "communications-interrupted": " (does not hear its partner, and answers everybody from its own half)",
    "partner-down": " (goes on alone, its partner is dead)",
    "recover-wait": " (waits until leases that only its partner knows have ended; the partner answers)",
}


@dataclass(frozen=True)
class Partnership:
    """How dhcpd stands to each partner, None when it does not say, and what is wrong with that, in words."""

    states: list[dict[str, str]] | None
    trouble: str = ""

    def seen_in(self, services: list[dict[str, str]]) -> list[dict[str, str]]:
        """The services as a region is told of them: a dhcpd without its partner works, but not as it should."""
        if not self.trouble:
            return services
        wrong = {"name": "dhcp", "state": "degraded", "info": self.trouble}
        return [wrong if service["name"] == "dhcp" else service for service in services]


class Partners:
    """Asks dhcpd."""

    def __init__(self, daemons_root: Path, pairs: Pairs | None = None) -> None:
        self._file = daemons_root / dhcp.DAEMON.path
        self._pairs = pairs or Pairs()

    def look(self, services: list[dict[str, str]]) -> Partnership:
        """What a dhcpd says that runs; another one has nothing to say."""
        if {"name": "dhcp", "state": "running", "info": ""} not in services:
            return Partnership([])
        try:
            states = self._pairs.states(dhcp_pairs.names_in(files.read(self._file) or b""))
        except Untold as reason:
            return Partnership(None, str(reason))
        told = [{"name": each.name, "own": each.own, "partner": each.partner} for each in states]
        wrong = [f"{each.name} is in {each.own}{_WORDS.get(each.own, '')}" for each in states if each.own != "normal"]
        return Partnership(told, "; ".join(wrong))
