# SPDX-License-Identifier: GPL-3.0-or-later
"""How racks stand: what each has applied, its channels, what waits there, and which of them serve DHCP and names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from rackyard.region.context import Context
from rackyard.region.db.pool import Row
from rackyard.region.db.power.rack_choice import Reach
from rackyard.region.db.racks.view import RackReport, RackService
from rackyard.region.db.site.regions import RegionService
from rackyard.region.services.network.network import Network
from rackyard.region.services.racks import names
from rackyard.region.services.racks.view import RackDetails
from rackyard.region.services.site.regions import RegionDetails

Document = dict[str, Any]


def days_left(end: datetime | None, now: datetime) -> float | None:
    """Days until a certificate ends."""
    return None if end is None else round((end - now).total_seconds() / 86400, 1)


def services(known: Iterable[RackService | RegionService]) -> list[Document]:
    """Services of a controller, with the last failure of each."""
    return [
        {
            "name": each.name,
            "state": each.state,
            "info": each.info,
            "failure": each.failure,
            "failed_at": each.failed_at.isoformat() if each.failed_at else None,
        }
        for each in known
    ]


def rack(ctx: Context, details: RackDetails, reach: Reach, region_of: Mapping[str, str]) -> Document:
    """One rack. `region_of` has the region of each address at which racks reach one."""
    known, said = details.rack, details.report
    return {
        "hostname": known.hostname,
        "system_id": known.system_id,
        "version": known.version,
        "alive": known.alive,
        "drained_until": known.drained_until.isoformat() if known.drained_until else None,
        "last_seen_at": known.last_seen_at.isoformat() if known.last_seen_at else None,
        "last_word_s": known.last_word_s,
        "certificate_not_after": known.cert_not_after.isoformat() if known.cert_not_after else None,
        "certificate_days": days_left(known.cert_not_after, ctx.clock.now()),
        "desired_generation": known.desired_generation,
        "desired_s": known.desired_s,
        "applied_generation": known.applied_generation,
        "channels": channels(said, region_of),
        "reports_waiting": said.reports_waiting if said else None,
        "posts_waiting": said.posts_waiting if said else None,
        "posts_refused": said.posts_refused if said else None,
        "bmcs": {"reached": reach.reached, "out of reach": reach.unreached},
        "services": services(details.services),
    }


def channels(said: RackReport | None, region_of: Mapping[str, str]) -> list[Document] | None:
    """The rack's channel to each region, as the rack itself sees it: the best of the region's ports."""
    if said is None:
        return None
    found: dict[str, Document] = {}
    for url, state in sorted(said.channels.items(), key=lambda each: (each[1] != "live", each[0])):
        host = urlsplit(url).hostname or url
        region = region_of.get(host, host)
        found.setdefault(region, {"region": region, "url": url, "live": state == "live", "state": state})
    return [found[region] for region in sorted(found)]


def dhcp(details: Sequence[RackDetails], network: Network, pairs: Sequence[Mapping[str, Any]]) -> list[Document]:
    """Each VLAN that has DHCP, with its racks and how their dhcpds say that they stand to each other."""
    by_id = {each.rack.system_id: each.rack for each in details}
    said = {(row["hostname"], row["other_hostname"]): row for row in pairs}
    found = []
    for vlan in (each for each in network.vlans if each.dhcp_on):
        racks = [by_id[each] for each in (vlan.primary_rack, vlan.secondary_rack) if each in by_id]
        mine = [said.get((one.hostname, other.hostname)) for one in racks for other in racks if one is not other]
        found.append(
            {
                "vlan": f"{vlan.fabric}/{vlan.vid}",
                "racks": [{"hostname": each.hostname, "alive": each.alive} for each in racks],
                "pair": [
                    {"hostname": row["hostname"], "state": row["own"], "partner_down": row["number"] is not None}
                    for row in mine
                    if row is not None
                ],
            }
        )
    return found


def subnets(ctx: Context, network: Network, serving: Sequence[Row], regions: Sequence[RegionDetails]) -> list[Document]:
    """Each subnet with its name, the racks that it should lead to, and what the regions' name servers have instead.

    `serving` says which racks serve which subnet, and at which address."""
    found = []
    for subnet in network.subnets:
        label = names.subnet_label(subnet.cidr)
        there = [row for row in serving if row["subnet_id"] == subnet.id]
        living = [row for row in there if row["alive"]] if subnet.managed else []
        members = [row for row in living if not row["drained"]] or living
        found.append(
            {
                "name": subnet.name,
                "cidr": subnet.cidr,
                "managed": subnet.managed,
                "dns_name": f"{label}.{ctx.config.domain}" if subnet.managed else None,
                "racks": sorted({row["hostname"] for row in there}),
                "members": [{"hostname": row["hostname"], "address": row["address"]} for row in members],
                "differs": _differing(regions, label, [row["address"] for row in members]) if subnet.managed else {},
            }
        )
    return found


def _differing(regions: Sequence[RegionDetails], label: str, wanted: Sequence[str]) -> dict[str, list[str]]:
    """What name servers of living regions have instead."""
    held = {
        each.name: list(each.controller.names.get(label, ()))
        for each in regions
        if each.controller is not None and each.alive
    }
    return {region: addresses for region, addresses in held.items() if set(addresses) != set(wanted)}
