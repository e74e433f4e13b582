# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rack gets the job of talking to a BMC. A pure decision over what the database knows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from rackyard.region.db.power.rack_choice import Candidate, RackInterface
from rackyard_core.power import places

# For so long a rack that did not reach a BMC comes after all others there.
FRESH_FAILURE = timedelta(minutes=10)
# Racks that a sentence names; a site may have many.
_MAX_NAMED = 8


@dataclass(frozen=True)
class Choice:
    """The chosen rack and why."""

    rack_id: int
    hostname: str
    reason: str


@dataclass(frozen=True)
class Search:
    """No rack is known to reach the BMC: these are asked at once, and the first that does gets the job."""

    rack_ids: tuple[int, ...]
    reason: str
    rack_id: None = None


def choose(
    bmc_address: str,
    racks: Sequence[Candidate],
    now: datetime,
    *,
    tried: Collection[int] = (),
    unreached_since: datetime | None = None,
) -> Choice | Search | None:
    """The rack that talks to a BMC: a live one with an address in its subnet, else a live one that reached it before.
    When there is neither, a search among the other live racks, without those that did not reach it since
    `unreached_since`. Racks by id in `tried` are out of the question. None when nobody is left.

    The rack that works on the BMC already comes first, since two at one BMC would undo each other's work; one that is
    drained, or has just failed, comes last, whichever way it has. Within each class: fewest open jobs, then most recent
    success, then name."""
    left = [rack for rack in racks if rack.alive and rack.rack_id not in tried]
    ways = {rack.rack_id: _way(bmc_address, rack) for rack in left}
    known = [rack for rack in left if ways[rack.rack_id] or rack.last_success_at]
    if not known:
        return _search(bmc_address, left, unreached_since)

    def weight(rack: Candidate) -> tuple[bool, bool, bool, bool, int, float, str]:
        recent = rack.last_success_at.timestamp() if rack.last_success_at else 0.0
        near = ways[rack.rack_id] is not None
        return not rack.holds, rack.drained, failed_lately(rack, now), not near, rack.open_jobs, -recent, rack.hostname

    rack = min(known, key=weight)
    reason = _reason(bmc_address, rack, ways[rack.rack_id])
    if failed_lately(rack, now):
        reason += f"; it did not reach it at {_time(rack.last_failure_at)}, and no other rack is left"
    if rack.drained:
        reason += "; it is drained, so it begins nothing until its upgrade is over, and no other rack is left"
    others = [each for each in known if each is not rack]
    if others:
        shown = ", ".join(_other(each, now) for each in sorted(others, key=weight)[:_MAX_NAMED])
        reason += f"; {rack.open_jobs} jobs waiting there, also possible: {shown}"
    return Choice(rack.rack_id, rack.hostname, reason)


def failed_lately(rack: Candidate, now: datetime) -> bool:
    """Whether the last that is known of rack and BMC is a failure of the last ten minutes."""
    if rack.last_failure_at is None or now - rack.last_failure_at >= FRESH_FAILURE:
        return False
    return rack.last_success_at is None or rack.last_success_at <= rack.last_failure_at


def refusal(bmc_address: str, racks: Sequence[Candidate]) -> str:
    """Why no rack is asked to reach a BMC, and what to do about it."""
    if not racks:
        return (
            f"no rack is enrolled, so nobody can reach BMC {bmc_address}; "
            "enrol one: `rackyard-region enroll-token` here, `rackyard-rack enroll` there"
        )
    shown = "; ".join(_describe(rack) for rack in sorted(racks, key=lambda each: each.hostname)[:_MAX_NAMED])
    if not any(rack.alive for rack in racks):
        return (
            f"no rack is alive, so nobody can reach BMC {bmc_address}; racks: {shown}; "
            "look at `systemctl status rackyard-rack` there"
        )
    return (
        f"no live rack has an address in a subnet of BMC {bmc_address} or reaches it by a route; racks: {shown}; "
        "give a rack an interface or a route there, or correct power_address"
    )


def _search(bmc_address: str, racks: Sequence[Candidate], unreached_since: datetime | None) -> Search | None:
    asked = [
        rack
        for rack in racks
        if unreached_since is None or rack.last_failure_at is None or rack.last_failure_at < unreached_since
    ]
    if not asked:
        return None
    names = sorted(rack.hostname for rack in asked)
    shown = ", ".join(names[:_MAX_NAMED]) + (f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else "")
    reason = f"no rack is known to reach BMC {bmc_address}; the first of {shown} that does gets the job"
    return Search(tuple(sorted(rack.rack_id for rack in asked)), reason)


def _way(bmc_address: str, rack: Candidate) -> RackInterface | None:
    try:
        bmc = ip_address(places.host_of(bmc_address))
    except ValueError:
        return None  # a name, which racks look up
    return next((each for each in rack.interfaces if bmc in each.address.network), None)


def _reason(bmc_address: str, rack: Candidate, way: RackInterface | None) -> str:
    if way is None:
        return (
            f"{rack.hostname} reached BMC {bmc_address} at {_time(rack.last_success_at)}, though it has no address in "
            "the BMC's subnet"
        )
    return f"{rack.hostname} has {way.address} on {way.name}, the subnet of BMC {bmc_address} ({way.address.network})"


def _other(rack: Candidate, now: datetime) -> str:
    if rack.drained:
        return f"{rack.hostname} (drained)"
    return f"{rack.hostname} (failed at {_time(rack.last_failure_at)})" if failed_lately(rack, now) else rack.hostname


def _describe(rack: Candidate) -> str:
    addresses = ", ".join(f"{each.name} {each.address}" for each in rack.interfaces) or "no address reported"
    if not rack.alive:
        return f"{rack.hostname} (not alive; {addresses})"
    unreached = rack.last_failure_at is not None and not (
        rack.last_success_at and rack.last_success_at > rack.last_failure_at
    )
    return f"{rack.hostname} ({addresses}{f'; {rack.failure}' if unreached else ''})"


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if moment else "an unknown time"
