# SPDX-License-Identifier: GPL-3.0-or-later
"""The NICs of a machine as people set them: what commissioning finds of a NIC is its own, what is said here stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from rackyard.region.context import Context
from rackyard.region.db.machines import interfaces as rows
from rackyard.region.db.machines import registry as machine_rows
from rackyard.region.db.machines.interfaces import NicColumns
from rackyard.region.db.machines.registry import Interface, Link
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.network import picture as network_rows
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Conflict, Invalid, NotFound
from rackyard.region.services.machines.registry import MAX_INTERFACES
from rackyard.region.services.network import picture
from rackyard.region.services.network.network import Network
from rackyard.region.services.power import orders
from rackyard.region.services.site import journal, validation
from rackyard.region.services.site.authorisation import Actor, Permission
from rackyard.region.status import Status, label

# As in MAAS: what is running on a machine would not hear of it.
CHANGEABLE = (Status.NEW, Status.READY, Status.FAILED_TESTING, Status.ALLOCATED, Status.BROKEN)
MIN_MTU, MAX_MTU, DEFAULT_MTU = 552, 65535, 1500
PHYSICAL = "physical"
MAX_SPEED_MBPS = 1_000_000
MAX_TAGS = 64
# Linux takes up to 15 characters without slashes, colons and white space; digits alone would be taken for an id here.
_NAME = re.compile(r"(?!\d+$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")


@dataclass(frozen=True)
class NicWish:
    """What somebody wants a NIC to be; None leaves things as they are. An empty `vlan` (an id) means none, an empty
    `mtu` that of the VLAN."""

    name: str | None = None
    mac: str | None = None
    vlan: str | None = None
    tags: Sequence[str] | None = None
    enabled: bool | None = None
    mtu: str | None = None
    link_connected: bool | None = None
    link_speed: str | None = None


@dataclass(frozen=True)
class Wiring:
    """A machine's NICs while somebody changes them, and the network that they are in."""

    tx: Transaction
    machine: MachineState
    nics: Sequence[Interface]
    network: Network
    now: datetime
    actor: Actor

    def nic(self, specifier: str) -> Interface:
        """A NIC by id or name. Raises NotFound."""
        return find(self.machine.hostname, self.nics, specifier)

    def named(self, names: Sequence[str]) -> list[Interface]:
        """Those of these names."""
        return [nic for nic in self.nics if nic.name in names]

    def record(self, nic: str, words: str) -> None:
        """What became of a NIC, for the log."""
        journal.record(
            self.tx, self.now, "NODE_CHANGED", f"NIC {nic} of {self.machine.hostname} {words}",
            machine_id=self.machine.id, username=self.actor.username,
        )  # fmt: skip


def find(hostname: str, nics: Sequence[Interface], specifier: str) -> Interface:
    """A NIC by id or name. Raises NotFound."""
    for known in (lambda nic: str(nic.id), lambda nic: nic.name):
        for nic in nics:
            if known(nic) == specifier:
                return nic
    raise NotFound(
        f"Machine {hostname} has no interface {validation.shown(specifier)}; list them with "
        "GET nodes/<system_id>/interfaces/."
    )


@contextmanager
def changing(ctx: Context, actor: Actor, system_id: str) -> Iterator[Wiring]:
    """A transaction in which nobody else changes the machine's NICs, nor the network.

    Raises Forbidden, NotFound; Conflict when the machine is locked, or in a status in which they cannot be changed."""
    with ctx.db.transaction() as tx:
        machine = orders.locked(tx, actor, Permission.EDIT_MACHINE, system_id)
        if machine.status not in CHANGEABLE:
            states = ", ".join(status.label for status in CHANGEABLE)
            raise Conflict(
                f"Machine {machine.hostname} is {label(machine.status)}, and its interfaces can be changed only while "
                f"it is one of: {states}."
            )
        network_rows.lock(tx)
        now = ctx.clock.now()
        yield Wiring(tx, machine, machine_rows.interfaces(tx, [machine.id], now), picture.load(tx), now, actor)


def create_physical(ctx: Context, actor: Actor, system_id: str, wish: NicWish) -> int:
    """A NIC that commissioning did not find; its id. Raises Forbidden, NotFound, Conflict, Invalid."""
    with changing(ctx, actor, system_id) as wiring:
        if not wish.mac:
            raise Invalid.field("mac_address", "A NIC needs its mac_address; write one such as 00:00:5e:00:53:01.")
        if len(wiring.nics) >= MAX_INTERFACES:
            raise Invalid.field("mac_address", f"A machine has at most {MAX_INTERFACES} interfaces; delete one first.")
        blank = NicColumns("", "", None, [], True, None, None, None, declared=["mac"])
        columns = wished(wiring, wish, blank, None)
        nic_id = rows.add(wiring.tx, wiring.machine.id, columns)
        wiring.record(columns.name, f"({columns.mac}) was created")
        return nic_id


def update(
    ctx: Context,
    actor: Actor,
    system_id: str,
    specifier: str,
    wish: NicWish,
    change_params: Callable[[Interface], Mapping[str, object]] = lambda nic: nic.params,
) -> int:
    """Change what is given; the NIC's id. In another VLAN its links mean nothing: they go. Params are those of bonds
    and bridges.

    Raises Forbidden, NotFound, Conflict, Invalid."""
    with changing(ctx, actor, system_id) as wiring:
        nic = wiring.nic(specifier)
        before, params = _columns(nic), change_params(nic)
        after = wished(wiring, wish, before, nic)
        if after == before and params == nic.params:
            return nic.id
        _require_room(wiring, nic, after)
        lost = move(wiring, nic, after.vlan_id) if after.vlan_id != before.vlan_id else []
        rows.update(wiring.tx, nic.id, after)
        rows.set_params(wiring.tx, nic.id, params)
        if after.mac != before.mac and nic.type == PHYSICAL:
            rows.follow_mac(wiring.tx, wiring.machine.id, before.mac, after.mac)
            if nic.is_boot:
                rows.set_boot_mac(wiring.tx, wiring.machine.id, after.mac)
        words = f"; in another VLAN these links are gone: {', '.join(link.ip or link.mode for link in lost)}"
        wiring.record(nic.name, f"was changed{words if lost else ''}")
        return nic.id


def delete(ctx: Context, actor: Actor, system_id: str, specifier: str) -> None:
    """Remove a NIC with its links; one that is there is found again by the next commissioning.

    Raises Forbidden, NotFound; Conflict for the one that the machine boots from."""
    with changing(ctx, actor, system_id) as wiring:
        nic = wiring.nic(specifier)
        if nic.is_boot:
            raise Conflict(
                f"Machine {wiring.machine.hostname} boots from {nic.name} ({nic.mac}); let it boot from another NIC "
                "first (mac_addresses of the machine, the first one)."
            )
        if nic.children:
            raise Conflict(f"{nic.name} is used by {', '.join(nic.children)}; delete that first.")
        rows.delete(wiring.tx, nic.id)
        wiring.record(nic.name, f"({nic.mac}) was deleted")


def change_tags(
    ctx: Context, actor: Actor, system_id: str, specifier: str, *, add: str | None = None, remove: str | None = None
) -> int:
    """Give a NIC a tag, or take one from it; the NIC's id. Raises Forbidden, NotFound, Conflict, Invalid."""
    with changing(ctx, actor, system_id) as wiring:
        nic = wiring.nic(specifier)
        if not add and not remove:
            raise Invalid.field("tag", "Name the tag.")
        wished = [*(tag for tag in nic.tags if tag != remove), *([add] if add else [])]
        after = replace(_columns(nic), tags=_tags("tag", wished))
        if after.tags != nic.tags:
            rows.update(wiring.tx, nic.id, after)
            wiring.record(nic.name, f"has the tags {', '.join(after.tags) or 'none'}")
        return nic.id


def move(wiring: Wiring, nic: Interface, vlan_id: int | None) -> list[Link]:
    """Put a NIC in a VLAN, with what it is made of and what is made of it, and see to it that commissioning leaves it
    there; in none, it finds one again. Returned are the links that are gone. Raises Invalid for what cannot move."""
    moved = _moving(wiring, nic)
    lost = [link for each in moved for link in each.links if each.vlan_id is not None]
    rows.delete_links(wiring.tx, [link.id for link in lost])
    for each in moved:
        declared = {*each.declared} - {"vlan_id"} | ({"vlan_id"} if vlan_id is not None else set())
        rows.update(wiring.tx, each.id, replace(_columns(each), vlan_id=vlan_id, declared=sorted(declared)))
    return lost


def require_on_its_own(wiring: Wiring, nic: Interface, field: str, *kinds: str) -> None:
    """Raise Invalid for what is part of something of these kinds, which is meant then."""
    for each in wiring.named(nic.children):
        if each.type in kinds:
            raise Invalid.field(field, f"{nic.name} is part of {each.name}, a {each.type}; name that.")


def mtu_of(wiring: Wiring, nic: Interface) -> int:
    """Its own, or that of its VLAN."""
    vlan = None if nic.vlan_id is None else wiring.network.vlan(str(nic.vlan_id))
    return nic.mtu or (vlan.mtu if vlan else DEFAULT_MTU)


def _moving(wiring: Wiring, nic: Interface) -> list[Interface]:
    """What is in the same VLAN because it is in the same frames."""
    made_of_it = wiring.named(nic.children)
    if nic.type == "vlan":
        raise Invalid.field("vlan", f"{nic.name} is that VLAN; delete it and create another one.")
    if nic.type == "bridge":
        return _moving(wiring, wiring.named(nic.parents)[0])
    for each in made_of_it:
        if each.type == "bond":
            raise Invalid.field("vlan", f"{nic.name} is part of {each.name}; change the VLAN of that.")
    vlans = [
        each.name for around in (nic, *made_of_it) for each in wiring.named(around.children) if each.type == "vlan"
    ]
    if vlans:
        raise Invalid.field("vlan", f"{', '.join(vlans)} would be on {nic.name} in another VLAN; delete that first.")
    return [nic, *wiring.named(nic.parents), *made_of_it]


def _require_room(wiring: Wiring, nic: Interface, after: NicColumns) -> None:
    """Raise Invalid when a VLAN would have a larger MTU than what it is on."""
    own = mtu_of(wiring, replace(nic, mtu=after.mtu, vlan_id=after.vlan_id))
    pairs = [(own, nic.name, each.mtu or 0, each.name) for each in wiring.named(nic.children) if each.type == "vlan"]
    if nic.type == "vlan":
        pairs += [(mtu_of(wiring, each), each.name, after.mtu or 0, nic.name) for each in wiring.named(nic.parents)]
    for limit, parent, size, child in pairs:
        if size > limit:
            raise Invalid.field(
                "mtu",
                f"{child} would have an MTU of {size} on {parent}, which has {limit}; a VLAN has none above that.",
            )


def _columns(nic: Interface) -> NicColumns:
    return NicColumns(
        nic.name, nic.mac, nic.vlan_id, nic.tags, nic.enabled, nic.mtu, nic.link_connected, nic.link_speed_mbps,
        nic.declared,
    )  # fmt: skip


def wished(
    wiring: Wiring, wish: NicWish, before: NicColumns, nic: Interface | None, usual_name: str = "eth"
) -> NicColumns:
    """A NIC with what is wished; without a name a new one (`nic` is None) gets the next of its kind. Raises Invalid."""
    name = _name(wiring, wish.name or before.name, nic, usual_name)
    vlan_id = before.vlan_id if wish.vlan is None else _vlan_id(wiring, wish.vlan)
    declared = set(before.declared)
    if name != before.name:
        declared.add("name")
    if wish.vlan is not None:
        declared = declared | {"vlan_id"} if vlan_id is not None else declared - {"vlan_id"}
    connected = before.link_connected if wish.link_connected is None else wish.link_connected
    return NicColumns(
        name=name,
        mac=_mac(wiring, wish.mac, before.mac, of_nic=nic.type == PHYSICAL if nic else "mac" in before.declared)
        if wish.mac
        else before.mac,
        vlan_id=vlan_id,
        tags=before.tags if wish.tags is None else _tags("tags", wish.tags),
        enabled=before.enabled if wish.enabled is None else wish.enabled,
        mtu=before.mtu if wish.mtu is None else _mtu(wish.mtu),
        link_connected=connected,
        link_speed_mbps=_speed(wish.link_speed, before.link_speed_mbps, connected),
        declared=sorted(declared),
    )


def _name(wiring: Wiring, text: str, nic: Interface | None, usual: str) -> str:
    others = {other.name for other in wiring.nics if nic is None or other.id != nic.id}
    if not text:
        return next(name for name in (f"{usual}{number}" for number in range(MAX_INTERFACES + 1)) if name not in others)
    if nic is not None and text == nic.name:
        return text
    if not _NAME.fullmatch(text):
        raise Invalid.field(
            "name",
            f"{validation.shown(text)} cannot be the name of a network interface; use up to 15 letters, digits and "
            "_ . - characters, and not digits alone.",
        )
    if text in others:
        raise Invalid.field(
            "name", f"Machine {wiring.machine.hostname} has an interface {text} already; choose another name."
        )
    return text


def _mac(wiring: Wiring, text: str, before: str, *, of_nic: bool) -> str:
    """What is made of NICs may show the MAC of one of them."""
    mac = validation.mac("mac_address", text)
    for owner in machine_rows.mac_owners(wiring.tx, [mac]):
        if mac != before and (of_nic or owner.system_id != wiring.machine.system_id):
            raise Invalid.field(
                "mac_address",
                f"MAC {mac} already belongs to machine {owner.hostname} ({owner.system_id}); give another MAC.",
            )
    return mac


def _vlan_id(wiring: Wiring, text: str) -> int | None:
    if not text.strip():
        return None
    try:
        return wiring.network.vlan(text.strip()).id
    except NotFound as error:
        raise Invalid.field("vlan", error.message) from error


def _tags(field: str, given: Sequence[str]) -> list[str]:
    tags = sorted(set(given))
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise Invalid.field(
                field, f"{validation.shown(tag)} cannot be a tag; use letters, digits, hyphens and underscores."
            )
    if len(tags) > MAX_TAGS:
        raise Invalid.field(field, f"An interface has at most {MAX_TAGS} tags; leave some out.")
    return tags


def _mtu(text: str) -> int | None:
    return validation.number("mtu", text, MIN_MTU, MAX_MTU) if text.strip() else None


def _speed(text: str | None, before: int | None, connected: bool | None) -> int | None:
    """In Mbit/s; none without a link."""
    wished = before if text is None else validation.number("link_speed", text, 0, MAX_SPEED_MBPS) or None
    if connected is False and text and wished:
        raise Invalid.field("link_speed", "Without a link there is no speed; leave it out, or say link_connected=true.")
    return None if connected is False else wished
