# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs and IP ranges that are declared by themselves, rather than with their subnet."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from .client import RegionClient, RegionRefused
from .declared import Kind
from .network import vlan_row, vlan_view
from .spaces import UNDEFINED
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
