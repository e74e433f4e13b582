# SPDX-License-Identifier: GPL-3.0-or-later
"""`ipaddresses/`: addresses that people reserve for themselves."""

from __future__ import annotations

from typing import Any

from rackyard.region.api import shapes
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.params import Params
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.errors import Invalid
from rackyard.region.services.network import reserved_addresses
from rackyard.region.services.network.reserved_addresses import Details, NameWish, Wanted

collection = Resource("/ipaddresses/", "IPAddresses", "Addresses that people have reserved.")

_FILTER: Takes = {"ip": Kind.TEXT, "all": Kind.FLAG, "owner": Kind.TEXT}
_NAME: Takes = {"hostname": Kind.TEXT, "domain": Kind.TEXT, "mac": Kind.TEXT}
_RESERVE: Takes = {"subnet": Kind.TEXT, "ip": Kind.TEXT, "ip_address": Kind.TEXT, **_NAME}
_RELEASE: Takes = {"ip": Kind.TEXT, "force": Kind.FLAG, "discovered": Kind.FLAG}


@collection.read(takes=_FILTER)
def list_addresses(call: Call) -> list[dict[str, Any]]:
    """The addresses that one has reserved, or one of these (`ip`); for administrators those of somebody else (`owner`,
    by name), or of everybody (`all`)."""
    text = call.params.text
    wanted = Wanted(text("ip") or "", text("owner") or "", call.params.flag("all") is True)
    return [_shape(known) for known in reserved_addresses.find_all(call.ctx, call.actor, wanted)]


@collection.create("reserve", takes=_RESERVE)
def reserve(call: Call) -> dict[str, Any]:
    """Reserve an address (`ip` or `ip_address`), or the lowest free one of a `subnet` (id, name or CIDR). A `hostname`,
    in the default domain or in `domain`, leads to it from then on; to a `mac`, DHCP gives it."""
    subnet = call.params.text("subnet") or ""
    return _shape(reserved_addresses.reserve(call.ctx, call.actor, subnet, _ip(call.params), _wish(call.params)))


@collection.create("change", takes={"ip": Kind.TEXT, **_NAME})
def change(call: Call) -> dict[str, Any]:
    """Ours: change the hostname, domain or MAC of a reserved address (`ip`); empty ones are taken away."""
    ip = call.params.text("ip") or ""
    return _shape(reserved_addresses.change(call.ctx, call.actor, ip, _wish(call.params)))


@collection.create("release", takes=_RELEASE)
def release(call: Call) -> None:
    """Give an address (`ip`) back. Administrators release those of others with `force`."""
    if call.params.flag("discovered"):
        raise Invalid.field("discovered", "What DHCP has given out ends with its lease; leave discovered out.")
    force = call.params.flag("force") is True
    reserved_addresses.release(call.ctx, call.actor, call.params.text("ip") or "", force=force)


def _ip(params: Params) -> str:
    given = [params.text(name) or "" for name in ("ip", "ip_address")]
    if all(given) and given[0] != given[1]:
        raise Invalid.field("ip_address", "ip and ip_address are two names of the same; give one of them.")
    return given[0] or given[1]


def _wish(params: Params) -> NameWish:
    return NameWish(hostname=params.text("hostname"), domain=params.text("domain"), mac=params.text("mac"))


def _shape(known: Details) -> dict[str, Any]:
    reserved = known.reserved
    return {
        "alloc_type": 4,
        "alloc_type_name": "User reserved",
        "created": shapes.moment(reserved.created_at),
        "ip": reserved.ip,
        "subnet": shapes.subnet(known.subnet, known.network.vlan_of(known.subnet)),
        # No interface of a machine or device has it; those are at `nodes/`.
        "interface_set": [],
        "owner": {
            "username": reserved.owner.username,
            "email": reserved.owner.email,
            "is_local": True,
            "is_superuser": reserved.owner.is_admin,
            "resource_uri": f"{ROOT}/users/{reserved.owner.username}/",
        },
        # Ours.
        "hostname": reserved.hostname or "",
        "domain": known.domain,
        "mac_address": reserved.mac,
        "resource_uri": f"{ROOT}/ipaddresses/",
    }
