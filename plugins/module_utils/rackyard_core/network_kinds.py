# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs, IP ranges and reserved addresses: what of a network is declared by itself, rather than with its subnet."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from .client import RegionClient, RegionRefused
from .declared import Kind
from .dns import bare
from .kinds import UNDEFINED
from .macs import normal
from .network import vlan_row, vlan_view
from .subnets import vlan_place

Row = Mapping[str, Any]
Values = Mapping[str, Any]


def vlan_kind(client: RegionClient) -> Kind:
    """VLANs by fabric and number, with racks by their host names and relays as FABRIC/VID, as the region has them."""
    fabrics: Sequence[Row] = client.get("fabrics/")
    racks: Sequence[Row] = client.get("rackcontrollers/")

    def view(row: Row) -> dict[str, Any]:
        shown = vlan_view(row, racks)
        return {
            "fabric": row["fabric"],
            "vid": row["vid"],
            "name": shown.pop("vlan_name"),
            "description": row["description"],
            **shown,
        }

    def wish(options: Values) -> dict[str, Any]:
        return {
            **options,
            "fabric": options["fabric"].strip(),
            "relay_vlan": vlan_place(options["relay_vlan"], options["fabric"].strip()),
            "space": "" if options["space"] == UNDEFINED else options["space"],
        }

    def form(values: Values) -> dict[str, Any]:
        given = {name: value for name, value in values.items() if name != "fabric"}
        if given.get("relay_vlan"):
            given["relay_vlan"] = _id_of(fabrics, given["relay_vlan"])
        return given

    return Kind(
        word="VLAN",
        listing="fabrics/{fabric}/vlans/",
        one="vlans/{id}/",
        key=("fabric", "vid"),
        new={
            "name": None,
            "description": "",
            "mtu": None,
            "dhcp_on": False,
            "primary_rack": "",
            "secondary_rack": "",
            "relay_vlan": "",
            "space": "",
        },
        view=view,
        form=form,
        wish=wish,
        label=_vlan_label,
        rows=_all_vlans,
    )


def _all_vlans(client: RegionClient) -> list[Row]:
    # By all fabrics, because that of the wish may be missing: in check mode another task may be to make it first.
    return [vlan for fabric in client.get("fabrics/") for vlan in fabric["vlans"]]


def _vlan_label(values: Values) -> str:
    return f"{values['vid']} of fabric {values['fabric']}"


def _id_of(fabrics: Sequence[Row], place: str) -> int:
    fabric, _slash, vid = place.rpartition("/")
    row = vlan_row(fabrics, fabric, int(vid))
    if row is None:
        raise RegionRefused(
            f"There is no VLAN {place} (FABRIC/VID) that this one could be relayed to; declare it first"
        )
    return int(row["id"])


def _range_wish(options: Values) -> dict[str, Any]:
    return {**options, **{name: _address(name, options[name]) for name in ("start_ip", "end_ip")}}


def _address(option: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError as reason:
        raise ValueError(f"{option}: '{text}' is no address ({reason}); write one of the subnet") from reason


def _range_label(values: Values) -> str:
    return f"that begins at {values['start_ip']}"


# Ranges do not overlap, so that the first address tells one from others; the region finds the subnet by it.
IP_RANGE = Kind(
    word="IP range",
    listing="ipranges/",
    one="ipranges/{id}/",
    key=("start_ip",),
    new={"end_ip": None, "type": None, "comment": ""},
    wish=_range_wish,
    label=_range_label,
)


def ip_address_kind(client: RegionClient) -> Kind:
    """Reserved addresses of the account whose key is used, by address, or by the name that leads to one of a subnet."""
    subnets: Sequence[Row] = client.get("subnets/")
    rows: Sequence[Row] = client.get("ipaddresses/")

    def wish(options: Values) -> dict[str, Any]:
        subnet = options["subnet"] and _subnet_name(subnets, options["subnet"].strip())
        wished = {**options, **_host(options), "ip": _address("ip", options["ip"]), "subnet": subnet}
        wished["mac"] = normal(options["mac"]) if (options["mac"] or "").strip() else options["mac"]
        if wished["ip"] is None:
            wished["ip"] = _ip_by_name(rows, wished)
        for row in rows:
            if row["ip"] == wished["ip"] and subnet not in (None, row["subnet"]["name"]):
                there = row["subnet"]["name"]
                raise ValueError(f"subnet: {row['ip']} is reserved in {there}, not in {subnet}; correct that")
        return wished

    return Kind(
        word="reserved address",
        listing="ipaddresses/",
        one="",
        key=("ip",),
        new={"subnet": None, "hostname": "", "domain": None, "mac": ""},
        view=_reserved,
        wish=wish,
        label=_reserved_label,
        posts={"create": "reserve", "update": "change", "delete": "release"},
    )


def _subnet_name(subnets: Sequence[Row], text: str) -> str:
    """By its name or CIDR; one that is not there may come before, in check mode: the region says so otherwise."""
    return next((row["name"] for row in subnets if text in (row["name"], row["cidr"])), text)


def _host(options: Values) -> dict[str, Any]:
    """Name and domain, which may be given in one; without a name there is no domain."""
    if options["hostname"] is None:
        return {"domain": options["domain"] and bare(options["domain"])}
    hostname, _dot, rest = bare(options["hostname"]).partition(".")
    if not hostname:
        return {"hostname": "", "domain": ""}
    return {"hostname": hostname, "domain": rest or (options["domain"] and bare(options["domain"])) or None}


def _ip_by_name(rows: Sequence[Row], wished: Values) -> str | None:
    if not wished["subnet"] or not wished["hostname"]:
        raise ValueError("ip: name the address, or a subnet and the hostname that leads to the address there")
    found = [
        row
        for row in rows
        if (row["subnet"]["name"], row["hostname"]) == (wished["subnet"], wished["hostname"])
        and wished["domain"] in (None, row["domain"])
    ]
    if len(found) > 1:
        names = ", ".join(f"{row['ip']} ({row['hostname']}.{row['domain']})" for row in found)
        raise ValueError(f"hostname: {names} could be meant; name one of them by ip")
    return str(found[0]["ip"]) if found else None


def _reserved(row: Row) -> dict[str, Any]:
    return {**row, "subnet": row["subnet"]["name"], "mac": row["mac_address"] or ""}


def _reserved_label(values: Values) -> str:
    return str(values["ip"] or f"for {values['hostname']} in {values['subnet']}")
