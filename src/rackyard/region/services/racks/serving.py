# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rack may speak of: addresses in the subnets that it serves, directly or behind a relay, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from rackyard.region.db.pool import Transaction
from rackyard.region.db.racks.identity import Rack


@dataclass(frozen=True)
class Served:
    """The subnets of one rack."""

    hostname: str
    networks: Sequence[IPv4Network | IPv6Network]

    def refusal(self, address: str) -> str:
        """Why the rack may not speak of an address, in words; empty when it may."""
        parsed = ip_address(address)
        if any(parsed in network for network in self.networks):
            return ""
        shown = ", ".join(str(network) for network in self.networks) or "none"
        return (
            f"{address} is in no subnet that rack {self.hostname} serves ({shown}); declare the subnet, correct the "
            "rack's interfaces, or the relay_vlan of the subnet's VLAN"
        )


def of_rack(tx: Transaction, rack: Rack) -> Served:
    """The declared subnets that a rack serves."""
    rows = tx.all("racks.registration.served", rack_id=rack.id)
    return Served(rack.hostname, [ip_network(row["cidr"]) for row in rows])
