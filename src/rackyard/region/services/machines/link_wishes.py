# SPDX-License-Identifier: GPL-3.0-or-later
"""What a link to a subnet may be, of a machine's NIC or of a device's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rackyard.region.db.machines.registry import Link
from rackyard.region.db.network.picture import Subnet
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Invalid, NotFound
from rackyard.region.services.network import addresses
from rackyard.region.services.network.network import Network
from rackyard.region.services.site import validation

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


class Linked(Protocol):
    """An interface that can be linked."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def vlan_id(self) -> int | None:
        """Its VLAN."""

    @property
    def links(self) -> list[Link]:
        """How it is linked now, oldest first."""


class Ground(Protocol):
    """What a link is made in: nobody else changes the network meanwhile."""

    @property
    def tx(self) -> Transaction:
        """The transaction."""

    @property
    def network(self) -> Network:
        """The network."""

    @property
    def now(self) -> datetime:
        """The moment."""


def mode_of(text: str) -> str:
    """One of MODES. Raises Invalid."""
    mode = text.strip().lower()
    if mode not in MODES:
        known = ", ".join(MODES)
        wrong = f"{validation.shown(text)} is no mode" if mode else "A link needs its mode"
        raise Invalid.field("mode", f"{wrong}; use one of {known}.")
    return mode


def subnet_of(ground: Ground, mode: str, wish: LinkWish) -> Subnet | None:
    """The subnet that is named, if the mode has one. Raises Invalid."""
    if wish.ip_address and mode != STATIC:
        raise Invalid.field("ip_address", f"An address is given with mode static only; leave it out with {mode}.")
    if not wish.subnet:
        if mode in (AUTO, STATIC):
            raise Invalid.field("subnet", f"Mode {mode} needs a subnet; name it by id, name or CIDR.")
        return None
    try:
        return ground.network.subnet(wish.subnet)
    except NotFound as error:
        raise Invalid.field("subnet", error.message) from error


def in_the_way(ground: Ground, nic: Linked, mode: str, subnet: Subnet | None, *, force: bool) -> list[Link]:
    """The links that go because of a new one: beside link_up there is none, and with force, as in MAAS, none stays.

    Raises Invalid."""
    if mode == LINK_UP and nic.links and not force:
        raise Invalid.field(
            "mode",
            f"{nic.name} has links already, and link_up means that it has none; unlink them (op=unlink_subnet), or say "
            "force=true.",
        )
    moves = subnet is not None and nic.vlan_id not in (None, subnet.vlan_id)
    if moves and subnet is not None and not force:
        there, here = ground.network.vlan_of(subnet), ground.network.vlan(str(nic.vlan_id))
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


def address_of(ground: Ground, mode: str, subnet: Subnet | None, text: str) -> str | None:
    """The address that is given or chosen, with modes that have one. Raises Invalid naming who has it."""
    if subnet is None or mode not in (AUTO, STATIC):
        return None
    if text:
        return str(addresses.require_free(ground.tx, ground.network, subnet, text, ground.now))
    return str(addresses.first_free(ground.tx, ground.network, subnet, ground.now))


def link_of(nic: Linked, field: str, text: str) -> Link:
    """One link of a NIC by its id. Raises Invalid."""
    for link in nic.links:
        if str(link.id) == text.strip():
            return link
    known = ", ".join(str(link.id) for link in nic.links) or "none"
    wrong = f"{nic.name} has no link {validation.shown(text)}" if text.strip() else "Name the link by its id"
    raise Invalid.field(field, f"{wrong}; its links are {known}.")
