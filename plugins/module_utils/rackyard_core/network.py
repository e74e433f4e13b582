# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The region's network as the API shows it, in the words of module ``subnet``, and carrying out a subnet's plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .client import RegionClient, RegionRefused
from .kinds import UNDEFINED
from .plan import Action, Plan
from .subnets import BadSubnet, SubnetWish, refuse_overlap

Row = Mapping[str, Any]


@dataclass(frozen=True)
class NetworkView:
    """Everything that a subnet's plan depends on, read in four requests."""

    fabrics: Sequence[Row]
    subnets: Sequence[Row]
    ranges: Sequence[Row]
    racks: Sequence[Row]

    @classmethod
    def read(cls, client: RegionClient) -> NetworkView:
        """The network now."""
        return cls(
            fabrics=client.get("fabrics/"),
            subnets=client.get("subnets/"),
            ranges=client.get("ipranges/"),
            racks=client.get("rackcontrollers/"),
        )

    def find(self, name: str, cidr: str | None) -> Row | None:
        """The subnet of that name, else the one with that CIDR (which then gets the name)."""
        by_name = [row for row in self.subnets if row["name"] == name]
        by_cidr = [row for row in self.subnets if row["cidr"] == cidr]
        if by_name and by_cidr and by_name[0]["id"] != by_cidr[0]["id"]:
            raise BadSubnet(
                f"Subnet {name} is {by_name[0]['cidr']}, and {cidr} is subnet {by_cidr[0]['name']}; "
                "give one of them another name or CIDR"
            )
        return next(iter([*by_name, *by_cidr]), None)

    def check(self, wish: SubnetWish, row: Row | None) -> None:
        """Refuse what the region would refuse, so that check mode hears of it too. Raises BadSubnet."""
        refuse_overlap(wish, [other for other in self.subnets if row is None or other["id"] != row["id"]])
        known = sorted(one["hostname"] for one in self.racks)
        for place in ("primary_rack", "secondary_rack"):
            rack = wish.vlan.get(place)
            if rack and rack not in known:
                raise BadSubnet(
                    f"{place} '{rack}' of subnet {wish.name} is no enrolled rack; "
                    f"enrolled: {', '.join(known) or 'none'}. Enrol it with playbook rackyard.metal.rack"
                )

    def check_relay(self, wish: SubnetWish) -> None:
        """Refuse a relay to another VLAN that is not there, before anything is done. Raises BadSubnet.

        Not in check mode: what comes before it in the same playbook may be to make that VLAN."""
        place = wish.vlan.get("relay_vlan")
        own = f"{wish.fabric}/{wish.vid}"
        if place and place != own and vlan_row(self.fabrics, *_place(place)) is None:
            raise BadSubnet(
                f"There is no VLAN {place} (FABRIC/VID) that subnet {wish.name} could be relayed to; declare a subnet "
                "in that VLAN first"
            )

    def subnet(self, row: Row | None) -> dict[str, Any]:
        """A subnet in the module's words; ``alone`` says that its VLAN has no other. Empty for None."""
        if row is None:
            return {}
        vlan = self.vlan(row["vlan"]["fabric"], row["vlan"]["vid"])
        return {
            "name": row["name"],
            "cidr": row["cidr"],
            "fabric": row["vlan"]["fabric"],
            "vid": row["vlan"]["vid"],
            **(vlan or {}),
            "gateway_ip": row["gateway_ip"] or "",
            "dns_servers": list(row["dns_servers"] or []),
            "allow_dns": row["allow_dns"],
            "allow_proxy": row["allow_proxy"],
            "router_advertisements": row.get("router_advertisements", False),
            "managed": row["managed"],
            "enlistment": row.get("enlistment", "off"),
            "description": row["description"],
            "ranges": [_range(one) for one in self.ranges if one["subnet"]["id"] == row["id"]],
            "alone": sum(other["vlan"]["id"] == row["vlan"]["id"] for other in self.subnets) == 1,
        }

    def place(self, wish: SubnetWish) -> dict[str, Any]:
        """The wished fabric and VLAN as they are."""
        return {
            "fabric": any(fabric["name"] == wish.fabric for fabric in self.fabrics),
            "vlan": self.vlan(wish.fabric, wish.vid),
        }

    def vlan(self, fabric: str, vid: int) -> dict[str, Any] | None:
        """Name, MTU, DHCP, racks (by name), relay (as FABRIC/VID) and space of a VLAN, None when there is none."""
        row = vlan_row(self.fabrics, fabric, vid)
        return None if row is None else vlan_view(row, self.racks)


def vlan_view(row: Row, racks: Sequence[Row]) -> dict[str, Any]:
    """What is decided on about a VLAN, in the words of module ``subnet``."""
    names = {rack["system_id"]: rack["hostname"] for rack in racks}
    return {
        "vlan_name": row["name"],
        "mtu": row["mtu"],
        "dhcp_on": row["dhcp_on"],
        "primary_rack": names.get(row["primary_rack"], row["primary_rack"]) or "",
        "secondary_rack": names.get(row["secondary_rack"], row["secondary_rack"]) or "",
        "relay_vlan": f"{row['relay_vlan']['fabric']}/{row['relay_vlan']['vid']}" if row["relay_vlan"] else "",
        "space": "" if row["space"] == UNDEFINED else row["space"],
    }


def vlan_row(fabrics: Sequence[Row], fabric: str, vid: int) -> Row | None:
    """The API's VLAN object, None when there is none."""
    rows = [vlan for one in fabrics if one["name"] == fabric for vlan in one["vlans"] if vlan["vid"] == vid]
    return rows[0] if rows else None


def check_space(client: RegionClient, wish: SubnetWish) -> None:
    """Refuse a space that is not there, before anything is done. Raises BadSubnet.

    Not in check mode, as with a relay."""
    space = wish.vlan.get("space")
    if not space:
        return
    known = sorted(row["name"] for row in client.get("spaces/"))
    if space not in known:
        raise BadSubnet(
            f"There is no space {space} that the VLAN of subnet {wish.name} could be in; there are {', '.join(known)}. "
            "Declare it with module rackyard.metal.space first"
        )


def _place(text: str) -> tuple[str, int]:
    """Fabric and VID of FABRIC/VID."""
    fabric, _slash, vid = text.rpartition("/")
    return fabric, int(vid)


def _range(row: Row) -> dict[str, str]:
    return {name: row[name] or "" for name in ("type", "start_ip", "end_ip", "comment")}


def carry_out(client: RegionClient, view: NetworkView, row: Row | None, wish: SubnetWish, plan: Plan) -> None:
    """Do the plan's actions in order. Raises RegionRefused with the region's own words."""
    work = _Work(client, wish, view.ranges, row["id"] if row else None)
    for action in plan.actions:
        work.do(action)


class _Work:
    """Knows the ids that earlier actions have made."""

    def __init__(self, client: RegionClient, wish: SubnetWish, ranges: Sequence[Row], subnet_id: int | None) -> None:
        self._client = client
        self._wish = wish
        self._ranges = ranges
        self._subnet_id = subnet_id

    def do(self, action: Action) -> None:
        """One action; its target's first word says on what."""
        kind = action.target.split(" ", 1)[0]
        handler = {"fabric": self._fabric, "VLAN": self._vlan, "subnet": self._subnet}.get(kind, self._range)
        handler(action)

    def _fabric(self, action: Action) -> None:
        self._client.post("fabrics/", **action.values)

    def _vlan(self, action: Action) -> None:
        fabric = self._fabric_row()
        if action.verb == "create":
            self._client.post(f"fabrics/{fabric['id']}/vlans/", **action.values)
        else:
            values = {"name" if name == "vlan_name" else name: value for name, value in action.values.items()}
            if values.get("relay_vlan"):
                values["relay_vlan"] = self._relay_id(values["relay_vlan"])
            self._client.put(f"fabrics/{fabric['id']}/vlans/{self._wish.vid}/", **values)

    def _subnet(self, action: Action) -> None:
        values = dict(action.values)
        if "vlan" in values:
            values["vlan"] = self._vlan_id()
        if action.verb == "delete":
            self._client.delete(f"subnets/{self._subnet_id}/")
        elif action.verb == "create":
            self._subnet_id = self._client.post("subnets/", **values)["id"]
        else:
            self._client.put(f"subnets/{self._subnet_id}/", **values)

    def _range(self, action: Action) -> None:
        values = {name: value for name, value in action.values.items() if name != "old"}
        if action.verb == "create":
            self._client.post("ipranges/", subnet=self._subnet_id, **values)
        elif action.verb == "update":
            self._client.put(f"ipranges/{self._range_id(action.values['old'])}/", **values)
        else:
            self._client.delete(f"ipranges/{self._range_id(action.values['old'])}/")

    def _range_id(self, old: Row) -> int:
        for row in self._ranges:
            if row["subnet"]["id"] == self._subnet_id and _range(row) == dict(old):
                return int(row["id"])
        raise RegionRefused(f"The range {old['start_ip']}-{old['end_ip']} is gone; somebody else changed it, run again")

    def _relay_id(self, place: str) -> int:
        vlan = vlan_row(self._client.get("fabrics/"), *_place(place))
        if vlan is None:
            raise RegionRefused(f"VLAN {place} is gone; somebody else changed it, run again")
        return int(vlan["id"])

    def _fabric_row(self) -> Row:
        for fabric in self._client.get("fabrics/"):
            if fabric["name"] == self._wish.fabric:
                return dict(fabric)
        raise RegionRefused(f"Fabric {self._wish.fabric} is gone; somebody else changed it, run again")

    def _vlan_id(self) -> int:
        vlan = vlan_row([self._fabric_row()], self._wish.fabric, self._wish.vid)
        if vlan is None:
            raise RegionRefused(f"VLAN {self._wish.vid} of fabric {self._wish.fabric} is gone; run again")
        return int(vlan["id"])
