# SPDX-License-Identifier: GPL-3.0-or-later
"""Which two racks serve a subnet together, and what their dhcpds are told of each other.

Two racks are one pair, however many subnets they share: dhcpd mixes up two pairs between the same addresses. Which of
them is primary in dhcpd's sense means nothing to operators, because both answer alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address, ip_interface
from typing import Any

from rackyard.region.db.pool import Row, Transaction

# What an agent says of itself that can serve in a pair; one of the release before would serve the same pool by itself.
ABILITY = "dhcp_pair"
# How long a lease may be that the partner does not know of, and how long the survivor waits for leases of that kind
# before it has the whole pool. Half of a machine's lease: it lasts while a system without a DHCP client is fetched.
MCLT_S = 300


@dataclass(frozen=True)
class Pairing:
    """What decides over pairs: the racks that can be in one (by id, with their names), who was declared dead to whom
    (survivor and dead, with the number of the declaration), addresses of racks and regions, and at which addresses
    racks serve which managed subnet (by its id)."""

    able: Mapping[int, str]
    declared: Mapping[tuple[int, int], int]
    racks: Sequence[Row]
    regions: Sequence[str]
    serving: Mapping[int, Sequence[Row]]

    def serves(self, rack_id: int, subnet: Row) -> bool:
        """Whether that rack answers in that subnet."""
        there = self._there(subnet)
        if rack_id not in there or not subnet["dhcp_on"]:
            return False
        return rack_id == there[0] or self._can_pair(there)

    def partner(self, rack_id: int, subnet: Row) -> int | None:
        """The other rack of a subnet that two racks serve."""
        there = self._there(subnet)
        if not subnet["dhcp_on"] or rack_id not in there or not self._can_pair(there):
            return None
        return next(other for other in there if other != rack_id)

    def name(self, rack_id: int, partner_id: int) -> str:
        """What both call their pair."""
        return name(*(self.able[each] for each in sorted((rack_id, partner_id))))

    def partners(self, rack_id: int, subnets: Iterable[Row]) -> list[int]:
        """Every rack that shares one of these subnets with that rack, in order."""
        found = {self.partner(rack_id, subnet) for subnet in subnets}
        return sorted(each for each in found if each is not None)

    def documents(self, rack_id: int, subnets: Iterable[Row]) -> list[dict[str, Any]]:
        """The pairs of a rack as its desired state has them."""
        shared: dict[int, list[Row]] = {}
        for subnet in subnets:
            partner_id = self.partner(rack_id, subnet)
            if partner_id is not None:
                shared.setdefault(partner_id, []).append(subnet)
        return [self._document(rack_id, other, theirs) for other, theirs in sorted(shared.items())]

    def _document(self, rack_id: int, partner_id: int, shared: Sequence[Row]) -> dict[str, Any]:
        own, others = self._between(rack_id, partner_id) or self._within(rack_id, partner_id, shared)
        return {
            "name": self.name(rack_id, partner_id),
            "role": "primary" if rack_id < partner_id else "secondary",
            "address": own,
            "peer_address": others,
            "mclt_s": MCLT_S,
            "partner_down": self.declared.get((rack_id, partner_id)),
        }

    def _there(self, subnet: Row) -> list[int]:
        """The racks that answer DHCP in a subnet of IPv4 and have an address for it, the primary first."""
        if subnet["network"].version != 4:
            return []
        wanted = (subnet["primary_rack_id"], subnet["secondary_rack_id"])
        return [each for each in wanted if each is not None and self._served_at(each, subnet)]

    def _can_pair(self, racks: Sequence[int]) -> bool:
        return len(racks) == 2 and all(each in self.able for each in racks)

    def _between(self, rack_id: int, partner_id: int) -> tuple[str, str] | None:
        """The addresses of both in the network by which they reach a region: no machine is in it."""
        regions = [ip_address(each) for each in self.regions]
        own, others = self._networks(rack_id), self._networks(partner_id)
        found = [each for each in own.keys() & others.keys() if any(region in each for region in regions)]
        network = min(found, default=None)
        return None if network is None else (own[network], others[network])

    def _networks(self, rack_id: int) -> dict[IPv4Network, str]:
        """The networks of a rack, each with its first address there."""
        found: dict[IPv4Network, str] = {}
        for row in self.racks:
            network = ip_interface(row["interface"]).network
            if row["rack_id"] == rack_id and isinstance(network, IPv4Network):
                found.setdefault(network, row["address"])
        return found

    def _within(self, rack_id: int, partner_id: int, shared: Sequence[Row]) -> tuple[str, str]:
        """The addresses at which both serve the first subnet that they share."""
        subnet = min(shared, key=lambda each: each["network"])
        own, others = self._served_at(rack_id, subnet), self._served_at(partner_id, subnet)
        assert own is not None
        assert others is not None
        return own, others

    def _served_at(self, rack_id: int, subnet: Row) -> str | None:
        """The rack's first address for a subnet."""
        rows = self.serving[subnet["id"]]
        return next((row["address"] for row in rows if row["rack_id"] == rack_id), None)


def name(first_system_id: str, second_system_id: str) -> str:
    """The name of the pair of two racks, the one with the smaller id first."""
    return f"pair-{first_system_id}-{second_system_id}"


def load(
    tx: Transaction, racks: Sequence[Row], regions: Sequence[str], serving: Mapping[int, Sequence[Row]]
) -> Pairing:
    """What decides over pairs now."""
    return Pairing(
        able={row["id"]: row["system_id"] for row in tx.all("racks.dhcp_pairs.able", ability=ABILITY)},
        declared={(row["survivor_id"], row["dead_id"]): row["number"] for row in tx.all("racks.dhcp_pairs.declared")},
        racks=racks,
        regions=regions,
        serving=serving,
    )
