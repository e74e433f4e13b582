# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts by name that others keep at a machine: `owner_data` of whoever has it, `workload_annotations` of what runs on
it. They mean nothing here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from rackyard.region.context import Context
from rackyard.region.db.machines import texts as rows
from rackyard.region.errors import Invalid
from rackyard.region.services.power import orders
from rackyard.region.services.site import journal, validation
from rackyard.region.services.site.authorisation import Actor, Permission

# A list of machines shows them all.
MAX_TEXTS = 64
MAX_NAME = 255
MAX_SIZE = 32_768


class Kind(Enum):
    """Whose texts, by the column that has them."""

    OWNER = "owner_data"
    WORKLOAD = "workload_annotations"


def change(ctx: Context, actor: Actor, system_id: str, kind: Kind, given: Mapping[str, str]) -> None:
    """Set what is given and keep the rest; an empty text takes its name away.

    Raises Forbidden, NotFound, Conflict (the machine is locked), Invalid naming the text that cannot be kept."""
    with ctx.db.transaction() as tx:
        machine = orders.locked(tx, actor, Permission.EDIT_MACHINE, system_id)
        before = rows.read(tx, kind.value, machine.id)
        after = merged(f"Machine {machine.hostname}", kind, before, given)
        changed = sorted(name for name in given if before.get(name, "") != given[name])
        if not changed:
            return
        rows.write(tx, kind.value, machine.id, after, ctx.clock.now())
        names = ", ".join(validation.shown(name) for name in changed)
        journal.record(
            tx, ctx.clock.now(), "NODE_CHANGED", f"{kind.value} of {machine.hostname} was changed: {names}",
            machine_id=machine.id, username=actor.username,
        )  # fmt: skip


def merged(whose: str, kind: Kind, before: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The texts that there are with what is given; an empty one takes its name away. Raises Invalid."""
    for name, text in given.items():
        _check(name, text)
    after = {name: text for name, text in {**before, **given}.items() if text}
    size = sum(len(name.encode()) + len(text.encode()) for name, text in after.items())
    if len(after) > MAX_TEXTS or size > MAX_SIZE:
        raise Invalid.field(
            kind.value,
            f"{whose} would have {len(after)} of them with {size} bytes, and at most {MAX_TEXTS} with {MAX_SIZE} are "
            "kept; remove some by giving them empty.",
        )
    return after


def _check(name: str, text: str) -> None:
    if not name.strip() or len(name) > MAX_NAME or any(ord(character) < 32 for character in name):
        raise Invalid.field(
            validation.shown(name), f"A name has 1 to {MAX_NAME} characters, none of them a control character."
        )
    validation.text(name, text)
