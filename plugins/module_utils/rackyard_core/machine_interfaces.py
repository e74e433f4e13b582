# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network interface of a machine or device with its links to subnets: what it should be, the plan that makes it so,
and carrying that out."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import interface_types, macs
from .client import RegionClient, RegionRefused
from .machine_lookup import get_machine
from .plan import Action, Plan, differing

Row = Mapping[str, Any]
WITH_ADDRESS = ("auto", "static")
# Whose interfaces they are, and what a new one has unless it is wished otherwise.
MACHINE, DEVICE = "machine", "device"
_BLANK: Mapping[str, Row] = {
    MACHINE: {
        "name": "", "type": interface_types.PHYSICAL, "parents": [], "vlan": "", "mtu": 0, "enabled": True, "tags": [],
    },
    DEVICE: {"name": "", "vlan": "", "tags": []},
}  # fmt: skip


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
        is_gateway = bool(options.get("default_gateway"))
        if is_gateway and mode not in WITH_ADDRESS:
            raise BadInterface(f"default_gateway goes with modes auto and static, not {mode}")
        try:
            address = str(ipaddress.ip_address(text)) if text else ""
        except ValueError as reason:
            raise BadInterface(f"ip_address '{text}' is no address ({reason})") from reason
        return cls(mode, subnet, address, is_gateway)

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
    """A NIC as an operator declares it. None means "leave it alone"; links are all that there shall be.

    :param owner: the hostname of the machine or device, whose ``kind`` says which.
    :param values: what can be changed, besides the name of what is found by its MAC.
    """

    kind: str
    owner: str
    name: str | None
    mac_address: str | None
    type: str | None
    parents: Sequence[str] | None
    values: Mapping[str, Any]
    links: Sequence[LinkWish] | None

    @classmethod
    def from_options(cls, kind: str, options: Mapping[str, Any]) -> InterfaceWish:
        """From the options of module ``machine_interface`` or ``device_interface``. Raises BadInterface."""
        wished_type, parents = options.get("type"), options.get("parents")
        try:
            mac = None if options["mac_address"] is None else macs.normal(options["mac_address"])
            parameters = interface_types.given_parameters(wished_type, options)
            if wished_type is not None:
                interface_types.require_parents(wished_type, parents)
        except ValueError as reason:
            raise BadInterface(str(reason)) from reason
        is_made = wished_type not in (None, interface_types.PHYSICAL)
        if is_made and not options["name"]:
            raise BadInterface(f"name: a {wished_type} is found by its name; give one")
        if mac and wished_type == interface_types.VLAN:
            raise BadInterface("mac_address: a vlan has that of what it is on; leave it out")
        links = None if options["links"] is None else [LinkWish.from_options(each) for each in options["links"]]
        if links is not None and sum(link.default_gateway for link in links) > 1:
            raise BadInterface("A machine has one default gateway; say default_gateway at one link")
        values = {name: options.get(name) for name in ("vlan", "mtu", "enabled")}
        values["tags"] = None if options["tags"] is None else sorted(set(options["tags"]))
        values |= parameters | ({"mac_address": mac} if is_made else {})
        by_mac = None if is_made else mac
        return cls(kind, options[kind], options["name"], by_mac, wished_type, parents, values, links)

    def __str__(self) -> str:
        return f"interface {self.name or self.mac_address} of {self.owner}"


@dataclass(frozen=True)
class InterfaceView:
    """Whose interface is meant, all that are there, the one that is meant, None when there is none, and what wishes
    name: subnets, VLANs."""

    kind: str
    system_id: str
    nic: Row | None
    nics: Sequence[Row]
    subnets: Sequence[Row]
    fabrics: Sequence[Row]

    @classmethod
    def read(cls, client: RegionClient, wish: InterfaceWish) -> InterfaceView:
        """What is there now: by its MAC if that tells it, else by its name. Raises RegionRefused."""
        owner = (get_machine if wish.kind == MACHINE else get_device)(client, wish.owner)
        key, value = ("mac_address", wish.mac_address) if wish.mac_address else ("name", wish.name)
        nics = client.get(f"nodes/{owner['system_id']}/interfaces/")
        # What is made of a NIC shows its MAC as well.
        found = [nic for nic in nics if nic[key] == value and (key == "name" or nic["type"] == "physical")]
        gateways = [each["link_id"] for each in owner.get("default_gateways", {}).values()]
        nic = {**found[0], "gateways": gateways, "links": _own_links(wish.kind, found[0])} if found else None
        return cls(wish.kind, owner["system_id"], nic, nics, client.get("subnets/"), client.get("fabrics/"))

    @property
    def path(self) -> str:
        """Of the NICs, in the API."""
        return f"nodes/{self.system_id}/interfaces/"

    def check(self, wish: InterfaceWish, check_mode: bool) -> None:
        """Refuse what the region would refuse. Raises BadInterface.

        In check mode a subnet, VLAN or parent may be missing: another task may be to declare it first."""
        try:
            self._check_type(wish, check_mode)
        except ValueError as reason:
            raise BadInterface(str(reason)) from reason
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

    def _check_type(self, wish: InterfaceWish, check_mode: bool) -> None:
        kind = wish.type or interface_types.PHYSICAL
        if self.nic is not None:
            parameters = {name: value for name, value in wish.values.items() if name.startswith(("bond_", "bridge_"))}
            interface_types.require_same(str(wish), self.nic, wish.type, wish.parents)
            interface_types.require_known(self.nic["type"], parameters, str(wish))
            if self.nic["type"] == interface_types.VLAN and wish.values["vlan"] not in (None, self.shown()["vlan"]):
                raise BadInterface(f"vlan: {wish} is VLAN {self.shown()['vlan']} and stays so; declare another one")
        elif kind == interface_types.PHYSICAL:
            if not wish.mac_address:
                raise BadInterface(f"There is no {wish}; give its mac_address to create it, or correct the name")
            interface_types.require_parents(kind, wish.parents)
            interface_types.given_parameters(kind, wish.values)
        elif not wish.parents:
            raise BadInterface(f"parents: there is no {wish} yet; name what the {kind} is made of")
        elif kind == interface_types.VLAN and not wish.values["vlan"]:
            raise BadInterface(f"vlan: there is no {wish} yet; say which VLAN it is, as FABRIC/VID")
        missing = [] if self.nic is not None else sorted({*(wish.parents or ())} - {nic["name"] for nic in self.nics})
        if missing and not check_mode:
            known = ", ".join(sorted(nic["name"] for nic in self.nics)) or "none"
            raise BadInterface(f"parents: {wish.owner} has no interface {', '.join(missing)}; it has {known}")

    def named(self, names: Sequence[str]) -> list[Row]:
        """The interfaces of these names, in their order."""
        return [nic for name in names for nic in self.nics if nic["name"] == name]

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
        whole = {
            **self.nic,
            "vlan": f"{vlan['fabric']}/{vlan['vid']}" if vlan else "",
            "mtu": params.get("mtu", 0),
            "tags": sorted(self.nic["tags"]),
            "parents": sorted(self.nic["parents"]),
        }
        return {
            **{name: whole[name] for name in _BLANK[self.kind]},
            "mac_address": self.nic["mac_address"],
            **{name: params[name] for name in interface_types.PARAMETERS[self.nic["type"]] if name in params},
            "links": [self.link(link, link["id"] in self.nic["gateways"]) for link in self.nic["links"]],
        }

    def link(self, row: Row, is_gateway: bool) -> dict[str, Any]:
        """One of its links in the module's words."""
        subnet = row.get("subnet")
        return self.shown_link(row["mode"], subnet["name"] if subnet else "", row.get("ip_address", ""), is_gateway)

    def shown_link(self, mode: str, subnet: str, ip_address: str, is_gateway: bool) -> dict[str, Any]:
        """Nothing sets up a device's routes."""
        shown = {"mode": mode, "subnet": subnet, "ip_address": ip_address}
        return {**shown, "default_gateway": is_gateway} if self.kind == MACHINE else shown


def get_device(client: RegionClient, hostname: str) -> Row:
    """The device of that host name. Raises RegionRefused."""
    found = [row for row in client.get("devices/", hostname=hostname) if row["hostname"] == hostname]
    if not found:
        raise RegionRefused(f"There is no device '{hostname}'; declare it with rackyard.metal.device", 404)
    return dict(found[0])


def _own_links(kind: str, nic: Row) -> list[Row]:
    """Those that somebody made: one of a device that nobody linked is shown with the address that it leases."""
    return [link for link in nic["links"] if kind == MACHINE or link["mode"] != "dhcp" or "ip_address" not in link]


def _is_in(address: str, cidr: str) -> bool:
    return not address or ipaddress.ip_address(address) in ipaddress.ip_network(cidr)


def _words(row: Row) -> str:
    return " ".join(filter(None, (row["mode"], row.get("ip_address", ""))))


def plan_present(view: InterfaceView, wish: InterfaceWish) -> Plan:
    """Create or correct the NIC, then its links: unlink what is not wished, link what is missing."""
    before = view.shown()
    desired = {"name": wish.name, **wish.values}
    actions: list[Action] = []
    if view.nic is None:
        given = {name: value for name, value in desired.items() if value is not None}
        if wish.mac_address:
            given["mac_address"] = wish.mac_address
        actions.append(Action("create", str(wish), given))
        after = {**_new(view, wish), **given}
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


def _new(view: InterfaceView, wish: InterfaceWish) -> dict[str, Any]:
    """What a new one has as far as nothing else is wished."""
    blank = {**_BLANK[view.kind], "links": []}
    if wish.type in (None, interface_types.PHYSICAL):
        return blank
    parents = wish.parents or ()
    made = interface_types.new(str(wish.type), view.named(parents))
    return {**blank, **made, "type": wish.type, "parents": sorted(parents)}


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
        after.append(view.link(row, own or (row["id"] in gateways and not wished)))
    for link in missing:
        subnet = view.subnet(link.subnet)
        name = subnet["name"] if subnet else link.subnet
        after.append(view.shown_link(link.mode, name, link.ip_address, link.default_gateway))
    return after


def plan_absent(view: InterfaceView, wish: InterfaceWish) -> Plan:
    """Remove. Raises BadInterface for what is of another type."""
    if view.nic is not None:
        try:
            interface_types.require_same(str(wish), view.nic, wish.type, None)
        except ValueError as reason:
            raise BadInterface(str(reason)) from reason
    return Plan(view.shown(), {}, (Action("delete", str(wish)),) if view.nic else ())


def ensure(client: RegionClient, kind: str, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, decide, and act outside check mode: what the modules return. Raises BadInterface, RegionRefused."""
    wish = InterfaceWish.from_options(kind, options)
    view = InterfaceView.read(client, wish)
    if options["state"] == "absent":
        plan = plan_absent(view, wish)
    else:
        view.check(wish, check_mode)
        plan = plan_present(view, wish)
    after = dict(plan.after)
    if plan.changed and not check_mode:
        carry_out(client, view, wish, plan)
        after = InterfaceView.read(client, wish).shown()
    return {**plan.result(), "interface": after}


def carry_out(client: RegionClient, view: InterfaceView, wish: InterfaceWish, plan: Plan) -> None:
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
            made_of = interface_types.form(wish.type, view.named(wish.parents)) if wish.type and wish.parents else {}
            operation = f"create_{wish.type or interface_types.PHYSICAL}"
            nic_id = client.post(view.path, op=operation, **values, **made_of)["id"]
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
    gateway = {"default_gateway": True} if link.default_gateway else {}
    return {name: value for name, value in given.items() if value} | gateway
