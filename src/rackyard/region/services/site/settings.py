# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the site: known names, checked values, defaults."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import BadRequest, Invalid
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise


@dataclass(frozen=True)
class Setting:
    """One setting: what it means, its default, and how its text becomes a value."""

    meaning: str
    default: Any
    parse: Callable[[str, str], Any]


def _seconds(low: int, high: int) -> Callable[[str, str], int]:
    return lambda name, text: validation.number(name, text, low, high)


def _count(low: int, high: int) -> Callable[[str, str], int]:
    return lambda name, text: validation.number(name, text, low, high)


def _words(name: str, text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:/=,+@ -]{0,1000}", text):
        raise Invalid.field(name, f"{validation.shown(text)} has a character that is not safe on a kernel line.")
    return text


KNOWN: Mapping[str, Setting] = {
    "commissioning_timeout_s": Setting(
        "a commissioning in which nothing happens for so long fails", 1200, _seconds(60, 86_400)
    ),
    "power_poll_s": Setting("time between two questions to the same BMC", 300, _seconds(30, 86_400)),
    "keep_events_days": Setting("events older than this are removed", 90, _count(1, 3650)),
    "keep_audit_days": Setting("entries of the audit trail older than this are removed", 400, _count(1, 3650)),
    "keep_jobs_days": Setting(
        "finished power jobs older than this are removed; questions after an hour", 30, _count(1, 3650)
    ),
    "keep_boots": Setting("boots kept of each machine, with their timelines and script results", 10, _count(1, 1000)),
    "keep_script_output": Setting("boots of each machine whose scripts' output is kept", 3, _count(1, 1000)),
    "keep_leases_days": Setting("leases that ended longer ago are removed", 30, _count(1, 3650)),
    "keep_receipts_days": Setting("how long a report of a rack that comes again is known to be old", 2, _count(1, 365)),
    "keep_tokens_days": Setting("enrolment tokens that expired longer ago are removed", 7, _count(1, 3650)),
    "file_max_mib": Setting("largest file that a program may keep here (files/)", 10, _count(1, 10)),
    "files_max_mib": Setting("what all files of an account may have together", 100, _count(1, 10_000)),
    "largest_upload_mib": Setting("largest image that may be uploaded, MiB", 8192, _count(1, 16_384)),
    "kernel_options": Setting("more words for the kernel line of the ephemeral system", "", _words),
}


def get(tx: Transaction, name: str) -> Any:
    """The value of a setting, or its default. Raises BadRequest for an unknown name."""
    known = _known(name)
    row = tx.one("site.settings.get", name=name)
    return known.default if row is None else row["value"]


def get_all(ctx: Context) -> dict[str, Any]:
    """Every setting with its value or default."""
    with ctx.db.transaction() as tx:
        stored = {row["name"]: row["value"] for row in tx.all("site.settings.all")}
    return {name: stored.get(name, setting.default) for name, setting in KNOWN.items()}


def pick(values: Mapping[str, Any], name: str) -> Any:
    """One of all settings. Raises BadRequest for an unknown name."""
    _known(name)
    return values[name]


def put(ctx: Context, actor: Actor, name: str, text: str) -> bool:
    """Set a value from its text; whether it changed. Raises Forbidden, BadRequest or Invalid."""
    value = _known(name).parse(name, text)
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_SETTINGS)
        return tx.run("site.settings.set", name=name, value={"value": value}) > 0


def differing(ctx: Context, wanted: Mapping[str, str]) -> dict[str, str]:
    """Those of the wanted settings, as text, that have another value. Raises BadRequest or Invalid."""
    parsed = {name: _known(name).parse(name, text) for name, text in wanted.items()}
    stored = get_all(ctx)
    return {name: wanted[name] for name, value in parsed.items() if stored[name] != value}


def _known(name: str) -> Setting:
    if name not in KNOWN:
        raise BadRequest(f"There is no setting {validation.shown(name)}; known are {', '.join(sorted(KNOWN))}.")
    return KNOWN[name]
