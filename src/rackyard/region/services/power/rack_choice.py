# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rack gets the job of talking to a BMC. A pure decision over what the database knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from rackyard.region.db.power.rack_choice import Candidate, RackInterface


@dataclass(frozen=True)
class Choice:
    """The chosen rack and why."""

    rack_id: int
    hostname: str
    reason: str


def choose(bmc_address: str, racks: Sequence[Candidate]) -> Choice | None:
    """The live rack with an address in the BMC's subnet: the one that works on this machine already, since two at one
    BMC would undo each other's work; then fewest open jobs, then most recent success, then name."""
    bmc = ip_address(bmc_address)
    reachable = []
    for rack in racks:
        interface = next((each for each in rack.interfaces if bmc in each.address.network), None)
        if rack.alive and interface is not None:
            reachable.append((rack, interface))
    if not reachable:
        return None

    def weight(pair: tuple[Candidate, RackInterface]) -> tuple[bool, int, float, str]:
        rack = pair[0]
        recent = rack.last_success_at.timestamp() if rack.last_success_at else 0.0
        return not rack.holds, rack.open_jobs, -recent, rack.hostname

    rack, interface = min(reachable, key=weight)
    reason = (
        f"{rack.hostname} has {interface.address} on {interface.name}, the subnet of BMC {bmc_address} "
        f"({interface.address.network})"
    )
    if len(reachable) > 1:
        others = ", ".join(sorted(each.hostname for each, _path in reachable if each.rack_id != rack.rack_id))
        reason += f"; {rack.open_jobs} jobs waiting there, also possible: {others}"
    return Choice(rack.rack_id, rack.hostname, reason)


def refusal(bmc_address: str, racks: Sequence[Candidate]) -> str:
    """Why no rack can reach a BMC, and what to do about it."""
    if not racks:
        return (
            f"no rack is enrolled, so nobody can reach BMC {bmc_address}; "
            "enrol one: `rackyard-region enroll-token` here, `rackyard-rack enroll` there"
        )
    shown = "; ".join(_describe(rack) for rack in sorted(racks, key=lambda each: each.hostname)[:8])
    return (
        f"no live rack has an address in a subnet of BMC {bmc_address}; racks: {shown}; "
        "give a rack an interface there or correct power_address"
    )


def _describe(rack: Candidate) -> str:
    addresses = ", ".join(f"{each.name} {each.address}" for each in rack.interfaces) or "no address reported"
    return f"{rack.hostname} ({addresses})" if rack.alive else f"{rack.hostname} (not alive; {addresses})"
