# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A subnet with its fabric, VLAN, DHCP and ranges: what it should be, and the plan that makes it so. Pure functions."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .kinds import UNDEFINED
from .plan import Action, Plan, differing

RANGE_TYPES = ("dynamic", "reserved")
VLAN_FIELDS = ("vlan_name", "mtu", "dhcp_on", "primary_rack", "secondary_rack", "relay_vlan", "space")
SUBNET_FIELDS = (
    "name", "cidr", "gateway_ip", "dns_servers", "allow_dns", "allow_proxy", "router_advertisements", "managed",
    "enlistment", "description",
)  # fmt: skip


class BadSubnet(ValueError):
    """The wish contradicts itself or what is there; the message names the item and the remedy."""


@dataclass(frozen=True)
class Range:
    """A range of addresses, ends included, in canonical notation."""

    type: str
    start_ip: str
    end_ip: str
    comment: str = ""

    @property
    def ends(self) -> tuple[int, int]:
        """First and last address as numbers."""
        return int(ipaddress.ip_address(self.start_ip)), int(ipaddress.ip_address(self.end_ip))

    def __str__(self) -> str:
        return f"{self.type} range {self.start_ip}-{self.end_ip}"

    def values(self) -> dict[str, str]:
        """The API's fields."""
        return {"type": self.type, "start_ip": self.start_ip, "end_ip": self.end_ip, "comment": self.comment}


@dataclass(frozen=True)
class SubnetWish:
    """A subnet as an operator declares it. None means "leave it alone"; ``ranges`` is the whole list when given."""

    name: str
    cidr: str
    fabric: str
    vid: int = 0
    vlan: Mapping[str, Any] = field(default_factory=dict)
    subnet: Mapping[str, Any] = field(default_factory=dict)
    ranges: tuple[Range, ...] | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> SubnetWish:
        """From the options of module ``subnet``. Raises BadSubnet for malformed or contradicting addresses."""
        network = _network(options["cidr"])
        ranges = options.get("ranges")
        wish = cls(
            name=options["name"],
            cidr=str(network),
            fabric=options["fabric"],
            vid=options["vid"],
            vlan={
                **{name: options.get(name) for name in VLAN_FIELDS},
                "relay_vlan": vlan_place(options.get("relay_vlan"), options["fabric"]),
                "space": "" if options.get("space") == UNDEFINED else options.get("space"),
            },
            subnet={name: options.get(name) for name in SUBNET_FIELDS if name not in ("name", "cidr")},
            ranges=None if ranges is None else tuple(_range(one, network) for one in ranges),
        )
        _refuse_overlaps(wish.ranges or ())
        return wish


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as reason:
        raise BadSubnet(f"'{text}' is no network ({reason}); write it as 198.51.100.0/24, host bits zero") from reason


def vlan_place(text: str | None, fabric: str) -> str | None:
    """A VLAN as FABRIC/VID, also when only its VID in the same fabric is given. Raises BadSubnet."""
    if not text:
        return text
    elsewhere, _slash, vid = text.rpartition("/")
    if not vid.isdecimal():
        raise BadSubnet(f"'{text}' names no VLAN; write relay_vlan as FABRIC/VID, or as VID for one of the same fabric")
    return f"{elsewhere or fabric}/{int(vid)}"


def _range(options: Mapping[str, Any], network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> Range:
    try:
        start, end = ipaddress.ip_address(options["start_ip"]), ipaddress.ip_address(options["end_ip"])
    except ValueError as reason:
        raise BadSubnet(f"A range of subnet {network} has a malformed address: {reason}") from reason
    wanted = Range(options["type"], str(start), str(end), options.get("comment") or "")
    outside = [str(one) for one in (start, end) if one not in network]
    if outside:
        raise BadSubnet(f"The {wanted} is not inside subnet {network}: {', '.join(outside)}; correct the range")
    if int(start) > int(end):
        raise BadSubnet(f"The {wanted} of subnet {network} ends before it starts; swap start_ip and end_ip")
    return wanted


def _refuse_overlaps(ranges: Sequence[Range]) -> None:
    ordered = sorted(ranges, key=lambda one: one.ends[0])
    for first, second in itertools.pairwise(ordered):
        if second.ends[0] <= first.ends[1]:
            raise BadSubnet(f"The {first} and the {second} overlap; make them disjoint")


def refuse_overlap(wish: SubnetWish, others: Iterable[Mapping[str, Any]]) -> None:
    """Raise BadSubnet when another subnet shares addresses with the wish: in check mode the region cannot say it."""
    network = _network(wish.cidr)
    for other in others:
        if network.version == _network(other["cidr"]).version and network.overlaps(_network(other["cidr"])):
            raise BadSubnet(f"Subnet {wish.name} ({wish.cidr}) overlaps subnet {other['name']} ({other['cidr']})")


def plan_absent(view: Mapping[str, Any], name: str) -> Plan:
    """Remove the subnet and its ranges; fabric and VLAN stay, others may use them. A VLAN without a subnet is not
    served, and keeps no other one from being turned off because it is relayed to that."""
    if not view:
        return Plan({}, {})
    ended = {"dhcp_on": False} if view["dhcp_on"] else {"relay_vlan": ""} if view["relay_vlan"] else {}
    actions = [Action("update", _vlan_name(view), ended)] if ended and view["alone"] else []
    return Plan(shown(view), {}, (*actions, Action("delete", f"subnet {name}")))


def plan_present(view: Mapping[str, Any], place: Mapping[str, Any], wish: SubnetWish) -> Plan:
    """Create or correct.

    :param view: the subnet as it is (see ``NetworkView.subnet``), empty when there is none.
    :param place: the wished fabric and VLAN: ``{"fabric": bool, "vlan": ... or None}``, the VLAN with its VLAN_FIELDS.
    """
    vlan_now: Mapping[str, Any] = place["vlan"] or {}
    vlan_changes = differing(vlan_now, wish.vlan)
    desired = {**wish.subnet, "name": wish.name, "cidr": wish.cidr}
    moved = bool(view) and (view["fabric"], view["vid"]) != (wish.fabric, wish.vid)
    subnet_changes = differing(view, desired)
    actions = [
        *_place_actions(place, wish),
        *_vlan_actions(wish, vlan_changes, early=True),
        *_subnet_actions(view, wish, subnet_changes, moved),
        *_range_actions(view, wish),
        # DHCP needs its rack and ranges, so it is switched on last.
        *_vlan_actions(wish, vlan_changes, early=False),
    ]
    after = {
        **shown(view),
        **subnet_changes,
        "fabric": wish.fabric,
        "vid": wish.vid,
        **{name: vlan_now[name] for name in VLAN_FIELDS if name in vlan_now},
        **vlan_changes,
        "ranges": [one.values() for one in wish.ranges] if wish.ranges is not None else list(view.get("ranges", [])),
    }
    return Plan(shown(view), after, tuple(actions))


def shown(view: Mapping[str, Any]) -> dict[str, Any]:
    """The view without what only planning needs."""
    return {name: value for name, value in view.items() if name != "alone"}


def _vlan_name(view: Mapping[str, Any]) -> str:
    return f"VLAN {view['vid']} of fabric {view['fabric']}"


def _place_actions(place: Mapping[str, Any], wish: SubnetWish) -> list[Action]:
    actions = [] if place["fabric"] else [Action("create", f"fabric {wish.fabric}", {"name": wish.fabric})]
    # The region makes a new fabric with its untagged VLAN.
    if place["vlan"] is None and (place["fabric"] or wish.vid != 0):
        actions.append(Action("create", f"VLAN {wish.vid} of fabric {wish.fabric}", {"vid": wish.vid}))
    return actions


def _vlan_actions(wish: SubnetWish, changes: Mapping[str, Any], *, early: bool) -> list[Action]:
    """Switching DHCP off, ending a relay, MTU, name and space come first; switching DHCP on, its racks and beginning a
    relay come last."""
    off = changes.get("dhcp_on") is False
    first = {name for name in changes if name in ("mtu", "vlan_name", "space") or (off and name != "relay_vlan")}
    if changes.get("relay_vlan") == "":
        first.add("relay_vlan")
    values = {name: value for name, value in changes.items() if (name in first) == early}
    return [Action("update", f"VLAN {wish.vid} of fabric {wish.fabric}", values)] if values else []


def _subnet_actions(view: Mapping[str, Any], wish: SubnetWish, changes: Mapping[str, Any], moved: bool) -> list[Action]:
    if not view:
        return [Action("create", f"subnet {wish.name}", {**changes, "vlan": wish.vid})]
    values = {**changes, "vlan": wish.vid} if moved else changes
    return [Action("update", f"subnet {wish.name}", values)] if values else []


def _range_actions(view: Mapping[str, Any], wish: SubnetWish) -> list[Action]:
    """Ranges that only moved are updated in place, so that a VLAN with DHCP on never is without one."""
    if wish.ranges is None:
        return []
    current = [Range(**one) for one in view.get("ranges", [])]
    obsolete = [one for one in current if one not in wish.ranges]
    missing = [one for one in wish.ranges if one not in current]
    updates: list[Action] = []
    for new in list(missing):
        old = next((one for one in obsolete if one.type == new.type), None)
        if old is not None:
            obsolete.remove(old)
            missing.remove(new)
            updates.append(Action("update", str(old), {"old": old.values(), **new.values()}))
    deletions = [Action("delete", str(one), {"old": one.values()}) for one in obsolete]
    return [*deletions, *updates, *(Action("create", str(one), one.values()) for one in missing)]
