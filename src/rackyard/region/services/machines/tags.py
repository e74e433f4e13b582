# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags: names that people give to groups of machines, devices, racks and regions. Each has any number of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.machines import groups, state
from rackyard.region.db.machines import tags as rows
from rackyard.region.db.machines.state import Subject
from rackyard.region.db.machines.tags import Tag
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Conflict, Invalid, NotFound
from rackyard.region.services.boots import kernel_line
from rackyard.region.services.machines import definitions
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor, Permission, Unknown, authorise

# As in MAAS.
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,256}")
MAX_KERNEL_OPTS = 500
_SHOWN = 10


@dataclass(frozen=True)
class TagWish:
    """What an operator wants a tag to be; None leaves things as they are."""

    name: str | None = None
    comment: str | None = None
    kernel_opts: str | None = None
    definition: str | None = None


@dataclass(frozen=True)
class Retagged:
    """How many system_ids were named to get a tag, and to lose it."""

    added: int
    removed: int


def find_all(ctx: Context) -> list[Tag]:
    """Every tag by name."""
    with ctx.db.transaction() as tx:
        return rows.every(tx)


def read(ctx: Context, name: str) -> Tag:
    """One tag. Raises NotFound."""
    with ctx.db.transaction() as tx:
        return _there(rows.find(tx, name), name)


def create(ctx: Context, actor: Actor, wish: TagWish) -> Tag:
    """A new tag, which nothing has yet; with a definition, machines get it soon. Raises Forbidden, Invalid."""
    authorise(actor, Permission.MANAGE_TAGS)
    definition = definitions.checked(wish.definition or "")
    with ctx.db.transaction() as tx:
        if not wish.name:
            raise Invalid.field("name", "A tag needs a name; give one.")
        name = _free_name(tx, wish.name)
        tx.run(
            "machines.tags.add", name=name, comment=validation.text("comment", wish.comment or ""),
            kernel_opts=_kernel_opts(wish.kernel_opts or ""),
        )  # fmt: skip
        if definition:
            definitions.define(ctx, tx, actor, _there(rows.lock(tx, name), name), definition)
        return _there(rows.find(tx, name), name)


def update(ctx: Context, actor: Actor, name: str, wish: TagWish) -> Tag:
    """Change what is given; a renamed tag stays on its machines. With another definition it is soon on those that that
    describes, without one where it was. Raises Forbidden, NotFound, Invalid."""
    authorise(actor, Permission.MANAGE_TAGS)
    definition = None if wish.definition is None else definitions.checked(wish.definition)
    with ctx.db.transaction() as tx:
        tag = _locked(tx, actor, name)
        new_name = tag.name if not wish.name or wish.name == tag.name else _free_name(tx, wish.name)
        tx.run(
            "machines.tags.update", id=tag.id, name=new_name,
            comment=tag.comment if wish.comment is None else validation.text("comment", wish.comment),
            kernel_opts=tag.kernel_opts if wish.kernel_opts is None else _kernel_opts(wish.kernel_opts),
        )  # fmt: skip
        if definition is not None and definition != tag.definition:
            definitions.define(ctx, tx, actor, tag, definition)
        return _there(rows.find(tx, new_name), new_name)


def delete(ctx: Context, actor: Actor, name: str) -> None:
    """Forget a tag, also where machines have it. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        tag = _locked(tx, actor, name)
        tx.run("machines.tags.delete", id=tag.id)


def rebuild(ctx: Context, actor: Actor, name: str) -> None:
    """Have a tag's definition, if it has one, evaluated for all machines anew. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        tag = _locked(tx, actor, name)
        if tag.definition:
            definitions.define(ctx, tx, actor, tag, tag.definition)


def update_nodes(ctx: Context, actor: Actor, name: str, add: Sequence[str], remove: Sequence[str]) -> Retagged:
    """Give a tag to machines, devices, racks and regions and take it from others, by system_id; a lock of a machine
    does not hold against it.

    Raises Forbidden, NotFound (the tag), Conflict (it has a definition), Invalid (what is not there, or is in both
    lists): nothing is changed then."""
    both = sorted(set(add) & set(remove))
    with ctx.db.transaction() as tx:
        locked = rows.lock(tx, name)  # before the machines: see definitions.py
        named: Sequence[Subject | Unknown] = state.subjects(tx, [*add, *remove]) or [Unknown.MACHINE]
        for machine in named:
            authorise(actor, Permission.TAG_MACHINE, machine)
        kinds = set(groups.kinds(tx, [*add, *remove]).values())
        if "device" in kinds:
            authorise(actor, Permission.EDIT_DEVICE)
        if kinds & {"rack", "region"}:
            authorise(actor, Permission.EDIT_CONTROLLER)
        tag = _there(locked, name)
        if tag.definition:
            raise Conflict(
                f"Tag {tag.name} has a definition, which decides who has it; change that, or make it empty to give the "
                "tag by hand."
            )
        if both:
            raise Invalid.field("remove", f"{_listed(both)} would both get and lose tag {tag.name}; decide for one.")
        _require_known(tx, add=add, remove=remove)
        common = {"id": tag.id, "username": actor.username, "now": ctx.clock.now()}
        for query, system_ids, done in (
            ("machines.tags.put_on", add, f"tag {tag.name} was added"),
            ("machines.tags.take_off", remove, f"tag {tag.name} was removed"),
        ):
            if system_ids:
                tx.run(query, **common, system_ids=list(system_ids), description=done)
                for kind in sorted(kinds):
                    tx.run(f"{query}_{kind}s", id=tag.id, system_ids=list(system_ids))
        return Retagged(len(set(add)), len(set(remove)))


def kernel_words(tx: Transaction, machine_id: int) -> list[str]:
    """What the tags of a machine add to its kernel line, word by word."""
    return [word for options in rows.kernel_opts(tx, machine_id) for word in options.split()]


def _require_known(tx: Transaction, **lists: Sequence[str]) -> None:
    for field, system_ids in lists.items():
        missing = rows.unknown(tx, system_ids) if system_ids else []
        if missing:
            raise Invalid.field(field, f"Nothing has the system_id {_listed(missing)}; list all with GET nodes/.")


def _locked(tx: Transaction, actor: Actor, name: str) -> Tag:
    authorise(actor, Permission.MANAGE_TAGS)
    return _there(rows.lock(tx, name), name)


def _there(tag: Tag | None, name: str) -> Tag:
    if tag is None:
        raise NotFound(f"There is no tag {validation.shown(name)}; list them with GET tags/.")
    return tag


def _free_name(tx: Transaction, text: str) -> str:
    if not _NAME.fullmatch(text):
        raise Invalid.field(
            "name", f"{validation.shown(text)} cannot be a tag; use up to 256 letters, digits, - and _ characters."
        )
    if rows.find(tx, text) is not None:
        raise Invalid.field("name", f"Tag {text} exists already; choose another name.")
    return text


def _kernel_opts(text: str) -> str:
    words = text.split()
    for word in words:
        if not kernel_line.is_word(word):
            raise Invalid.field(
                "kernel_opts", f"{validation.shown(word)} has a character that is not safe on a kernel line."
            )
    if len(" ".join(words)) > MAX_KERNEL_OPTS:
        raise Invalid.field("kernel_opts", f"The options of a tag have at most {MAX_KERNEL_OPTS} characters.")
    return " ".join(words)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(validation.shown(name) for name in names[:_SHOWN]) + more
