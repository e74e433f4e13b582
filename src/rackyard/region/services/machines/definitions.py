# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions of tags: XPath expressions over what lshw says of a machine. Machines get such a tag by themselves.

What is still to be looked at stands in the database, so that any region goes on where another one died: a document that
came is `pending`, for all definitions; a definition that is new stands at the machine that it was last evaluated for.
Each is written by whoever brings it, without a look at the other: whichever of both is committed last is seen by the
evaluation of the other.

Lock order, here and wherever tags are given: first the tags, then the machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.machines import definitions as rows
from rackyard.region.db.machines.definitions import Definition, Document
from rackyard.region.db.machines.tags import Tag
from rackyard.region.db.pool import Transaction
from rackyard.region.deed import WORKER, Deed
from rackyard.region.ephemeral.sample import SAMPLE
from rackyard.region.errors import Invalid
from rackyard.region.services.machines import registry
from rackyard.region.services.site import journal
from rackyard.region.services.site.authorisation import Actor
from rackyard.region.xpath import evaluator, grammar
from rackyard.region.xpath.evaluator import Verdicts

MAX_CHARACTERS = 2000
# What is in memory at a time.
PORTION, PORTION_BYTES = 500, 16 * 2**20
# In the audit trail; no account can be called so.
THE_SYSTEM = "(system)"


@dataclass(frozen=True)
class _Portion:
    """Definitions, and documents for all of them: new ones, or those of the machines after one."""

    definitions: Sequence[Definition]
    documents: Sequence[Document]
    after: int | None


def checked(text: str) -> str:
    """A definition that can be evaluated: tried on a small document. Raises Invalid, naming the fault."""
    definition = text.strip()
    if not definition:
        return ""
    if len(definition) > MAX_CHARACTERS:
        fault: str | None = f"it has more than {MAX_CHARACTERS} characters"
    elif any(not (char.isprintable() or char.isspace()) for char in definition):
        fault = "it has characters that cannot be printed"
    else:
        fault = grammar.fault(definition) or evaluator.evaluate({0: definition}, [(0, SAMPLE)]).faults.get(0)
    if fault is not None:
        raise Invalid.field(
            "definition", f"The definition cannot be used: {fault}. It is an XPath 1.0 expression, such as "
            "//node[@class='display'].",
        )  # fmt: skip
    return definition


def define(ctx: Context, tx: Transaction, actor: Actor, tag: Tag, definition: str) -> None:
    """Give a tag, whose row is locked, a definition, from `checked`. Machines that it does not describe lose the tag
    soon, those of which lshw has said nothing, and devices, at once. Without a definition it stays where it is."""
    tx.run("machines.definitions.define", id=tag.id, definition=definition)
    if definition:
        tx.run(
            "machines.definitions.take_off_others", id=tag.id, username=actor.username, now=ctx.clock.now(),
            description=f"tag {tag.name} was removed: it has a definition now, and lshw has not described this machine",
        )  # fmt: skip
        tx.run("machines.definitions.take_off_devices", id=tag.id)


def keep_document(ctx: Context, tx: Transaction, machine_id: int, document: bytes) -> None:
    """What lshw said of a machine, whose row is locked, stays as long as the machine; no tag may be locked here."""
    rows.keep(tx, machine_id, document, ctx.clock.now())


def document_of(ctx: Context, system_id: str) -> bytes | None:
    """What lshw said last of a machine, None if it never did. Raises NotFound."""
    with ctx.db.transaction() as tx:
        row = tx.one("machines.definitions.document_of", system_id=system_id)
    if row is None:
        raise registry.not_found(system_id)
    return row["document"] and bytes(row["document"])


def evaluate_some(ctx: Context, portion: int = PORTION) -> bool:
    """Evaluate definitions for some machines, at most so many; whether there were any.

    Nothing is locked while the expressions are evaluated: what was changed meanwhile is left to another time.
    Raises Unavailable when they cannot be evaluated."""
    with ctx.db.transaction() as tx:
        chosen = _choose(tx, portion)
    if chosen is None:
        return False
    verdicts = evaluator.evaluate(
        {each.id: each.definition for each in chosen.definitions},
        [(each.machine_id, each.document) for each in chosen.documents],
    )
    with ctx.acting(_deed(ctx)).db.transaction() as tx:
        _apply(ctx, tx, chosen, verdicts)
    return True


def _choose(tx: Transaction, portion: int) -> _Portion | None:
    defined = rows.defined(tx)
    documents = rows.new_documents(tx, portion, PORTION_BYTES)
    if documents:
        return _Portion(defined, documents, None)
    places = [each.evaluated_to for each in defined if each.evaluated_to is not None]
    if not places:
        return None
    after = min(places)
    behind = [each for each in defined if each.evaluated_to == after]
    return _Portion(behind, rows.next_documents(tx, after, portion, PORTION_BYTES), after)


def _apply(ctx: Context, tx: Transaction, chosen: _Portion, verdicts: Verdicts) -> None:
    now = ctx.clock.now()
    looked = [each for each in chosen.documents if each.machine_id in verdicts.matches]
    names = rows.lock_unchanged(tx, chosen.definitions)
    there = rows.lock_machines(tx, looked)
    sound = [tag_id for tag_id in names if tag_id not in verdicts.faults]
    pairs = {(tag_id, machine_id) for machine_id in there for tag_id in sound}
    wanted = {(tag_id, machine_id) for tag_id, machine_id in pairs if tag_id in verdicts.matches[machine_id]}
    rows.assign(tx, sorted(wanted), sorted(pairs - wanted), now)
    if chosen.after is None:
        rows.seen(tx, looked)
        for machine_id in sorted(verdicts.unreadable & there):
            words = "what lshw said of it cannot be read, so that no definition of a tag describes it"
            journal.record(tx, now, "TAG", words, machine_id=machine_id, level=journal.WARNING)
    else:
        rows.advance(tx, sound, chosen.after, looked[-1].machine_id if looked else None)
    for tag_id, fault in verdicts.faults.items():
        if tag_id in names:
            tx.run("machines.definitions.give_up", id=tag_id, fault=fault)
            words = (
                f"The definition of tag {names[tag_id]} is not evaluated any more: {fault}; the tag stays where it is. "
                "Change the definition."
            )
            journal.record(tx, now, "TAG", words, level=journal.WARNING)


def _deed(ctx: Context) -> Deed:
    return Deed(
        actor=THE_SYSTEM, account_id=None, source=WORKER, address=ctx.config.name,
        request="evaluate definitions of tags", at=ctx.clock.now(),
    )  # fmt: skip
