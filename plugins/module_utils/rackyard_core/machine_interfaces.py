# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NIC of a machine with its links to subnets: what it should be, the plan that makes it so, and carrying that out."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import macs
from .client import RegionClient
from .machine_lookup import get_machine
from .plan import Action, Plan, differing

Row = Mapping[str, Any]
WITH_ADDRESS = ("auto", "static")


class BadInterface(ValueError):
    """The wish contradicts itself or what is there; the message names the NIC and the remedy."""


@dataclass(frozen=True)
class LinkWish:
    """A link as an operator declares it; the subnet by name or CIDR. No address: any of the subnet will do."""

    mode: str
    subnet: str
    ip_address: str
    default_gateway: bool

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> LinkWish:
        """From one entry of option ``links``. Raises BadInterface."""
        mode, subnet, text = options["mode"], options["subnet"] or "", options["ip_address"] or ""
        if mode in WITH_ADDRESS and not subnet:
            raise BadInterface(f"A link of mode {mode} needs its subnet; name it or give its CIDR")
        if text and mode != "static":
            raise BadInterface(f"ip_address {text} goes with mode static, not {mode}")
        if options["default_gateway"] and mode not in WITH_ADDRESS:
            raise BadInterface(f"default_gateway goes with modes auto and static, not {mode}")
        try:
            address = str(ipaddress.ip_address(text)) if text else ""
        except ValueError as reason:
            raise BadInterface(f"ip_address '{text}' is no address ({reason})") from reason
        return cls(mode, subnet, address, bool(options["default_gateway"]))

    def is_met_by(self, link: Row) -> bool:
        """Whether a link of the region is what is wished, apart from the default gateway."""
        subnet = link.get("subnet") or {"name": "", "cidr": ""}
        return (
            link["mode"] == self.mode
            and self.subnet in (subnet["name"], subnet["cidr"])
            and self.ip_address in ("", link.get("ip_address"))
        )

    def __str__(self) -> str:
        return " ".join(filter(None, (self.mode, self.ip_address, self.subnet and f"in {self.subnet}")))


@dataclass(frozen=True)
class InterfaceWish:
    """A NIC as an operator declares it. None means "leave it alone"; links are all that there shall be."""

    machine: str
    name: str | None
    mac_address: str | None
    values: Mapping[str, Any]
    links: Sequence[LinkWish] | None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> InterfaceWish:
        """From the options of module ``machine_interface``. Raises BadInterface."""
        try:
            mac = None if options["mac_address"] is None else macs.normal(options["mac_address"])
        except ValueError as reason:
            raise BadInterface(str(reason)) from reason
        links = None if options["links"] is None else [LinkWish.from_options(each) for each in options["links"]]
        if links is not None and sum(link.default_gateway for link in links) > 1:
            raise BadInterface("A machine has one default gateway; say default_gateway at one link")
        tags = None if options["tags"] is None else sorted(set(options["tags"]))
        values = {"vlan": options["vlan"], "mtu": options["mtu"], "enabled": options["enabled"], "tags": tags}
        return cls(options["machine"], options["name"], mac, values, links)

    def __str__(self) -> str:
        return f"interface {self.name or self.mac_address} of {self.machine}"


@dataclass(frozen=True)
class InterfaceView:
    """A machine, the NIC that is meant, None when there is none, and what wishes name: subnets, VLANs."""

    system_id: str
    nic: Row | None
    subnets: Sequence[Row]
    fabrics: Sequence[Row]

    @classmethod
    def read(cls, client: RegionClient, wish: InterfaceWish) -> InterfaceView:
        """What is there now: by its MAC if that is given, else by its name. Raises RegionRefused."""
        machine = get_machine(client, wish.machine)
        key, value = ("mac_address", wish.mac_address) if wish.mac_address else ("name", wish.name)
        nics = client.get(f"nodes/{machine['system_id']}/interfaces/")
        # What is made of a NIC shows its MAC as well.
        found = [nic for nic in nics if nic[key] == value and (key == "name" or nic["type"] == "physical")]
        gateways = [each["link_id"] for each in machine["default_gateways"].values()]
        nic = {**found[0], "gateways": gateways} if found else None
        return cls(machine["system_id"], nic, client.get("subnets/"), client.get("fabrics/"))

    @property
    def path(self) -> str:
        """Of the NICs, in the API."""
        return f"nodes/{self.system_id}/interfaces/"

    def check(self, wish: InterfaceWish, check_mode: bool) -> None:
        """Refuse what the region would refuse. Raises BadInterface.

        In check mode a subnet or VLAN may be missing: another task may be to declare it first."""
        if self.nic is None and not wish.mac_address:
            raise BadInterface(f"There is no {wish}; give its mac_address to create it, or correct the name")
        if wish.values["vlan"] and not check_mode and self.vlan_id(wish.values["vlan"]) is None:
            raise BadInterface(f"There is no VLAN {wish.values['vlan']} (FABRIC/VID) for the {wish}")
        for link in wish.links or ():
            row = self.subnet(link.subnet)
            if link.subnet and row is None and not check_mode:
                raise BadInterface(
                    f"There is no subnet {link.subnet} for the {wish}; declare it with module rackyard.metal.subnet"
                )
            if row and not _is_in(link.ip_address, row["cidr"]):
                raise BadInterface(f"{link.ip_address} of the {wish} lies outside {row['cidr']}; correct ip_address")

    def subnet(self, text: str) -> Row | None:
        """The subnet of that name or CIDR."""
        return next((row for row in self.subnets if text in (row["name"], row["cidr"])), None)

    def vlan_id(self, place: str) -> int | None:
        """The id of a VLAN by FABRIC/VID."""
        fabric, _slash, vid = place.rpartition("/")
        vlans = [vlan for one in self.fabrics if one["name"] == fabric for vlan in one["vlans"]]
        return next((int(vlan["id"]) for vlan in vlans if str(vlan["vid"]) == vid), None)

    def shown(self) -> dict[str, Any]:
        """The NIC in the module's words, empty for none."""
        if self.nic is None:
            return {}
        vlan, params = self.nic["vlan"], self.nic["params"] or {}
        return {
            "name": self.nic["name"],
            "mac_address": self.nic["mac_address"],
            "vlan": f"{vlan['fabric']}/{vlan['vid']}" if vlan else "",
            "mtu": params.get("mtu", 0),
            "enabled": self.nic["enabled"],
            "tags": sorted(self.nic["tags"]),
            "links": [_link(link, link["id"] in self.nic["gateways"]) for link in self.nic["links"]],
        }


def _is_in(address: str, cidr: str) -> bool:
    return not address or ipaddress.ip_address(address) in ipaddress.ip_network(cidr)


def _words(row: Row) -> str:
    return " ".join(filter(None, (row["mode"], row.get("ip_address", ""))))


def _link(row: Row, is_gateway: bool) -> dict[str, Any]:
    subnet = row.get("subnet")
    return {
        "mode": row["mode"],
        "subnet": subnet["name"] if subnet else "",
        "ip_address": row.get("ip_address", ""),
        "default_gateway": is_gateway,
    }


def plan_present(view: InterfaceView, wish: InterfaceWish) -> Plan:
    """Create or correct the NIC, then its links: unlink what is not wished, link what is missing."""
    before = view.shown()
    desired = {"name": wish.name, **wish.values}
    actions: list[Action] = []
    if view.nic is None:
        given = {name: value for name, value in desired.items() if value is not None}
        actions.append(Action("create", str(wish), {"mac_address": wish.mac_address, **given}))
        after = {"name": "", "vlan": "", "mtu": 0, "enabled": True, "tags": [], "links": []}
        after |= {"mac_address": wish.mac_address, **given}
    else:
        changes = differing(before, desired)
        after = {**before, **changes}
        if changes:
            actions.append(Action("update", str(wish), changes))
        if changes.get("vlan") is not None:
            after["links"] = []
    if wish.links is not None:
        known = [] if view.nic is None or not after["links"] else list(view.nic["links"])
        actions += _link_actions(known, wish, view)
        after["links"] = _links_after(known, wish, view)
    return Plan(before, after, tuple(actions))


def _link_actions(known: Sequence[Row], wish: InterfaceWish, view: InterfaceView) -> list[Action]:
    kept, missing = _matched(known, wish)
    gone = [row for row in known if row["id"] not in [each["id"] for each in kept.values()]]
    gateways = view.nic["gateways"] if view.nic else []
    actions = [Action("unlink", f"{wish} ({_words(row)})", {"id": row["id"]}) for row in gone]
    actions += [Action("link", f"{wish} ({link})", {"link": link}) for link in missing]
    actions += [
        Action("route", f"{wish} ({wish.links[index]})", {"link_id": row["id"]})
        for index, row in kept.items()
        if wish.links and wish.links[index].default_gateway and row["id"] not in gateways
    ]
    return actions


def _matched(known: Sequence[Row], wish: InterfaceWish) -> tuple[dict[int, Row], list[LinkWish]]:
    """Which link meets which wish (by its place), each one; and the wishes that none meets."""
    left, kept, missing = list(known), {}, []
    # Those that name an address choose first: any address will do for the others.
    wished = sorted(enumerate(wish.links or ()), key=lambda each: not each[1].ip_address)
    for index, link in wished:
        row = next((row for row in left if link.is_met_by(row)), None)
        if row is None:
            missing.append(link)
        else:
            left.remove(row)
            kept[index] = row
    return kept, missing


def _links_after(known: Sequence[Row], wish: InterfaceWish, view: InterfaceView) -> list[dict[str, Any]]:
    """As far as it can be told before: which address a new link gets the region says."""
    kept, missing = _matched(known, wish)
    gateways = view.nic["gateways"] if view.nic else []
    wished = [link for link in wish.links or () if link.default_gateway]
    after = []
    for index, row in sorted(kept.items(), key=lambda each: int(each[1]["id"])):
        own = wish.links[index].default_gateway if wish.links else False
        after.append(_link(row, own or (row["id"] in gateways and not wished)))
    for link in missing:
        subnet = view.subnet(link.subnet)
        after.append(
            {
                "mode": link.mode,
                "subnet": subnet["name"] if subnet else link.subnet,
                "ip_address": link.ip_address,
                "default_gateway": link.default_gateway,
            }
        )
    return after


def plan_absent(view: InterfaceView, wish: InterfaceWish) -> Plan:
    """Remove."""
    return Plan(view.shown(), {}, (Action("delete", str(wish)),) if view.nic else ())


def carry_out(client: RegionClient, view: InterfaceView, plan: Plan) -> None:
    """Do the plan's actions in order. Raises RegionRefused with the region's own words."""
    nic_id = view.nic["id"] if view.nic else None
    for action in plan.actions:
        values = dict(action.values)
        if values.get("vlan"):
            values["vlan"] = view.vlan_id(values["vlan"])
        if values.get("mtu") == 0:
            values["mtu"] = ""
        if "tags" in values:
            values["tags"] = ",".join(values["tags"])
        own = f"{view.path}{nic_id}/"
        if action.verb == "create":
            nic_id = client.post(view.path, op="create_physical", **values)["id"]
        elif action.verb == "update":
            client.put(own, **values)
        elif action.verb == "delete":
            client.delete(own)
        elif action.verb == "unlink":
            client.post(own, op="unlink_subnet", **values)
        elif action.verb == "route":
            client.post(own, op="set_default_gateway", **values)
        else:
            client.post(own, op="link_subnet", **_wire(view, values["link"]))


def _wire(view: InterfaceView, link: LinkWish) -> dict[str, Any]:
    row = view.subnet(link.subnet)
    given = {"mode": link.mode, "ip_address": link.ip_address, "subnet": row["id"] if row else link.subnet}
    return {**{name: value for name, value in given.items() if value}, "default_gateway": link.default_gateway}
