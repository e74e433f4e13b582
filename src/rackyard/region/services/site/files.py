# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that programs keep at the region, each for its account. They mean nothing here."""

from __future__ import annotations

import re

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import accounts as account_rows
from rackyard.region.db.site import files as rows
from rackyard.region.db.site import users as user_rows
from rackyard.region.db.site.accounts import Account
from rackyard.region.db.site.files import ListedFile, StoredFile
from rackyard.region.errors import Conflict, Invalid, NotFound, TooLarge
from rackyard.region.services.site import settings, validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

# It stands in URLs, and in a folder of whoever fetches it: no separators, and nothing that is hidden or leads upwards.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@=,-]{0,254}")
_KEY = re.compile(r"[A-Za-z0-9]{32}")
MAX_FILES = 1000
_MIB = 2**20


def list_own(ctx: Context, actor: Actor, prefix: str) -> list[ListedFile]:
    """The actor's files whose names begin so, by name. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        return [file for file in rows.of_account(tx, _own(tx, actor).id) if file.name.startswith(prefix)]


def read_own(ctx: Context, actor: Actor, name: str) -> StoredFile:
    """One of the actor's files. Raises Forbidden, NotFound, also for somebody else's."""
    with ctx.db.transaction() as tx:
        file = rows.find(tx, _own(tx, actor).id, name)
        if file is None:
            raise _missing(actor, name)
        return file


def read_by_key(ctx: Context, key: str) -> StoredFile:
    """Anybody's file, for whoever knows its key. Raises NotFound."""
    if _KEY.fullmatch(key):
        with ctx.db.transaction() as tx:
            file = rows.by_key(tx, key)
        if file is not None:
            return file
    raise NotFound("No file has this key; its owner finds it in anon_resource_uri (GET files/).")


def put_own(ctx: Context, actor: Actor, name: str, content: bytes) -> None:
    """Keep a file for the actor; one of the same name is replaced, and keeps its key.

    Raises Forbidden, NotFound; Invalid for a name that a file cannot have; TooLarge; Conflict when the actor's files
    would be too many or too large together."""
    if not _NAME.fullmatch(name):
        raise Invalid.field(
            "filename",
            f"{validation.shown(name)} cannot be the name of a file; use up to 255 letters, digits and . _ + @ = , - "
            "characters, and begin with a letter or a digit.",
        )
    with ctx.db.transaction() as tx:
        # One file of an account at a time: what they are together still holds at the commit.
        user_rows.lock(tx, actor.username)
        account = _own(tx, actor)
        most = int(settings.get(tx, "file_max_mib"))
        if len(content) > most * _MIB:
            raise TooLarge(f"{name} has {len(content)} bytes; a file has at most {most} MiB (setting file_max_mib).")
        others = [file for file in rows.of_account(tx, account.id) if file.name != name]
        together = int(settings.get(tx, "files_max_mib"))
        if sum(file.size_bytes for file in others) + len(content) > together * _MIB or len(others) >= MAX_FILES:
            raise Conflict(
                f"The files of {account.username} would be more than {together} MiB (setting files_max_mib) or more "
                f"than {MAX_FILES}; delete some first."
            )
        rows.put(tx, account.id, StoredFile(name, ctx.random.token(), content), ctx.clock.now())


def delete_own(ctx: Context, actor: Actor, name: str) -> None:
    """Remove one of the actor's files. Raises Forbidden, NotFound, also for somebody else's."""
    with ctx.db.transaction() as tx:
        account = _own(tx, actor)
        if not rows.delete(tx, account.id, name):
            raise _missing(actor, name)


def _own(tx: Transaction, actor: Actor) -> Account:
    account = account_rows.find(tx, actor.username)
    authorise(actor, Permission.MANAGE_FILES, account)
    if account is None:
        raise NotFound(f"{actor.name} has no account that could have files.")
    return account


def _missing(actor: Actor, name: str) -> NotFound:
    return NotFound(f"{actor.name} has no file {validation.shown(name)}; GET files/ lists them.")
