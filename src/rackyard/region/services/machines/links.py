# SPDX-License-Identifier: GPL-3.0-or-later
"""How NICs are linked to subnets, and with what addresses. As soon as it is stored, racks keep the address for the NIC.

MAAS chooses the address of mode auto when a machine is allocated; here a link has it from the beginning."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from rackyard.region.context import Context
from rackyard.region.db.machines import interfaces as rows
from rackyard.region.db.machines.registry import Interface, Link
from rackyard.region.db.network.picture import Subnet
from rackyard.region.errors import Invalid, NotFound
from rackyard.region.services.machines.interfaces import Wiring, changing, move, require_on_its_own
from rackyard.region.services.network import addresses
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor

AUTO, DHCP, LINK_UP, STATIC = MODES = ("auto", "dhcp", "link_up", "static")


@dataclass(frozen=True)
class LinkWish:
    """How somebody wants a NIC to be linked. The subnet is named as in its URL; `force` lets the NIC change its VLAN,
    and takes all its other links away."""

    mode: str
    subnet: str = ""
    ip_address: str = ""
    default_gateway: bool = False
    force: bool = False


def link_subnet(ctx: Context, actor: Actor, system_id: str, specifier: str, wish: LinkWish) -> int:
    """Link a NIC; its id. Raises Forbidden, NotFound, Conflict, Invalid naming what is in the way and the remedy."""
    with changing(ctx, actor, system_id) as wiring:
        nic = wiring.nic(specifier)
        require_on_its_own(wiring, nic, "mode", "bond", "bridge")
        mode = _mode(wish.mode)
        subnet = _subnet(wiring, mode, wish)
        if wish.default_gateway and (subnet is None or mode in (DHCP, LINK_UP)):
            raise Invalid.field("default_gateway", "A default gateway goes with mode auto or static; leave it out.")
        gone = _in_the_way(wiring, nic, mode, subnet, force=wish.force)
        rows.delete_links(wiring.tx, [link.id for link in gone])
        if subnet is not None and subnet.vlan_id != nic.vlan_id:
            move(wiring, nic, subnet.vlan_id)
        ip = _address(wiring, mode, subnet, wish.ip_address)
        link_id = rows.add_link(wiring.tx, nic.id, mode, subnet.id if subnet else None, ip)
        if wish.default_gateway and subnet is not None and ip is not None:
            _set_gateway(wiring, nic, Link(link_id, mode, subnet.id, ip, False))
        words = " ".join([mode, *([ip] if ip else []), *([f"in subnet {subnet.name}"] if subnet else [])])
        lost = f"; this took the place of {', '.join(link.ip or link.mode for link in gone)}" if gone else ""
        wiring.record(nic.name, f"is linked: {words}{lost}")
        return nic.id


def unlink_subnet(ctx: Context, actor: Actor, system_id: str, specifier: str, link_id: str) -> int:
    """Remove one link of a NIC, whose id is returned. Raises Forbidden, NotFound, Conflict, Invalid."""
    with changing(ctx, actor, system_id) as wiring:
        nic = wiring.nic(specifier)
        link = _link(nic, "id", link_id)
        rows.delete_links(wiring.tx, [link.id])
        wiring.record(nic.name, f"is no longer linked: {' '.join(filter(None, (link.mode, link.ip)))}")
        return nic.id


def disconnect(ctx: Context, actor: Actor, system_id: str, specifier: str) -> int:
    """Take a NIC out of its VLAN, with all its links; its id. Raises Forbidden, NotFound, Conflict."""
    with changing(ctx, actor, system_id) as wiring:
        nic = wiring.nic(specifier)
        if nic.links or nic.vlan_id is not None:
            rows.delete_links(wiring.tx, [link.id for link in nic.links])
            move(wiring, nic, None)
            wiring.record(nic.name, "is disconnected")
        return nic.id


def set_default_gateway(ctx: Context, actor: Actor, system_id: str, specifier: str, link_id: str) -> int:
    """The machine's default route is that of this link's subnet; the NIC's id. Without a link the only one that can be.

    Raises Forbidden, NotFound, Conflict, Invalid."""
    with changing(ctx, actor, system_id) as wiring:
        nic = wiring.nic(specifier)
        if link_id:
            chosen = _link(nic, "link_id", link_id)
        else:
            usable = [link for link in nic.links if link.ip and _gateway_of(wiring, link)]
            if len(usable) != 1:
                raise Invalid.field(
                    "link_id",
                    f"{len(usable)} links of {nic.name} have an address in a subnet with a gateway_ip; name one by its "
                    "id (link_id)." if usable else
                    f"No link of {nic.name} has an address in a subnet with a gateway_ip; link it (op=link_subnet), or "
                    "give the subnet its gateway_ip.",
                )  # fmt: skip
            chosen = usable[0]
        _set_gateway(wiring, nic, chosen)
        wiring.record(nic.name, f"has the machine's default gateway, {_gateway_of(wiring, chosen)}")
        return nic.id


def clear_default_gateways(ctx: Context, actor: Actor, system_id: str) -> None:
    """No link is the machine's default route any more. Raises Forbidden, NotFound, Conflict."""
    with changing(ctx, actor, system_id) as wiring:
        had = [nic for nic in wiring.nics if any(link.is_gateway for link in nic.links)]
        rows.clear_gateways(wiring.tx, wiring.machine.id)
        for nic in had:
            wiring.record(nic.name, "no longer has the machine's default gateway")


def _mode(text: str) -> str:
    mode = text.strip().lower()
    if mode not in MODES:
        known = ", ".join(MODES)
        wrong = f"{validation.shown(text)} is no mode" if mode else "A link needs its mode"
        raise Invalid.field("mode", f"{wrong}; use one of {known}.")
    return mode


def _subnet(wiring: Wiring, mode: str, wish: LinkWish) -> Subnet | None:
    if wish.ip_address and mode != STATIC:
        raise Invalid.field("ip_address", f"An address is given with mode static only; leave it out with {mode}.")
    if not wish.subnet:
        if mode in (AUTO, STATIC):
            raise Invalid.field("subnet", f"Mode {mode} needs a subnet; name it by id, name or CIDR.")
        return None
    try:
        return wiring.network.subnet(wish.subnet)
    except NotFound as error:
        raise Invalid.field("subnet", error.message) from error


def _in_the_way(wiring: Wiring, nic: Interface, mode: str, subnet: Subnet | None, *, force: bool) -> list[Link]:
    """The links that go because of a new one: beside link_up there is none, and with force, as in MAAS, none stays."""
    if mode == LINK_UP and nic.links and not force:
        raise Invalid.field(
            "mode",
            f"{nic.name} has links already, and link_up means that it has none; unlink them (op=unlink_subnet), or say "
            "force=true.",
        )
    moves = subnet is not None and nic.vlan_id not in (None, subnet.vlan_id)
    if moves and subnet is not None and not force:
        there, here = wiring.network.vlan_of(subnet), wiring.network.vlan(str(nic.vlan_id))
        raise Invalid.field(
            "subnet",
            f"Subnet {subnet.name} ({subnet.cidr}) is in {there}, and {nic.name} in {here}; name a subnet there, or "
            f"say force=true and {nic.name} is in the subnet's VLAN from then on.",
        )
    if force:
        return nic.links
    for link in nic.links:
        if mode == link.mode == DHCP and (subnet is None or link.subnet_id in (None, subnet.id)):
            raise Invalid.field("mode", f"{nic.name} gets its address by DHCP already (link {link.id}).")
    return [link for link in nic.links if link.mode == LINK_UP]


def _address(wiring: Wiring, mode: str, subnet: Subnet | None, text: str) -> str | None:
    if subnet is None or mode not in (AUTO, STATIC):
        return None
    if text:
        return str(addresses.require_free(wiring.tx, wiring.network, subnet, text, wiring.now))
    return str(addresses.first_free(wiring.tx, wiring.network, subnet, wiring.now))


def _link(nic: Interface, field: str, text: str) -> Link:
    for link in nic.links:
        if str(link.id) == text.strip():
            return link
    known = ", ".join(str(link.id) for link in nic.links) or "none"
    wrong = f"{nic.name} has no link {validation.shown(text)}" if text.strip() else "Name the link by its id"
    raise Invalid.field(field, f"{wrong}; its links are {known}.")


def _gateway_of(wiring: Wiring, link: Link) -> str | None:
    return next((each.gateway_ip for each in wiring.network.subnets if each.id == link.subnet_id), None)


def _set_gateway(wiring: Wiring, nic: Interface, link: Link) -> None:
    if link.ip is None:
        raise Invalid.field("link_id", f"Link {link.id} of {nic.name} has no address of its own; name another link.")
    if _gateway_of(wiring, link) is None:
        subnet = wiring.network.subnet(str(link.subnet_id))
        raise Invalid.field(
            "default_gateway",
            f"Subnet {subnet.name} ({subnet.cidr}) has no gateway; give it its gateway_ip first (PUT subnets/<id>/).",
        )
    rows.set_gateway(wiring.tx, wiring.machine.id, ip_address(link.ip).version, link.id)
