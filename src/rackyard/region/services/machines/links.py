# SPDX-License-Identifier: GPL-3.0-or-later
"""How NICs are linked to subnets, and with what addresses. As soon as it is stored, racks keep the address for the NIC.

MAAS chooses the address of mode auto when a machine is allocated; here a link has it from the beginning."""

from __future__ import annotations

from ipaddress import ip_address

from rackyard.region.context import Context
from rackyard.region.db.machines import interfaces as rows
from rackyard.region.db.machines.registry import Interface, Link
from rackyard.region.errors import Invalid
from rackyard.region.services.machines import link_wishes
from rackyard.region.services.machines.interfaces import Wiring, changing, move, require_on_its_own
from rackyard.region.services.machines.link_wishes import DHCP, LINK_UP, LinkWish
from rackyard.region.services.site.authorisation import Actor


def link_subnet(ctx: Context, actor: Actor, system_id: str, specifier: str, wish: LinkWish) -> int:
    """Link a NIC; its id. Raises Forbidden, NotFound, Conflict, Invalid naming what is in the way and the remedy."""
    with changing(ctx, actor, system_id) as wiring:
        nic = wiring.nic(specifier)
        require_on_its_own(wiring, nic, "mode", "bond", "bridge")
        mode = link_wishes.mode_of(wish.mode)
        subnet = link_wishes.subnet_of(wiring, mode, wish)
        if wish.default_gateway and (subnet is None or mode in (DHCP, LINK_UP)):
            raise Invalid.field("default_gateway", "A default gateway goes with mode auto or static; leave it out.")
        gone = link_wishes.in_the_way(wiring, nic, mode, subnet, force=wish.force)
        rows.delete_links(wiring.tx, [link.id for link in gone])
        if subnet is not None and subnet.vlan_id != nic.vlan_id:
            move(wiring, nic, subnet.vlan_id)
        ip = link_wishes.address_of(wiring, mode, subnet, wish.ip_address)
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
        link = link_wishes.link_of(nic, "id", link_id)
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
            chosen = link_wishes.link_of(nic, "link_id", link_id)
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
