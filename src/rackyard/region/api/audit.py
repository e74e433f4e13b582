# SPDX-License-Identifier: GPL-3.0-or-later
"""`audit/`: who changed what, with the values before and after (not in MAAS, whose events have words only)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.params import Params
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.db.site.audit import EntryFilter
from rackyard.region.errors import Invalid
from rackyard.region.services.site import audit, audit_words, validation

DEFAULT_LIMIT = 100
_FILTER: Takes = {
    "actor": Kind.TEXTS,
    "object": Kind.TEXT,
    "name": Kind.TEXT,
    "action": Kind.TEXT,
    "source": Kind.TEXT,
    "id": Kind.TEXTS,
    "since": Kind.TEXT,
}

collection = Resource("/audit/", "Audit", "Who changed what.")


@collection.read(takes={**_FILTER, "before": Kind.INTEGER, "after": Kind.INTEGER, "limit": Kind.INTEGER})
def list_entries(call: Call) -> dict[str, Any]:
    """Entries of the audit trail, newest first: by actor, object (the kind) and its name, action, source, id (system_id
    of a machine or controller) and since; administrators see all, others what they did themselves.

    With `after` a page holds what comes next after that id: following next_uri leaves nothing out."""
    params = call.params
    limit = params.integer("limit")
    wanted = EntryFilter(
        actors=params.texts("actor"),
        object=params.text("object") or None,
        name=params.text("name") or None,
        action=params.text("action") or None,
        source=params.text("source") or None,
        nodes=params.texts("id"),
        since=_moment(params.text("since")),
        before=params.integer("before"),
        after=params.integer("after"),
        limit=DEFAULT_LIMIT if limit is None else limit,
    )
    entries = audit.query(call.ctx, call.actor, wanted)
    newest = entries[0].id if entries else wanted.after or 0
    oldest = entries[-1].id if entries else wanted.before or 0
    return {
        "count": len(entries),
        "entries": [audit_words.document(entry) for entry in entries],
        "next_uri": _page_uri(params, wanted.limit, after=newest),
        "prev_uri": _page_uri(params, wanted.limit, before=oldest),
    }


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid.field("since", f"{validation.shown(text)} is no date or time of ISO 8601.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _page_uri(params: Params, limit: int, **edge: int) -> str:
    kept = [(name, value) for name in _FILTER for value in params.given(name)]
    return f"{ROOT}/audit/?{urlencode([('limit', str(limit)), *kept, *edge.items()])}"
