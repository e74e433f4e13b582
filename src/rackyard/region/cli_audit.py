# SPDX-License-Identifier: GPL-3.0-or-later
"""Command `rackyard-region audit`, and what the audit trail says of the other commands."""

from __future__ import annotations

import argparse
import json
import os
import pwd
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rackyard.region import deed
from rackyard.region.context import Context
from rackyard.region.db.site.audit import Entry, EntryFilter
from rackyard.region.deed import Deed
from rackyard.region.services.site import audit, audit_words
from rackyard.region.services.site.authorisation import COMMAND_LINE

_LOOK_S = 2.0
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Command = Callable[[str, Callable[[Context, argparse.Namespace], None], str], argparse.ArgumentParser]


def deed_of(ctx: Context, said: str) -> Deed:
    """A command is the deed of whoever ran it on this host, by the words that name it: its arguments may be secret."""
    return Deed(_user(), None, deed.CLI, ctx.config.name, said, ctx.clock.now())


def add(command: Command) -> None:
    """Add it to the program."""
    trail = command("audit", _audit, "who changed what, the latest last; with --json a line of JSON for each")
    trail.add_argument("--since", type=_span, metavar="TIME", help="all of the last 30m, 12h, 1d, 2w; or since a date")
    trail.add_argument("--user", help="what this account, or this user of a region host, did")
    trail.add_argument("--object", metavar="KIND[:NAME]", help="what was done to machine:node1, to any subnet, …")
    trail.add_argument("--limit", type=int, default=100, help="without --since, the latest so many (default 100)")
    trail.add_argument("--follow", action="store_true", help="go on with what is done from now on, until interrupted")


def _audit(ctx: Context, arguments: argparse.Namespace) -> None:
    kind, _colon, name = (arguments.object or "").partition(":")
    since = ctx.clock.now() - arguments.since if isinstance(arguments.since, timedelta) else arguments.since
    wanted = EntryFilter(
        actors=[arguments.user] if arguments.user else None, object=kind or None, name=name or None, since=since
    )
    try:
        for entry in _entries(ctx, wanted, arguments.limit, follow=arguments.follow):
            print(json.dumps(audit_words.document(entry)) if arguments.json else _line(entry), flush=True)
    except KeyboardInterrupt:
        return


def _entries(ctx: Context, wanted: EntryFilter, limit: int, *, follow: bool) -> Iterator[Entry]:
    """The oldest first."""
    last = 0
    if wanted.since is None:
        for entry in reversed(audit.query(ctx, COMMAND_LINE, replace(wanted, limit=limit))):
            yield entry
            last = entry.id
    while follow or wanted.since is not None:
        page = audit.query(ctx, COMMAND_LINE, replace(wanted, after=last, limit=audit.MAX_ENTRIES))
        for entry in reversed(page):
            yield entry
            last = entry.id
        if not page and not follow:
            return
        if not page:
            time.sleep(_LOOK_S)


def _line(entry: Entry) -> str:
    place = " ".join(word for word in (entry.source, entry.address) if word)
    return f"{entry.at.astimezone(UTC):%Y-%m-%d %H:%M:%SZ} {entry.actor or '-'} ({place}) {audit_words.sentence(entry)}"


def _span(text: str) -> timedelta | datetime:
    """A time until now, or a moment; without a zone it is UTC."""
    if match := re.fullmatch(r"(\d{1,5})([mhdw])", text):
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a time such as 12h nor a date") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _user() -> str:
    """Who is behind sudo, else who runs it. Root can say what it likes here, and could change the table as well."""
    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
