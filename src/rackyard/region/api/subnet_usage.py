# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of `subnets/<id>/` that tell what its addresses are used for, also where it is named by its CIDR."""

from __future__ import annotations

from typing import Any

from rackyard.region.api import networks
from rackyard.region.api.dispatch import Call
from rackyard.region.api.shapes import event_time
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.db.network.addresses import Listed
from rackyard.region.services.network import usage
from rackyard.region.services.network.usage import Part, Usage

_LISTED: Takes = {"with_username": Kind.FLAG, "with_summary": Kind.FLAG}
_COUNTED: Takes = {"include_ranges": Kind.FLAG, "include_suggestions": Kind.FLAG}


@networks.one_subnet.read("ip_addresses", takes=_LISTED)
def list_ip_addresses(call: Call, subnet: str) -> list[dict[str, Any]]:
    """Who has which address: by configuration (alloc_type 0 auto, 1 static), because somebody (`user`) has reserved it
    (4), by lease (6; 5: a stranger)."""
    with_summary = call.params.flag("with_summary") is not False
    with_username = call.params.flag("with_username") is not False
    shown = []
    for known in usage.listed(call.ctx, subnet):
        of_user = {"user": known.username} if with_username and known.username is not None else {}
        shown.append(_listed(call, known, with_summary) | of_user)
    return shown


@networks.one_subnet.read("reserved_ip_ranges")
def list_reserved_ip_ranges(call: Call, subnet: str) -> list[dict[str, Any]]:
    """Addresses that something has, or that are set apart, with what for."""
    known = usage.of_subnet(call.ctx, subnet)
    return [_part(known, part) | {"purpose": list(part.purposes)} for part in known.taken]


@networks.one_subnet.read("unreserved_ip_ranges")
def list_unreserved_ip_ranges(call: Call, subnet: str) -> list[dict[str, Any]]:
    """Addresses that machines can get."""
    known = usage.of_subnet(call.ctx, subnet)
    return [_part(known, part) for part in known.free]


@networks.one_subnet.read("statistics", takes=_COUNTED)
def read_statistics(call: Call, subnet: str) -> dict[str, Any]:
    """How many addresses are in use, and how many are left; `include_ranges` adds all parts of the subnet."""
    known = usage.of_subnet(call.ctx, subnet)
    free, taken = sum(part.count for part in known.free), sum(part.count for part in known.taken)
    total = free + taken
    shown = {
        "num_available": free,
        "largest_available": max((part.count for part in known.free), default=0),
        "num_unavailable": taken,
        "total_addresses": total,
        "usage": taken / total,
        "usage_string": f"{taken / total:.0%}",
        "available_string": f"{free / total:.0%}",
        "first_address": usage.shown(known.cidr, known.parts[0].start),
        "last_address": usage.shown(known.cidr, known.parts[-1].end),
        "ip_version": 6 if ":" in known.cidr else 4,
    }
    if call.params.flag("include_ranges"):
        shown["ranges"] = [_part(known, part) | {"purpose": list(part.purposes) or ["unused"]} for part in known.parts]
    return shown


@networks.subnet_of_cidr.read("ip_addresses", takes=_LISTED)
def list_ip_addresses_of_cidr(call: Call, address: str, prefix: str) -> list[dict[str, Any]]:
    """The same, by the subnet's CIDR."""
    return list_ip_addresses(call, f"{address}/{prefix}")


@networks.subnet_of_cidr.read("reserved_ip_ranges")
def list_reserved_ip_ranges_of_cidr(call: Call, address: str, prefix: str) -> list[dict[str, Any]]:
    """The same, by the subnet's CIDR."""
    return list_reserved_ip_ranges(call, f"{address}/{prefix}")


@networks.subnet_of_cidr.read("unreserved_ip_ranges")
def list_unreserved_ip_ranges_of_cidr(call: Call, address: str, prefix: str) -> list[dict[str, Any]]:
    """The same, by the subnet's CIDR."""
    return list_unreserved_ip_ranges(call, f"{address}/{prefix}")


@networks.subnet_of_cidr.read("statistics", takes=_COUNTED)
def read_statistics_of_cidr(call: Call, address: str, prefix: str) -> dict[str, Any]:
    """The same, by the subnet's CIDR."""
    return read_statistics(call, f"{address}/{prefix}")


def _part(known: Usage, part: Part) -> dict[str, Any]:
    return {
        "start": usage.shown(known.cidr, part.start),
        "end": usage.shown(known.cidr, part.end),
        "num_addresses": part.count,
    }


def _listed(call: Call, known: Listed, with_summary: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "ip": known.ip,
        "alloc_type": known.alloc_type,
        "created": event_time(known.created),
        "updated": event_time(known.created),
    }
    if with_summary and known.system_id is not None:
        shown["node_summary"] = {
            "system_id": known.system_id,
            "hostname": known.hostname,
            "fqdn": f"{known.hostname}.{known.domain or call.ctx.config.domain}",
            "node_type": known.node_type,
            "is_container": False,
            "via": known.interface,
        }
    return shown
