# SPDX-License-Identifier: GPL-3.0-or-later
"""How machines' power is controlled, for those who may see it: where a BMC is and who logs in, never the password."""

from __future__ import annotations

from rackyard.region.context import Context
from rackyard.region.db.machines import registry as rows
from rackyard.region.db.machines.registry import MachineFilter
from rackyard.region.db.power import bmcs as power_rows
from rackyard.region.services.machines import filters, registry
from rackyard.region.services.power import bmcs
from rackyard.region.services.power.parameters import PowerSettings
from rackyard.region.services.site.authorisation import Actor, Permission, authorise


def read(ctx: Context, actor: Actor, system_id: str) -> PowerSettings:
    """The power settings of one machine. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        machine = rows.find(tx, system_id)
        authorise(actor, Permission.SEE_POWER_PARAMETERS, machine)
        power = power_rows.of_machines(tx, [machine.id] if machine else [])
        if machine is None or machine.id not in power:
            raise registry.not_found(system_id)
        return bmcs.settings_of(power[machine.id])


def find_all(ctx: Context, actor: Actor, wanted: MachineFilter) -> dict[str, PowerSettings]:
    """The power settings of matching machines by system_id, by hostname. Raises Forbidden, Invalid."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.SEE_POWER_PARAMETERS)
        found = rows.select(
            tx, filters.resolved(ctx, tx, wanted), with_hardware=False, with_steps=False, with_labels=False
        )
        power = power_rows.of_machines(tx, [machine.id for machine in found])
        return {machine.system_id: bmcs.settings_of(power[machine.id]) for machine in found if machine.id in power}
