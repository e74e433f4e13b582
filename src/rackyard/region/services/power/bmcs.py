# SPDX-License-Identifier: GPL-3.0-or-later
"""Which BMC a machine is behind. BMCs come with the first machine that needs them and go with the last one."""

from __future__ import annotations

from rackyard.region.context import Context
from rackyard.region.db.machines.registry import Machine
from rackyard.region.db.pool import Transaction
from rackyard.region.db.power import bmcs as rows
from rackyard.region.db.power.bmcs import Bmc
from rackyard.region.errors import Invalid
from rackyard.region.services.power.parameters import FIELD, PowerSettings, keeps_secrets
from rackyard_core.power import fields


def settings_of(machine: Machine) -> PowerSettings:
    """The power settings that a machine has, without the secrets: the port is told even if it is the usual one, and a
    text that nobody gave is empty."""
    kind = machine.power_type
    texts = {one.name: "" for one in fields.declared(kind) if one.kind == "text" and not one.secret}
    place = {
        fields.named(kind, "address"): machine.power_address,
        fields.named(kind, "port"): machine.power_port or fields.usual_port(kind),
    }
    return PowerSettings(
        type=kind,
        values={
            **texts,
            **{name: str(value) for name, value in place.items() if name and value is not None},
            **machine.bmc_parameters,
            **machine.power_parameters,
        },
        has_secrets=machine.has_power_secrets,
    )


def give(ctx: Context, tx: Transaction, machine_id: int, power: PowerSettings, system_id: str) -> None:
    """Power settings for a new machine. Raises Invalid naming the machine that the BMC belongs to."""
    _attach(ctx, tx, machine_id, power, system_id, same_as=None)


def change(ctx: Context, tx: Transaction, machine: Machine, power: PowerSettings) -> None:
    """Other power settings for a machine, which is locked. What its BMC said to the old ones no longer holds, and a BMC
    that it leaves is forgotten. Raises Invalid naming the machine that the BMC belongs to."""
    same_as = machine.bmc_id if keeps_secrets(settings_of(machine), power) else None
    bmc_id = _attach(ctx, tx, machine.id, power, machine.system_id, same_as=same_as)
    if machine.bmc_id is not None and machine.bmc_id != bmc_id:
        rows.drop_unused(tx, machine.bmc_id)
    rows.forget_power_error(tx, machine.id)


def leave(tx: Transaction, bmc_id: int | None) -> None:
    """A machine that was behind this BMC is gone."""
    if bmc_id is not None:
        rows.drop_unused(tx, bmc_id)


def _attach(
    ctx: Context, tx: Transaction, machine_id: int, power: PowerSettings, system_id: str, same_as: int | None
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
