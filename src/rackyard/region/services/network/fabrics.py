# SPDX-License-Identifier: GPL-3.0-or-later
"""Fabrics and their VLANs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.network import picture as rows
from rackyard.region.db.network.picture import UNDEFINED, Fabric, Vlan
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import BadRequest, Conflict, Invalid, NotFound
from rackyard.region.services.network import picture
from rackyard.region.services.network.network import DEFAULT, Network
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor

DEFAULT_VID = 0
DEFAULT_MTU = 1500

# How a VLAN is found: by its id, or by its number in a fabric. Raises NotFound.
FindVlan = Callable[[Network], Vlan]


@dataclass(frozen=True)
class FabricWish:
    """What an operator wants a fabric to be; None leaves things as they are. An empty `class_type` means none."""

    name: str | None = None
    description: str | None = None
    class_type: str | None = None


@dataclass(frozen=True)
class VlanWish:
    """What an operator wants a VLAN to be; None leaves things as they are. An empty rack means none, and so does an
    empty `relay_vlan`, which is an id, and an empty `space`, which is an id or a name."""

    vid: str | None = None
    name: str | None = None
    description: str | None = None
    mtu: str | None = None
    dhcp_on: bool | None = None
    primary_rack: str | None = None
    secondary_rack: str | None = None
    relay_vlan: str | None = None
    space: str | None = None


def create_fabric(ctx: Context, actor: Actor, wish: FabricWish) -> Fabric:
    """A new fabric with its untagged VLAN (VID 0), as MAAS makes it. Raises Forbidden, Invalid."""
    with picture.changing(ctx, actor) as (tx, before):
        fabric_id = _add_fabric(tx, before, wish)
        return picture.load(tx).fabric(str(fabric_id))


def with_default(tx: Transaction, before: Network) -> Network:
    """The network with a fabric that is there when none is named: the first subnet of a site makes it."""
    if before.fabrics:
        return before
    _add_fabric(tx, before, FabricWish())
    return picture.load(tx)


def update_fabric(ctx: Context, actor: Actor, specifier: str, wish: FabricWish) -> Fabric:
    """Change what is given. Raises Forbidden, NotFound, Invalid."""
    with picture.changing(ctx, actor) as (tx, before):
        fabric = before.fabric(specifier)
        label = fabric.name if wish.name is None or wish.name == fabric.name else _free_name(before, wish.name)
        rows.update(tx, "fabric", fabric.id, name=label, **_fabric_texts(wish, fabric.description, fabric.class_type))
        return picture.load(tx).fabric(str(fabric.id))


def delete_fabric(ctx: Context, actor: Actor, specifier: str) -> None:
    """Remove a fabric with its VLANs. Raises Forbidden, NotFound, BadRequest when it is only called the default one,
    Conflict while one of its VLANs has a subnet."""
    with picture.changing(ctx, actor) as (tx, before):
        fabric = before.fabric(specifier)
        if specifier == DEFAULT:
            raise BadRequest(f"Fabric {fabric.name} is the default one; delete it by its own id {fabric.id}.")
        vlans = [vlan for vlan in before.vlans if vlan.fabric_id == fabric.id]
        for vlan in vlans:
            _refuse_with_subnets(before, vlan, f"Fabric {fabric.name}")
        for vlan in vlans:
            rows.delete(tx, "vlan", vlan.id)
        rows.delete(tx, "fabric", fabric.id)


def create_vlan(ctx: Context, actor: Actor, fabric_specifier: str, wish: VlanWish) -> Vlan:
    """A new VLAN in a fabric. Raises Forbidden, NotFound, Invalid."""
    with picture.changing(ctx, actor) as (tx, before):
        fabric = before.fabric(fabric_specifier)
        columns = _vlan_columns(tx, wish, fabric.id, None)
        _refuse_used_vid(before, fabric, str(columns["vid"]))
        led = {"relay_vlan_id": _relay_id(before, wish, None), "space_id": _space_id(before, wish, None)}
        vlan_id = rows.add(tx, "vlan", **columns, **led)
        return picture.load(tx).vlan(str(vlan_id))


def update_vlan(ctx: Context, actor: Actor, find: FindVlan, wish: VlanWish) -> Vlan:
    """Change what is given. Raises Forbidden, NotFound, Invalid (DHCP without rack or dynamic range, and not both from
    racks there and through a relay)."""
    with picture.changing(ctx, actor) as (tx, before):
        vlan = find(before)
        columns = _vlan_columns(tx, wish, vlan.fabric_id, vlan)
        if columns["vid"] != vlan.vid:
            _refuse_used_vid(before, before.fabric(str(vlan.fabric_id)), str(columns["vid"]))
        led = {"relay_vlan_id": _relay_id(before, wish, vlan), "space_id": _space_id(before, wish, vlan)}
        rows.update(tx, "vlan", vlan.id, **columns, **led)
        return picture.load(tx).vlan(str(vlan.id))


def delete_vlan(ctx: Context, actor: Actor, find: FindVlan) -> None:
    """Remove a VLAN. Raises Forbidden, NotFound, Invalid for the fabric's own one, Conflict while it has a subnet."""
    with picture.changing(ctx, actor) as (tx, before):
        vlan = find(before)
        if vlan.vid == DEFAULT_VID:
            raise Invalid.field(
                "vid",
                f"This VLAN is the default VLAN in fabric {vlan.fabric}, it cannot be deleted; "
                "delete the fabric instead.",
            )
        _refuse_with_subnets(before, vlan, f"VLAN {vlan.vid} of fabric {vlan.fabric}")
        rows.delete(tx, "vlan", vlan.id)


def _add_fabric(tx: Transaction, before: Network, wish: FabricWish) -> int:
    next_name = f"fabric-{1 + max((fabric.id for fabric in before.fabrics), default=-1)}"
    label = _free_name(before, wish.name or next_name)
    fabric_id = rows.add(tx, "fabric", name=label, **_fabric_texts(wish, "", ""))
    columns = _vlan_columns(tx, VlanWish(vid=str(DEFAULT_VID), name="untagged"), fabric_id, None)
    rows.add(tx, "vlan", **columns, relay_vlan_id=None, space_id=None)
    return fabric_id


def _fabric_texts(wish: FabricWish, description: str, class_type: str) -> dict[str, str]:
    if wish.description is not None:
        description = validation.text("description", wish.description)
    if wish.class_type is not None:
        class_type = validation.name("class_type", wish.class_type) if wish.class_type else ""
    return {"description": description, "class_type": class_type}


def _free_name(before: Network, name: str) -> str:
    label = validation.name("name", name)
    if label.isdecimal():
        raise Invalid.field("name", f"{validation.shown(label)} would be taken for an id; use a name with a letter.")
    if any(fabric.name == label for fabric in before.fabrics):
        raise Invalid.field("name", f"Fabric {label} exists already; choose another name or change that fabric.")
    return label


def _refuse_used_vid(before: Network, fabric: Fabric, vid: str) -> None:
    if any(vlan.fabric_id == fabric.id and str(vlan.vid) == vid for vlan in before.vlans):
        raise Invalid.field(
            "vid", f"Fabric {fabric.name} has VLAN {vid} already; change that VLAN or give another VID."
        )


def _refuse_with_subnets(before: Network, vlan: Vlan, what: str) -> None:
    names = ", ".join(f"{subnet.name} ({subnet.cidr})" for subnet in before.subnets_of(vlan))
    if names:
        raise Conflict(f"{what} still has the subnet {names}; delete or move that first.")


def _vlan_columns(tx: Transaction, wish: VlanWish, fabric_id: int, before: Vlan | None) -> dict[str, object]:
    if wish.vid is None and before is None:
        raise Invalid.field("vid", "A VLAN needs its number; give vid, from 0 to 4094.")
    vid = validation.number("vid", wish.vid, 0, 4094) if wish.vid is not None else before and before.vid
    default_name = before.name if before else f"vlan-{vid}"
    primary = before.primary_rack if before and wish.primary_rack is None else wish.primary_rack
    secondary = before.secondary_rack if before and wish.secondary_rack is None else wish.secondary_rack
    return {
        "fabric_id": fabric_id,
        "vid": vid,
        "name": validation.name("name", wish.name or default_name),
        "description": validation.text(
            "description", wish.description if wish.description is not None else before.description if before else ""
        ),
        "mtu": validation.number("mtu", wish.mtu, 552, 65535) if wish.mtu else before.mtu if before else DEFAULT_MTU,
        "dhcp_on": wish.dhcp_on if wish.dhcp_on is not None else bool(before and before.dhcp_on),
        "primary_rack_id": _rack_id(tx, "primary_rack", primary),
        "secondary_rack_id": _rack_id(tx, "secondary_rack", secondary),
    }


def _relay_id(before: Network, wish: VlanWish, vlan: Vlan | None) -> int | None:
    if wish.relay_vlan is None:
        return vlan.relay_vlan.id if vlan and vlan.relay_vlan else None
    if not wish.relay_vlan:
        return None
    try:
        return before.vlan(wish.relay_vlan).id
    except NotFound as error:
        raise Invalid.field("relay_vlan", error.message) from error


def _space_id(before: Network, wish: VlanWish, vlan: Vlan | None) -> int | None:
    if wish.space is None:
        space = vlan.space if vlan else UNDEFINED
    else:
        try:
            space = before.space(wish.space or UNDEFINED.name)
        except NotFound as error:
            raise Invalid.field("space", error.message) from error
    return None if space == UNDEFINED else space.id


def _rack_id(tx: Transaction, field: str, name: str | None) -> int | None:
    if not name:
        return None
    found = rows.rack_id(tx, name)
    if found is None:
        raise Invalid.field(
            field, f"No enrolled rack is called {validation.shown(name)}; list them with GET rackcontrollers/."
        )
    return found
