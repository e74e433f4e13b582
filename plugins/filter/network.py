# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""In which order a site's subnets can be declared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def relayed_last(subnets: Iterable[Mapping[str, Any]], fabrics: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Subnets so that a relay ends before DHCP goes from the VLAN that it led to, and begins when DHCP is on there."""
    relays = {
        (fabric["name"], vlan["vid"]): vlan.get("relay_vlan") for fabric in fabrics for vlan in fabric.get("vlans", [])
    }

    def turn(subnet: Mapping[str, Any]) -> int:
        relay = relays.get((subnet["fabric"], subnet.get("vid", 0)))
        return 1 if relay is None else 2 if relay else 0

    return sorted(subnets, key=turn)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Names as used in playbooks."""
        return {"relayed_last": relayed_last}
