# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of `machines/<system_id>/` by which people mark a machine: texts, a lock, broken or fixed."""

from __future__ import annotations

from typing import Any

from rackyard.region.api import machines
from rackyard.region.api.dispatch import Call
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.services.machines import texts
from rackyard.region.services.operations import marks, testing

# Each parameter is one text.
_ANY: Takes = {"*": Kind.TEXT}
_COMMENT: Takes = {"comment": Kind.TEXT}


@machines.one.create("set_owner_data", takes=_ANY)
def set_owner_data(call: Call, system_id: str) -> dict[str, Any]:
    """Set texts of the machine's owner by name, any name; an empty text takes its name away."""
    return _set_texts(call, system_id, texts.Kind.OWNER)


@machines.one.create("set_workload_annotations", takes=_ANY)
def set_workload_annotations(call: Call, system_id: str) -> dict[str, Any]:
    """Set texts about what runs on the machine by name, any name; an empty text takes its name away."""
    return _set_texts(call, system_id, texts.Kind.WORKLOAD)


@machines.one.create("lock", takes=_COMMENT)
def lock_machine(call: Call, system_id: str) -> dict[str, Any]:
    """Refuse changes of the machine until it is unlocked."""
    marks.lock(call.ctx, call.actor, system_id, call.params.text("comment") or "")
    return machines.read_machine(call, system_id)


@machines.one.create("unlock", takes=_COMMENT)
def unlock_machine(call: Call, system_id: str) -> dict[str, Any]:
    """Allow changes of the machine again."""
    marks.unlock(call.ctx, call.actor, system_id, call.params.text("comment") or "")
    return machines.read_machine(call, system_id)


@machines.one.create("mark_broken", takes=_COMMENT)
def mark_machine_broken(call: Call, system_id: str) -> dict[str, Any]:
    """The machine is Broken; the comment becomes its error_description."""
    marks.mark_broken(call.ctx, call.actor, system_id, call.params.text("comment") or "")
    return machines.read_machine(call, system_id)


@machines.one.create("mark_fixed", takes=_COMMENT)
def mark_machine_fixed(call: Call, system_id: str) -> dict[str, Any]:
    """A Broken machine is Ready again."""
    marks.mark_fixed(call.ctx, call.actor, system_id, call.params.text("comment") or "")
    return machines.read_machine(call, system_id)


@machines.one.create("override_failed_testing", takes=_COMMENT)
def override_failed_testing(call: Call, system_id: str) -> dict[str, Any]:
    """A machine that Failed testing is Ready all the same."""
    testing.override(call.ctx, call.actor, system_id, call.params.text("comment") or "")
    return machines.read_machine(call, system_id)


def _set_texts(call: Call, system_id: str, kind: texts.Kind) -> dict[str, Any]:
    # A client may say the operation in the body as well.
    given = {name: call.params.text(name) or "" for name in call.params.names() if name != "op"}
    texts.change(call.ctx, call.actor, system_id, kind, given)
    return machines.read_machine(call, system_id)
