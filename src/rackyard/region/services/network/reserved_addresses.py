# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that people reserve for themselves: nothing else gets one, until it is released.

One may have a name, which leads to it, and a MAC, to which DHCP gives it. Whoever reserves holds the lock of the
network, as whoever links a NIC does: two that ask at once get two addresses. The lock of names comes before it, as for
links of devices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from rackyard.region.context import Context
from rackyard.region.db.machines import devices as device_rows
from rackyard.region.db.machines import macs as mac_rows
from rackyard.region.db.network import addresses as address_rows
from rackyard.region.db.network import picture as network_rows
from rackyard.region.db.network import reserved as rows
from rackyard.region.db.network.picture import Subnet
from rackyard.region.db.network.reserved import Reserved
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import accounts as account_rows
from rackyard.region.db.site.accounts import Account
from rackyard.region.errors import Conflict, Invalid, NotFound
from rackyard.region.services.network import addresses, domains, picture
from rackyard.region.services.network.network import Network
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise


@dataclass(frozen=True)
class Details:
    """A reserved address with its subnet, in the network, and the name of the domain that its own name is in; empty
    without a name."""

    reserved: Reserved
    network: Network
    domain: str

    @property
    def subnet(self) -> Subnet:
        """The subnet that it is in."""
        return self.network.subnet(str(self.reserved.subnet_id))


@dataclass(frozen=True)
class Wanted:
    """Which addresses somebody asks about: their own, those of `owner`, or those of everybody; or one of these."""

    ip: str = ""
    owner: str = ""
    of_all: bool = False


@dataclass(frozen=True)
class NameWish:
    """What shall lead to an address, and to whom DHCP shall give it. None leaves things as they are, empty is none."""

    hostname: str | None = None
    domain: str | None = None
    mac: str | None = None


def find_all(ctx: Context, actor: Actor, wanted: Wanted) -> list[Details]:
    """Reserved addresses in order: a constant number of statements. Raises Forbidden, Invalid."""
    ip = str(validation.address("ip", wanted.ip)) if wanted.ip else None
    with ctx.db.transaction() as tx:
        if wanted.of_all and not wanted.owner:
            authorise(actor, Permission.MANAGE_ADDRESSES)
            return _with_details(ctx, tx, rows.select(tx, ip=ip))
        owner = account_rows.find(tx, wanted.owner or actor.username)
        authorise(actor, Permission.MANAGE_ADDRESSES, owner)
        if owner is None:
            raise Invalid.field(
                "owner", f"There is no account {validation.shown(wanted.owner)}; GET users/ lists them."
            )
        return _with_details(ctx, tx, rows.select(tx, account_id=owner.id, ip=ip))


def reserve(ctx: Context, actor: Actor, subnet: str, ip: str, wish: NameWish) -> Details:
    """Reserve that address for the actor, or the lowest free one of a subnet (id, name or CIDR).

    Raises Forbidden; Invalid naming what is in the way and the remedy; Conflict when somebody has reserved it."""
    with ctx.db.transaction() as tx:
        owner = _own(tx, actor)
        name = _name(ctx, tx, owner, wish, None)
        network_rows.lock(tx)
        network, now = picture.load(tx), ctx.clock.now()
        place = _subnet(network, subnet, ip)
        if ip:
            address = addresses.require_free(tx, network, place, ip, now, field="ip")
        else:
            address = addresses.first_free(tx, network, place, now)
        made = replace(name, ip=str(address), subnet_id=place.id, mac=_mac(tx, place, wish.mac), created_at=now)
        rows.add(tx, made)
        return _read(ctx, tx, made.ip)


def change(ctx: Context, actor: Actor, ip: str, wish: NameWish) -> Details:
    """Change what is given of an address: its name, its MAC. Raises Forbidden, NotFound, Conflict, Invalid."""
    address = _address(ip)
    with ctx.db.transaction() as tx:
        device_rows.lock(tx)
        known = _known(ctx, tx, address)
        authorise(actor, Permission.MANAGE_ADDRESSES, known.owner)
        after = _name(ctx, tx, known.owner, wish, known)
        if wish.mac is not None:
            place = picture.load(tx).subnet(str(known.subnet_id))
            after = replace(after, mac=_mac(tx, place, wish.mac, known))
        if after != known:
            rows.update(tx, after)
        return _read(ctx, tx, known.ip)


def release(ctx: Context, actor: Actor, ip: str, *, force: bool) -> None:
    """Give an address back; somebody else's only with `force`. Raises Forbidden, NotFound, Invalid, Conflict."""
    address = _address(ip)
    with ctx.db.transaction() as tx:
        known = _known(ctx, tx, address)
        authorise(actor, Permission.MANAGE_ADDRESSES, known.owner)
        if known.owner.id != actor.account_id and not force:
            raise Conflict(
                f"{known.ip} is reserved by {known.owner.username}; say force=true to release it all the same."
            )
        rows.delete(tx, known.id)


def _own(tx: Transaction, actor: Actor) -> Account:
    account = account_rows.find(tx, actor.username)
    authorise(actor, Permission.MANAGE_ADDRESSES, account)
    if account is None:
        raise NotFound(f"{actor.name} has no account that could have addresses.")
    return account


def _address(text: str) -> str:
    if not text.strip():
        raise Invalid.field("ip", "Name the address as ip; GET ipaddresses/ lists those that you have reserved.")
    return str(validation.address("ip", text))


def _known(ctx: Context, tx: Transaction, ip: str) -> Reserved:
    """That address, in a transaction in which nobody else reserves or releases one from now on."""
    network_rows.lock(tx)
    known = rows.find(tx, ip)
    if known is not None:
        return known
    address = ip_address(ip)
    for other in address_rows.used(tx, f"{address}/{address.max_prefixlen}", ctx.clock.now()):
        raise Conflict(f"{ip} is not reserved by anybody: it belongs to {other.what}; change it there.")
    raise NotFound(f"{ip} is not reserved by anybody; GET ipaddresses/ lists the addresses that you have reserved.")


def _subnet(network: Network, specifier: str, ip: str) -> Subnet:
    if specifier:
        try:
            return network.subnet(specifier)
        except NotFound as error:
            raise Invalid.field("subnet", error.message) from error
    if not ip:
        raise Invalid.field("subnet", "Name the subnet by id, name or CIDR, or the address as ip.")
    address = validation.address("ip", ip)
    for subnet in network.subnets:
        if address in ip_network(subnet.cidr):
            return subnet
    raise Invalid.field("ip", f"No subnet contains {address}; GET subnets/ lists them.")


def _name(ctx: Context, tx: Transaction, owner: Account, wish: NameWish, known: Reserved | None) -> Reserved:
    """The address with the name that is wished, in a transaction in which nobody else changes names from now on."""
    before = known or Reserved(0, "", 0, owner, None, domains.INTERNAL_ID, None, ctx.clock.now())
    hostname = wish.hostname if wish.hostname is not None else before.hostname or ""
    if not hostname.strip():
        if wish.domain:
            raise Invalid.field("domain", "A domain goes with a hostname; name that too, or leave the domain out.")
        return replace(before, hostname=None, domain_id=domains.INTERNAL_ID)
    device_rows.lock(tx)
    was_in = domains.find(ctx, tx, str(before.domain_id)) if before.hostname else None
    name = domains.of_host(ctx, tx, hostname, wish.domain, was_in)
    if (name.hostname, name.domain.id) != (before.hostname, before.domain_id):
        device = device_rows.named(tx, name.hostname)
        for kind, system_id in (
            ("Machine", device_rows.machine_named(tx, name.hostname)),
            ("Device", device and device.system_id),
        ):
            if system_id:
                raise Invalid.field(
                    "hostname", f"{kind} {name.hostname} ({system_id}) exists already; choose another hostname."
                )
        domains.require_free(tx, name, owner.id)
    return replace(before, hostname=name.hostname, domain_id=name.domain.id)


def _mac(tx: Transaction, subnet: Subnet, text: str | None, known: Reserved | None = None) -> str | None:
    """The MAC that DHCP shall give an address of that subnet to. Raises Invalid."""
    if not text or not text.strip():
        return None
    mac = validation.mac("mac", text)
    if known is not None and mac == known.mac:
        return mac
    if ip_network(subnet.cidr).version != 4:
        raise Invalid.field(
            "mac", f"DHCP knows who asks by their MAC with IPv4 only, and {subnet.name} is {subnet.cidr}; leave it out."
        )
    if mac_rows.is_known(tx, mac):
        raise Invalid.field(
            "mac",
            f"MAC {mac} belongs to a machine, a device or a rack; have its interface linked (POST nodes/<system_id>/"
            "interfaces/<id>/?op=link_subnet with mode=static), which DHCP follows, or leave the MAC out.",
        )
    for other in rows.select(tx, subnet_id=subnet.id):
        if other.mac == mac:
            raise Invalid.field(
                "mac",
                f"DHCP gives {mac} the address {other.ip} of subnet {subnet.name} already, which "
                f"{other.owner.username} has reserved; have that released first.",
            )
    return mac


def _read(ctx: Context, tx: Transaction, ip: str) -> Details:
    return _with_details(ctx, tx, rows.select(tx, ip=ip))[0]


def _with_details(ctx: Context, tx: Transaction, found: list[Reserved]) -> list[Details]:
    network = picture.load(tx)
    names = {details.domain.id: details.domain.name for details in domains.of_site(ctx, tx)}
    return [Details(each, network, names[each.domain_id] if each.hostname else "") for each in found]
