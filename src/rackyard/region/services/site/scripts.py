# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts that operators upload, and which of them a machine runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rackyard.region import ephemeral
from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import scripts as rows
from rackyard.region.db.site.scripts import Script, Version
from rackyard.region.ephemeral import script_metadata
from rackyard.region.ephemeral.script_metadata import Metadata, MetadataError
from rackyard.region.errors import BadRequest, Conflict, Invalid, NotFound
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

MAX_SCRIPTS, MAX_VERSIONS = 200, 20
# A machine fetches all that it runs at once, and racks keep it.
MAX_BOOT_SCRIPTS, MAX_BOOT_BYTES = 50, 1024 * 1024
# A script that is run only when it is asked for; one that tests what was just found.
NOT_BY_ITSELF, WITH_COMMISSIONING = "noauto", "commissioning"
NONE = "none"
# Tests of the region's own that a machine runs when none are named.
QUICK = "quick"


@dataclass(frozen=True)
class Wish:
    """What an operator gives: the content, None to leave it, and fields of the metadata beside it."""

    content: bytes | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    comment: str = ""


@dataclass(frozen=True)
class Known:
    """Scripts by name, and what they have been, the newest first, by the id of each."""

    scripts: Sequence[Script]
    history: Mapping[int, Sequence[Version]]

    def one(self, specifier: str) -> Script:
        """The script of that id or name. Raises NotFound."""
        for script in self.scripts:
            if specifier in (str(script.id), script.metadata.name):
                return script
        if specifier in _own_names():
            raise BadRequest(f"Script {specifier} is one of this region's own, which stay as they are.")
        raise NotFound(f"There is no uploaded script {validation.shown(specifier)}; list them with GET scripts/.")


@dataclass(frozen=True)
class Choice:
    """Names and tags of scripts that a machine shall run; None is what runs by itself, and `none` is none."""

    commissioning: Sequence[str] | None = None
    testing: Sequence[str] | None = None


@dataclass(frozen=True)
class Chosen:
    """A script that a machine runs beside what it always does; one of the region's own tests has no version."""

    metadata: Metadata
    version_id: int | None
    size_bytes: int


# What runs unless something else is asked for.
BY_ITSELF = Choice()


def read(ctx: Context) -> Known:
    """All that were uploaded."""
    with ctx.db.transaction() as tx:
        return _load(tx)


def content(ctx: Context, specifier: str, version: str | None = None) -> bytes:
    """What a script is, or was in that version of its history. Raises NotFound, Invalid."""
    with ctx.db.transaction() as tx:
        known = _load(tx)
        script = known.one(specifier)
        number = script.version_id if not version else _version("revision", known.history[script.id], version).id
        return rows.version(tx, number)[1]


def create(ctx: Context, actor: Actor, wish: Wish) -> int:
    """A new one; its id. Raises Forbidden, Invalid, Conflict when there are too many."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_SCRIPTS)
        rows.lock(tx)
        known = rows.every(tx)
        if wish.content is None:
            raise Invalid.field("script", "Missing; give the script itself.")
        metadata = _metadata(wish.content, wish.fields, None)
        _require_free(metadata.name, known)
        if len(known) >= MAX_SCRIPTS:
            raise Conflict(f"There are {MAX_SCRIPTS} scripts already; delete one first.")
        return rows.add(tx, metadata, wish.content, _comment(wish.comment), ctx.clock.now())


def update(ctx: Context, actor: Actor, specifier: str, wish: Wish) -> int:
    """Change what is given; machines have it from their next boot on. What it was stays in its history. Its id.

    Raises Forbidden, NotFound, Invalid."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_SCRIPTS)
        rows.lock(tx)
        known = _load(tx)
        script = known.one(specifier)
        before = rows.version(tx, script.version_id)[1]
        new = before if wish.content is None else wish.content
        metadata = _metadata(new, wish.fields, script.metadata)
        if wish.content is None and "tags" not in wish.fields:
            metadata = replace(metadata, tags=script.metadata.tags)
        _require_free(metadata.name, [each for each in known.scripts if each.id != script.id])
        if new != before or replace(metadata, tags=()) != replace(script.metadata, tags=()):
            comment = _comment(wish.comment)
            rows.renew(tx, script.id, metadata, new, comment, ctx.clock.now(), keep=MAX_VERSIONS)
        elif metadata != script.metadata:
            rows.update(tx, script.id, metadata, script.sha256)
        return script.id


def revert(ctx: Context, actor: Actor, specifier: str, to: str | None) -> int:
    """Let a script be again what it was: `to` is the id of an entry of its history, or a negative number of steps
    back. Its tags stay, and what it was meanwhile stays in the history. Its id.

    Raises Forbidden, NotFound, Invalid."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_SCRIPTS)
        rows.lock(tx)
        known = _load(tx)
        script = known.one(specifier)
        version = _version("to", known.history[script.id], to or "")
        was, old = rows.version(tx, version.id)
        metadata = replace(was, tags=script.metadata.tags)
        _require_free(metadata.name, [each for each in known.scripts if each.id != script.id])
        if version.id != script.version_id:
            comment = f"again as in version {version.id}"
            rows.renew(tx, script.id, metadata, old, comment, ctx.clock.now(), keep=MAX_VERSIONS)
        return script.id


def tag(ctx: Context, actor: Actor, specifier: str, word: str, *, there: bool) -> int:
    """Give a script a tag, or take it. Its id. Raises Forbidden, NotFound, Invalid."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_SCRIPTS)
        rows.lock(tx)
        script = _load(tx).one(specifier)
        others = [each for each in script.metadata.tags if each != word]
        try:
            tagged = script_metadata.with_tags(script.metadata, [*others, word] if there else others)
        except MetadataError as error:
            raise Invalid.field("tag", f"{error.problem}.") from error
        if set(tagged.tags) != set(script.metadata.tags):
            rows.update(tx, script.id, tagged, script.sha256)
        return script.id


def delete(ctx: Context, actor: Actor, specifier: str) -> None:
    """Remove one with its history; results stay. Raises Forbidden, NotFound, Conflict while a machine is to run it."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_SCRIPTS)
        rows.lock(tx)
        script = _load(tx).one(specifier)
        machines = rows.machines(tx, script.id)
        if machines:
            names = ", ".join(machines[:5])
            raise Conflict(f"Script {script.metadata.name} is run by {names}; wait, or abort that first (op=abort).")
        rows.delete(tx, script.id)


def chosen(tx: Transaction, choice: Choice) -> list[Chosen]:
    """What a machine runs that is commissioned, beside what it always does. Raises Invalid, BadRequest for too many."""
    known = _all(tx)
    return _bounded(
        [
            *_of_type("commissioning_scripts", "commissioning", choice.commissioning, known),
            *_of_type("testing_scripts", "testing", choice.testing, known),
        ]
    )


def tests(tx: Transaction, words: Sequence[str] | None) -> list[Chosen]:
    """What a machine runs that is tested: tests of those names and tags, without any those that run after each
    commissioning, and the region's own that are quick. Raises Invalid, BadRequest when that is none or too many."""
    known = _all(tx)
    found = _of_type("testing_scripts", "testing", words or None, known)
    if not words:
        found += [each for each in known if each.version_id is None and QUICK in each.metadata.tags]
    if not found:
        raise Invalid.field("testing_scripts", "None is no test; give names or tags of some, or leave this out.")
    return _bounded(found)


def _all(tx: Transaction) -> list[Chosen]:
    """All that were uploaded, and the region's own tests."""
    own = [Chosen(test.metadata, None, len(test.body)) for test in ephemeral.tests()]
    return own + [Chosen(each.metadata, each.version_id, each.size_bytes) for each in rows.every(tx)]


def _bounded(found: list[Chosen]) -> list[Chosen]:
    size_bytes = sum(script.size_bytes for script in found)
    if len(found) > MAX_BOOT_SCRIPTS or size_bytes > MAX_BOOT_BYTES:
        raise BadRequest(
            f"{len(found)} scripts with {size_bytes} bytes together would be run; at most {MAX_BOOT_SCRIPTS} "
            f"with {MAX_BOOT_BYTES} bytes can be: name fewer (commissioning_scripts, testing_scripts), or give some "
            f"the tag {NOT_BY_ITSELF}"
        )
    return found


def _of_type(parameter: str, kind: str, wanted: Sequence[str] | None, known: Sequence[Chosen]) -> list[Chosen]:
    ours = [script for script in known if script.metadata.script_type == kind]
    if not wanted:
        return [script for script in ours if _by_itself(script.metadata)]
    if list(wanted) == [NONE]:
        return []
    builtin = _own_names() if kind == "commissioning" else set()
    for word in wanted:
        if word not in builtin and not any(word == each.metadata.name or word in each.metadata.tags for each in ours):
            raise Invalid.field(
                parameter,
                f"No {kind} script is named or tagged {validation.shown(word)}; list them with GET scripts/, or give "
                f"{NONE} for none.",
            )
    return [each for each in ours if {each.metadata.name, *each.metadata.tags} & set(wanted)]


def _own_names() -> set[str]:
    return {script.name for script in ephemeral.script_index()} | {test.metadata.name for test in ephemeral.tests()}


def _by_itself(metadata: Metadata) -> bool:
    if metadata.destructive or NOT_BY_ITSELF in metadata.tags:
        return False
    return metadata.script_type == "commissioning" or WITH_COMMISSIONING in metadata.tags


def _load(tx: Transaction) -> Known:
    history: dict[int, list[Version]] = {}
    for version in rows.history(tx):
        history.setdefault(version.script_id, []).append(version)
    return Known(rows.every(tx), history)


def _metadata(text: bytes, fields: Mapping[str, Any], before: Metadata | None) -> Metadata:
    try:
        return script_metadata.read(text, fields, before)
    except MetadataError as error:
        raise Invalid.field(error.name, f"Script metadata: {error.problem}.") from error


def _require_free(name: str, others: Sequence[Script]) -> None:
    if name in _own_names():
        raise Invalid.field("name", f"Script {name} is one of this region's own; choose another name.")
    if any(script.metadata.name == name for script in others):
        raise Invalid.field("name", f"A script {name} exists already; change that one, or choose another name.")


def _comment(text: str) -> str:
    return validation.text("comment", text)


def _version(parameter: str, history: Sequence[Version], to: str) -> Version:
    """Of a history, the newest first."""
    steps = to.removeprefix("-")
    if not (steps.isascii() and steps.isdecimal() and len(steps) <= 18):
        raise Invalid.field(parameter, "Give the id of an entry of the history, or how many steps to go back (-1).")
    if to.startswith("-") and int(steps) < len(history):
        return history[int(steps)]
    for version in history:
        if str(version.id) == to:
            return version
    raise Invalid.field(parameter, f"The history has no {to}; it has {', '.join(str(each.id) for each in history)}.")
