# SPDX-License-Identifier: GPL-3.0-or-later
"""Which BMC a machine is behind. BMCs come with the first machine that needs them and go with the last one."""

from __future__ import annotations

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.power import bmcs as rows
from rackyard.region.db.power.bmcs import Bmc, MachinePower
from rackyard.region.errors import Invalid
from rackyard.region.services.power.parameters import FIELD, PowerSettings, PowerWish, keeps_secrets
from rackyard_core.power import fields


def settings_of(power: MachinePower) -> PowerSettings:
    """The power settings that a machine has, without the secrets: the port is told even if it is the usual one, and a
    text that nobody gave is empty."""
    kind = power.type
    texts = {one.name: "" for one in fields.declared(kind) if one.kind == "text" and not one.secret}
    place = {
        fields.named(kind, "address"): power.address,
        fields.named(kind, "port"): power.port or fields.usual_port(kind),
    }
    placed = {name: str(value) for name, value in place.items() if name and value is not None}
    return PowerSettings(kind, {**texts, **placed, **power.parameters, **power.own}, has_secrets=power.has_secrets)


def give(ctx: Context, tx: Transaction, machine_id: int, system_id: str, wish: PowerWish) -> None:
    """Power settings for a new machine. Raises Invalid naming the parameter, or the machine that the BMC belongs to."""
    _attach(ctx, tx, machine_id, system_id, wish.settings(None), same_as=None)


def change(ctx: Context, tx: Transaction, machine_id: int, system_id: str, wish: PowerWish) -> None:
    """Other power settings for a machine, which is locked: what is not given is taken from what nobody else changes
    meanwhile. What its BMC said to the old ones no longer holds, and a BMC that it leaves is forgotten.

    Raises Invalid naming the parameter, or the machine that the BMC belongs to."""
    had = rows.of_machines(tx, [machine_id])[machine_id]
    before = settings_of(had)
    power = wish.settings(before)
    same_as = had.bmc_id if keeps_secrets(before, power) else None
    bmc_id = _attach(ctx, tx, machine_id, system_id, power, same_as)
    if bmc_id != had.bmc_id:
        leave(tx, had.bmc_id)
    rows.forget_power_error(tx, machine_id)


def leave(tx: Transaction, bmc_id: int | None) -> None:
    """A machine that was behind this BMC, if any, is so no longer."""
    if bmc_id is not None:
        rows.drop_unused(tx, bmc_id)


def _attach(
    ctx: Context, tx: Transaction, machine_id: int, system_id: str, power: PowerSettings, same_as: int | None
) -> int | None:
    """The id of the BMC, None for a type of power that has none."""
    bmc_id = None
    if power.address is not None:
        sealed = {name: ctx.box.encrypt(text).decode() for name, text in power.secrets.items()}
        bmc = Bmc(power.type, power.address, power.port, power.of_scope("bmc"), sealed)
        _refuse_taken(tx, bmc, power.slot, system_id)
        bmc_id = rows.store(tx, bmc, same_as)
    rows.attach(tx, machine_id, power.type, bmc_id, power.slot, power.of_scope("machine"))
    return bmc_id


def _refuse_taken(tx: Transaction, bmc: Bmc, slot: str, system_id: str) -> None:
    owner = rows.owner(tx, bmc, slot)
    if owner is not None and owner.system_id != system_id:
        which = f"{bmc.address} slot {slot}" if slot else bmc.address
        raise Invalid.field(
            FIELD,
            f"BMC {which} already belongs to machine {owner.hostname} ({owner.system_id}); "
            "give another address or change that machine.",
        )
