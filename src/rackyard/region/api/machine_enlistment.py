# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of `machines/` about machines that came by enlistment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rackyard.region.api import machines
from rackyard.region.api.dispatch import Call
from rackyard.region.api.takes import Kind
from rackyard.region.errors import Invalid
from rackyard.region.services.operations import acceptance


@machines.collection.read("enlistments")
def list_enlistments(call: Call) -> list[dict[str, Any]]:
    """Ours: who enlists, waits for being accepted, was accepted, or could not enlist lately (`outcome` and `detail` say
    why: `failed`, `known` machines, a `contradiction`), the oldest first."""
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in vars(each).items()}
        for each in acceptance.queue(call.ctx)
    ]


@machines.collection.create("accept", takes={"machines": Kind.TEXTS})
def accept_machines(call: Call) -> list[dict[str, Any]]:
    """Accept New machines (`machines`, by system_id) that came by enlistment: all of them or none. Each is commissioned
    if it has a power type, else it stays New and an event tells why."""
    wanted = call.params.texts("machines") or []
    if not wanted:
        raise Invalid.field("machines", "Which machines? Give each one's system_id.")
    acceptance.accept(call.ctx, call.actor, wanted)
    return [machines.read_machine(call, system_id) for system_id in wanted]


@machines.collection.create("accept_all")
def accept_all_machines(call: Call) -> list[dict[str, Any]]:
    """Accept all New machines that came by enlistment and wait."""
    return [machines.read_machine(call, system_id) for system_id in acceptance.accept_all(call.ctx, call.actor)]
