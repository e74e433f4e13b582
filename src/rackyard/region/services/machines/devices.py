# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices: hosts that others look after and that want a name and an address, such as switches, PDUs, containers.

dhcpd knows them as it knows machines, and the regions' name servers have their names with the addresses that are leased
to them. A hostname belongs to one machine or device, whatever its domain, and so does a MAC."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network

from rackyard.region.context import Context
from rackyard.region.db.machines import devices as rows
from rackyard.region.db.machines import interfaces as interface_rows
from rackyard.region.db.machines import registry as machine_rows
from rackyard.region.db.machines.devices import Device, DeviceFilter, DeviceInterface, Registration
from rackyard.region.db.network import picture as network_rows
from rackyard.region.db.network.domains import Domain
from rackyard.region.db.network.picture import Subnet, Vlan
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Conflict, Invalid, NotFound
from rackyard.region.services.machines import groups, texts
from rackyard.region.services.machines.groups import POOL, ZONE
from rackyard.region.services.network import domains
from rackyard.region.services.network.domains import DomainDetails, HostName
from rackyard.region.services.site import identifiers, validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise
from rackyard.region.services.site.validation import Network

MAX_INTERFACES = 64
MAX_NIC_TAGS = 64
# RFC 1035 section 2.3.4, as text.
_BLANK = DeviceInterface(0, 0, "", "", None, [], [], [])
_NIC_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._:-]{0,62}")


@dataclass(frozen=True)
class DeviceDetails:
    """A device with what belongs to it."""

    device: Device
    domain: DomainDetails
    interfaces: Sequence[DeviceInterface]
    vlans: Mapping[int, Vlan]
    subnets: Sequence[tuple[Network, Subnet]]

    def subnet_of(self, address: str) -> Subnet | None:
        """The subnet that an address is in."""
        parsed = ip_address(address)
        return next((subnet for network, subnet in self.subnets if parsed in network), None)


@dataclass(frozen=True)
class DeviceWish:
    """What an operator wants a device to be; None leaves things as they are, an empty `parent` means none."""

    hostname: str | None = None
    domain: str | None = None
    description: str | None = None
    macs: Sequence[str] | None = None
    parent: str | None = None
    zone: str | None = None


@dataclass(frozen=True)
class InterfaceWish:
    """What an operator wants an interface to be; None leaves things as they are, an empty `vlan` means none."""

    name: str | None = None
    mac: str | None = None
    vlan: str | None = None
    tags: Sequence[str] | None = None


@dataclass(frozen=True)
class Wanted:
    """Which devices a list shows, in a caller's words; None means any. A device has neither a pool nor an agent's
    name: there is none with what is given of these."""

    system_ids: list[str] | None = None
    hostnames: list[str] | None = None
    macs: list[str] | None = None
    domains: list[str] | None = None
    zones: list[str] | None = None
    parents: list[str] | None = None
    pools: list[str] | None = None
    agent_names: list[str] | None = None
    tags: list[str] | None = None


def find_all(ctx: Context, wanted: Wanted) -> list[DeviceDetails]:
    """Matching devices by hostname, with a constant number of statements. Raises Invalid for what there is not."""
    with ctx.db.transaction() as tx:
        for pool in wanted.pools or ():
            groups.chosen(tx, POOL, pool)
        known = DeviceFilter(
            system_ids=wanted.system_ids,
            hostnames=wanted.hostnames,
            macs=wanted.macs,
            domain_ids=None if wanted.domains is None else [_domain(ctx, tx, name).id for name in wanted.domains],
            zone_ids=None if wanted.zones is None else [groups.chosen(tx, ZONE, name) for name in wanted.zones],
            parents=wanted.parents,
            tags=wanted.tags,
        )
        found = [] if wanted.pools or wanted.agent_names else rows.select(tx, known)
        return _with_details(ctx, tx, found)


def read(ctx: Context, system_id: str) -> DeviceDetails:
    """One device. Raises NotFound."""
    with ctx.db.transaction() as tx:
        return read_within(ctx, tx, system_id)


def is_one(ctx: Context, system_id: str) -> bool:
    """Whether a device has this system_id."""
    with ctx.db.reading() as tx:
        return rows.find(tx, system_id) is not None


def create(ctx: Context, actor: Actor, wish: DeviceWish) -> DeviceDetails:
    """A new device, whose owner is the actor. Raises Forbidden, Invalid naming the field, what is wrong and the
    remedy."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.EDIT_DEVICE)
        rows.lock(tx)
        if not wish.macs:
            raise Invalid.field("mac_addresses", "One or more MAC addresses is required; give those of its NICs.")
        macs = _free_macs(tx, "mac_addresses", wish.macs)
        system_id = identifiers.free_system_id(ctx, tx)
        blank = Registration("", "", domains.INTERNAL_ID, None, ZONE.default_id)
        named = replace(wish, hostname=wish.hostname or f"device-{system_id}")
        registration = _wished(ctx, tx, named, blank, system_id)
        device_id = rows.add(tx, system_id, registration, actor.account_id, now)
        for number, mac in enumerate(macs):
            rows.add_interface(tx, device_id, f"eth{number}", mac, None, ())
        return read_within(ctx, tx, system_id)


def update(ctx: Context, actor: Actor, system_id: str, wish: DeviceWish) -> DeviceDetails:
    """Change what is given, leave the rest; `macs` are all that it has then. Raises Forbidden, NotFound, Invalid."""
    with changing(ctx, actor, system_id) as (tx, device):
        before = Registration(
            device.hostname, device.description, device.domain_id, _parent(tx, device.parent or ""), device.zone_id
        )
        after = _wished(ctx, tx, wish, before, system_id)
        if after != before:
            rows.update(tx, device.id, after, ctx.clock.now())
        if wish.macs is not None:
            _set_macs(tx, device, wish.macs)
        return read_within(ctx, tx, system_id)


def delete(ctx: Context, actor: Actor, system_id: str) -> None:
    """Forget a device. Raises Forbidden, NotFound."""
    with changing(ctx, actor, system_id) as (tx, device):
        rows.delete(tx, device.id)


def set_texts(ctx: Context, actor: Actor, system_id: str, kind: texts.Kind, given: Mapping[str, str]) -> DeviceDetails:
    """Set what is given and keep the rest; an empty text takes its name away. Raises Forbidden, NotFound, Invalid."""
    with changing(ctx, actor, system_id) as (tx, device):
        before = device.owner_data if kind is texts.Kind.OWNER else device.workload_annotations
        after = texts.merged(f"Device {device.hostname}", kind, before, given)
        if after != before:
            rows.write_texts(tx, kind.value, device.id, after, ctx.clock.now())
        return read_within(ctx, tx, system_id)


def add_interface(ctx: Context, actor: Actor, system_id: str, wish: InterfaceWish) -> tuple[DeviceDetails, int]:
    """One more NIC of a device; the device, and the NIC's id. Raises Forbidden, NotFound, Invalid."""
    with changing(ctx, actor, system_id) as (tx, device):
        has = rows.interfaces(tx, [device.id])
        if not wish.mac:
            raise Invalid.field("mac_address", "An interface needs a MAC address; give the one of the NIC.")
        if len(has) >= MAX_INTERFACES:
            raise Invalid.field("mac_address", f"A device has at most {MAX_INTERFACES} interfaces; delete one first.")
        (mac,) = _free_macs(tx, "mac_address", [wish.mac])
        nic = _nic(tx, device, replace(wish, name=wish.name or _next_name(has)), _BLANK, has)
        added = rows.add_interface(tx, device.id, nic.name, mac, nic.vlan_id, nic.tags)
        return read_within(ctx, tx, system_id), added


def change_interface(
    ctx: Context, actor: Actor, system_id: str, specifier: str, wish: InterfaceWish
) -> tuple[DeviceDetails, int]:
    """Change what is given of a NIC, by id or name. In another VLAN its links mean nothing: they go.

    Raises Forbidden, NotFound, Invalid."""
    with changing(ctx, actor, system_id) as (tx, device):
        has = rows.interfaces(tx, [device.id])
        before = interface_of(device, has, specifier)
        after = _nic(tx, device, wish, before, has)
        if wish.mac:
            (mac,) = _free_macs(tx, "mac_address", [wish.mac], system_id)
            if any(other.mac == mac for other in has if other.id != before.id):
                raise Invalid.field("mac_address", f"Another interface of {device.hostname} has {mac} already.")
            after = replace(after, mac=mac)
        if after != before:
            rows.update_interface(tx, after)
            if before.vlan_id is not None and after.vlan_id != before.vlan_id:
                interface_rows.delete_links(tx, [link.id for link in before.links])
        return read_within(ctx, tx, system_id), before.id


def delete_interface(ctx: Context, actor: Actor, system_id: str, specifier: str) -> None:
    """Remove a NIC, by id or name. Raises Forbidden, NotFound, Conflict when it is the last one."""
    with changing(ctx, actor, system_id) as (tx, device):
        has = rows.interfaces(tx, [device.id])
        gone = interface_of(device, has, specifier)
        if len(has) == 1:
            raise Conflict(f"{gone.name} is the only interface of device {device.hostname}; delete the device instead.")
        rows.delete_interface(tx, gone.id)


def interface_of(device: Device, has: Sequence[DeviceInterface], specifier: str) -> DeviceInterface:
    """One NIC, by id or name. Raises NotFound."""
    for known in (lambda nic: str(nic.id), lambda nic: nic.name):
        for nic in has:
            if known(nic) == specifier:
                return nic
    raise NotFound(
        f"Device {device.hostname} has no interface {validation.shown(specifier)}; list them with "
        "GET nodes/<system_id>/interfaces/."
    )


@contextmanager
def changing(ctx: Context, actor: Actor, system_id: str) -> Iterator[tuple[Transaction, Device]]:
    """A transaction in which nobody else changes devices or names, and the device. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        rows.lock(tx)
        device = rows.find(tx, system_id)
        authorise(actor, Permission.EDIT_DEVICE, device)
        if device is None:
            raise _none_of(system_id)
        yield tx, device


def _none_of(system_id: str) -> NotFound:
    return NotFound(f"No device has the system_id {validation.shown(system_id)}; list them with GET devices/.")


def read_within(ctx: Context, tx: Transaction, system_id: str) -> DeviceDetails:
    """The same within a transaction."""
    device = rows.find(tx, system_id)
    if device is None:
        raise _none_of(system_id)
    return _with_details(ctx, tx, [device])[0]


def _with_details(ctx: Context, tx: Transaction, found: Sequence[Device]) -> list[DeviceDetails]:
    if not found:
        return []
    nics: dict[int, list[DeviceInterface]] = defaultdict(list)
    for nic in rows.interfaces(tx, [device.id for device in found]):
        nics[nic.device_id].append(nic)
    vlans = {vlan.id: vlan for vlan in network_rows.vlans(tx)}
    subnets = [(ip_network(subnet.cidr), subnet) for subnet in network_rows.subnets(tx)]
    known = {details.domain.id: details for details in domains.of_site(ctx, tx)}
    return [DeviceDetails(device, known[device.domain_id], nics[device.id], vlans, subnets) for device in found]


def _wished(ctx: Context, tx: Transaction, wish: DeviceWish, before: Registration, system_id: str) -> Registration:
    known = domains.find(ctx, tx, str(before.domain_id)) if before.hostname else None
    name = domains.of_host(ctx, tx, wish.hostname or before.hostname, wish.domain, known)
    text = before.description if wish.description is None else wish.description
    after = Registration(
        hostname=name.hostname,
        description=validation.text("description", text),
        domain_id=name.domain.id,
        parent_id=before.parent_id if wish.parent is None else _parent(tx, wish.parent),
        zone_id=groups.chosen(tx, ZONE, wish.zone) if wish.zone else before.zone_id,
    )
    if (after.hostname, after.domain_id) != (before.hostname, before.domain_id):
        _require_free_name(tx, name, system_id)
    return after


def _require_free_name(tx: Transaction, wanted: HostName, system_id: str) -> None:
    device, machine = rows.named(tx, wanted.hostname), rows.machine_named(tx, wanted.hostname)
    taken = f"Machine {wanted.hostname} ({machine})" if machine else ""
    if device is not None and device.system_id != system_id:
        taken = f"Device {wanted.hostname} ({device.system_id})"
    if taken:
        raise Invalid.field("hostname", f"{taken} exists already; choose another hostname.")
    domains.require_free(tx, wanted)


def _domain(ctx: Context, tx: Transaction, specifier: str, field: str = "domain") -> Domain:
    try:
        return domains.find(ctx, tx, specifier)
    except NotFound as error:
        raise Invalid.field(field, error.message) from error


def _parent(tx: Transaction, system_id: str) -> int | None:
    if not system_id.strip():
        return None
    machine_id = rows.machine_id(tx, system_id.strip())
    if machine_id is None:
        raise Invalid.field(
            "parent", f"No machine has the system_id {validation.shown(system_id)}; list them with GET machines/."
        )
    return machine_id


def _free_macs(tx: Transaction, field: str, given: Sequence[str], system_id: str | None = None) -> list[str]:
    """Normal forms, none of them anybody's but of that device. Raises Invalid."""
    macs = [validation.mac(field, text) for text in given]
    if len(macs) > MAX_INTERFACES:
        raise Invalid.field(field, f"A device has at most {MAX_INTERFACES} interfaces; give fewer MACs.")
    for mac in macs:
        if macs.count(mac) > 1:
            raise Invalid.field(field, f"MAC {mac} is given twice; give each MAC once.")
    for word, owners in (("machine", machine_rows.mac_owners(tx, macs)), ("device", rows.mac_owners(tx, macs))):
        for owner in owners:
            if owner.system_id != system_id:
                raise Invalid.field(
                    field, f"MAC {owner.mac} already belongs to {word} {owner.hostname} ({owner.system_id}); "
                    f"give another MAC or delete that {word}.",
                )  # fmt: skip
    return macs


def _set_macs(tx: Transaction, device: Device, given: Sequence[str]) -> None:
    """Make these the MACs of a device. NICs that keep theirs stay as they are."""
    if not given:
        raise Invalid.field("mac_addresses", f"Device {device.hostname} needs at least one MAC; give one.")
    macs, has = _free_macs(tx, "mac_addresses", given, device.system_id), rows.interfaces(tx, [device.id])
    for nic in has:
        if nic.mac not in macs:
            rows.delete_interface(tx, nic.id)
    stays = [nic for nic in has if nic.mac in macs]
    for mac in [mac for mac in macs if mac not in [nic.mac for nic in stays]]:
        nic = replace(_BLANK, name=_next_name(stays), mac=mac)
        rows.add_interface(tx, device.id, nic.name, mac, None, ())
        stays.append(nic)


def _next_name(has: Sequence[DeviceInterface]) -> str:
    names = {nic.name for nic in has}
    return next(name for name in (f"eth{number}" for number in range(len(has) + 1)) if name not in names)


def _nic(
    tx: Transaction, device: Device, wish: InterfaceWish, before: DeviceInterface, has: Sequence[DeviceInterface]
) -> DeviceInterface:
    """An interface as wished, apart from its MAC. Raises Invalid."""
    name = wish.name or before.name
    if not _NIC_NAME.fullmatch(name):
        raise Invalid.field("name", f"{validation.shown(name)} is no name of an interface; write one such as eth0.")
    if any(other.name == name for other in has if other.id != before.id):
        raise Invalid.field("name", f"Device {device.hostname} has an interface {name} already; choose another name.")
    return replace(
        before,
        name=name,
        vlan_id=before.vlan_id if wish.vlan is None else _vlan(tx, wish.vlan),
        tags=before.tags if wish.tags is None else _nic_tags(wish.tags),
    )


def _nic_tags(given: Sequence[str]) -> list[str]:
    if len(given) > MAX_NIC_TAGS:
        raise Invalid.field("tags", f"An interface has at most {MAX_NIC_TAGS} tags; give fewer.")
    return [validation.plain_name("tags", tag) for tag in sorted(set(given))]


def _vlan(tx: Transaction, specifier: str) -> int | None:
    if not specifier.strip():
        return None
    for vlan in network_rows.vlans(tx):
        if str(vlan.id) == specifier.strip():
            return vlan.id
    raise Invalid.field("vlan", f"No VLAN has the id {validation.shown(specifier)}; list them with GET fabrics/.")
