# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces that are made of others: bonds of NICs, bridges, and VLANs on top of one.

What one is made of is said when it is created and stays so: nothing can come to stand on itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rackyard.region.context import Context
from rackyard.region.db.machines import interfaces as rows
from rackyard.region.db.machines.interfaces import NicColumns
from rackyard.region.db.machines.registry import Interface
from rackyard.region.errors import Invalid, NotFound
from rackyard.region.services.machines import interfaces
from rackyard.region.services.machines.interfaces import NicWish, Wiring, changing, mtu_of
from rackyard.region.services.machines.registry import MAX_INTERFACES
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor

BOND, BRIDGE, VLAN, PHYSICAL = "bond", "bridge", "vlan", "physical"
MAX_NAME = 15
MAX_MS = 100_000
_BOND_MODES = (
    "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb",
)  # fmt: skip
_HASHES = ("layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4")

Check = Callable[[str, str], Any]


def _one_of(*choices: str) -> Check:
    def check(field: str, text: str) -> str:
        if text not in choices:
            raise Invalid.field(field, f"{validation.shown(text)} is none of {', '.join(choices)}.")
        return text

    return check


def _number(high: int) -> Check:
    return lambda field, text: validation.number(field, text, 0, high)


def _flag(field: str, text: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    if text.lower() not in known:
        raise Invalid.field(field, f"{validation.shown(text)} is neither true nor false.")
    return known[text.lower()]


# By type: what is said of it besides, with MAAS's defaults.
PARAMETERS: Mapping[str, Mapping[str, tuple[Any, Check]]] = {
    BOND: {
        "bond_mode": ("active-backup", _one_of(*_BOND_MODES)),
        "bond_miimon": (100, _number(MAX_MS)),
        "bond_downdelay": (0, _number(MAX_MS)),
        "bond_updelay": (0, _number(MAX_MS)),
        "bond_lacp_rate": ("fast", _one_of("fast", "slow")),
        "bond_xmit_hash_policy": ("layer2", _one_of(*_HASHES)),
        "bond_num_grat_arp": (1, _number(255)),
    },
    BRIDGE: {
        "bridge_type": ("standard", _one_of("standard", "ovs")),
        "bridge_stp": (False, _flag),
        "bridge_fd": (15, _number(255)),
    },
}


def create_bond(
    ctx: Context, actor: Actor, system_id: str, wish: NicWish, parents: Sequence[str], given: Mapping[str, str]
) -> int:
    """A bond of NICs of one VLAN, which have no links of their own from then on; its id.

    Raises Forbidden, NotFound, Conflict, Invalid."""
    with changing(ctx, actor, system_id) as wiring:
        nics = [_parent(wiring, "parents", each) for each in dict.fromkeys(parents)]
        if not nics:
            raise Invalid.field("parents", "A bond needs the NICs that it is made of; name them by id (parents).")
        for nic in nics:
            if nic.type != PHYSICAL:
                raise Invalid.field("parents", f"A bond is made of NICs, and {nic.name} is a {nic.type}; leave it out.")
            _require_unused(nic, "parents")
        vlans = {nic.vlan_id for nic in nics}
        if len(vlans) > 1:
            where = ", ".join(f"{nic.name} in {_place(wiring, nic.vlan_id)}" for nic in nics)
            raise Invalid.field("parents", f"The NICs of a bond are in one VLAN, and these are not: {where}.")
        return _create(wiring, BOND, wish, nics, vlans.pop(), given)


def create_bridge(
    ctx: Context, actor: Actor, system_id: str, wish: NicWish, parent: str, given: Mapping[str, str]
) -> int:
    """A bridge with a NIC, bond or VLAN in it, which has no links of its own from then on; its id.

    Raises Forbidden, NotFound, Conflict, Invalid."""
    with changing(ctx, actor, system_id) as wiring:
        nic = _parent(wiring, "parent", parent)
        if nic.type == BRIDGE:
            raise Invalid.field("parent", f"{nic.name} is a bridge, and no bridge is in another; name a NIC or bond.")
        _require_unused(nic, "parent")
        return _create(wiring, BRIDGE, wish, [nic], nic.vlan_id, given)


def create_vlan(ctx: Context, actor: Actor, system_id: str, wish: NicWish, parent: str) -> int:
    """A tagged VLAN on a NIC, bond or bridge; its id. Raises Forbidden, NotFound, Conflict, Invalid."""
    with changing(ctx, actor, system_id) as wiring:
        nic = _parent(wiring, "parent", parent)
        if nic.type == VLAN:
            raise Invalid.field("parent", f"{nic.name} is a VLAN itself, and no VLAN is on another; name its parent.")
        interfaces.require_on_its_own(wiring, nic, "parent", BOND, BRIDGE)
        if not wish.vlan:
            raise Invalid.field("vlan", "A VLAN interface needs its vlan; name it by its id.")
        try:
            vlan = wiring.network.vlan(wish.vlan.strip())
        except NotFound as error:
            raise Invalid.field("vlan", error.message) from error
        if vlan.vid == 0:
            raise Invalid.field("vlan", f"{vlan} is untagged: {nic.name} itself can be in it; name a tagged VLAN.")
        if nic.vlan_id is not None and wiring.network.vlan(str(nic.vlan_id)).fabric_id != vlan.fabric_id:
            raise Invalid.field(
                "vlan", f"{vlan} is of another fabric than {nic.name} ({_place(wiring, nic.vlan_id)}); name one of its."
            )
        there = [other for other in wiring.nics if other.name in nic.children and other.vlan_id == vlan.id]
        if there:
            raise Invalid.field("vlan", f"{there[0].name} is {vlan} on {nic.name} already; use that.")
        usual = f"{nic.name}.{vlan.vid}"
        named = NicWish(
            name=wish.name or (usual if len(usual) <= MAX_NAME else f"vlan{vlan.vid}"), tags=wish.tags, mtu=wish.mtu,
            enabled=wish.enabled,
        )  # fmt: skip
        limit = mtu_of(wiring, nic)
        if wish.mtu and validation.number("mtu", wish.mtu, interfaces.MIN_MTU, interfaces.MAX_MTU) > limit:
            raise Invalid.field("mtu", f"{nic.name} has an MTU of {limit}, and a VLAN on it none above that.")
        return _create(wiring, VLAN, named, [nic], vlan.id, {})


def changed_params(nic: Interface, given: Mapping[str, str]) -> dict[str, Any]:
    """The params of an interface with what is given. Raises Invalid for what interfaces of its type do not have."""
    known = PARAMETERS.get(nic.type, {})
    for name in given:
        if name not in known:
            raise Invalid.field(name, f"{nic.name} is a {nic.type} interface, which has no {name}; leave it out.")
    return nic.params | {name: known[name][1](name, text) for name, text in given.items()}


def _create(
    wiring: Wiring,
    kind: str,
    wish: NicWish,
    parents: Sequence[Interface],
    vlan_id: int | None,
    given: Mapping[str, str],
) -> int:
    if len(wiring.nics) >= MAX_INTERFACES:
        raise Invalid.field("name", f"A machine has at most {MAX_INTERFACES} interfaces; delete one first.")
    if wish.vlan is not None and wish.vlan.strip() != str(vlan_id or ""):
        raise Invalid.field(
            "vlan", f"A {kind} is in the VLAN of what it is made of ({_place(wiring, vlan_id)}); leave vlan out."
        )
    blank = NicColumns("", parents[0].mac, vlan_id, [], True, None, None, None, [])
    columns = interfaces.wished(wiring, wish, blank, None, usual_name={BOND: "bond", BRIDGE: "br"}.get(kind, "vlan"))
    known = PARAMETERS.get(kind, {})
    params = {name: check(name, given[name]) if given.get(name) else usual for name, (usual, check) in known.items()}
    nic_id = rows.add_virtual(wiring.tx, wiring.machine.id, columns, kind, params, [nic.id for nic in parents])
    lost = [] if kind == VLAN else [link for nic in parents for link in nic.links]
    rows.delete_links(wiring.tx, [link.id for link in lost])
    names = ", ".join(nic.name for nic in parents)
    gone = f"; these have no links of their own any more: {', '.join(each.ip or each.mode for each in lost)}"
    wiring.record(columns.name, f"was created, a {kind} of {names}{gone if lost else ''}")
    return nic_id


def _parent(wiring: Wiring, field: str, specifier: str) -> Interface:
    if not specifier:
        raise Invalid.field(field, "Name the interface that it is made of, by its id.")
    try:
        return wiring.nic(specifier)
    except NotFound as error:
        raise Invalid.field(field, error.message) from error


def _require_unused(nic: Interface, field: str) -> None:
    if nic.children:
        raise Invalid.field(
            field, f"{nic.name} is used by {', '.join(nic.children)} already; delete that first, or name another one."
        )


def _place(wiring: Wiring, vlan_id: int | None) -> str:
    return "no known VLAN" if vlan_id is None else str(wiring.network.vlan(str(vlan_id)))
