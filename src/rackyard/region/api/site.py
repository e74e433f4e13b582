# SPDX-License-Identifier: GPL-3.0-or-later
"""`version/` and `events/`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import Response, jsonify

import rackyard
from rackyard.region.api import shapes
from rackyard.region.api.dispatch import Call, OpenResource, Resource
from rackyard.region.api.params import Params
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.db.site.events import EventFilter
from rackyard.region.services.site import events, validation

DEFAULT_LIMIT = 100
_EVENT_FILTER: Takes = {
    "id": Kind.TEXTS,
    "hostname": Kind.TEXTS,
    "mac_address": Kind.TEXTS,
    "owner": Kind.TEXTS,
    "level": Kind.TEXT,
}
# The API level that clients look for; ours stands in `rackyard_version`.
MAAS_API_VERSION = "3.4.0"

version = OpenResource("/version/", "Version", "What this region is and can do; it needs no key.")
event_collection = Resource("/events/", "Events", "What has happened.")


@version.read()
def show_version() -> Response:
    """What this region can do, in MAAS's words."""
    return jsonify(
        capabilities=[
            "networks-management",
            "static-ipaddresses",
            "devices-management",
            "authenticate-api",
        ],
        version=MAAS_API_VERSION,
        subversion="",
        rackyard_version=rackyard.__version__,
    )


@event_collection.read(
    "query", takes={**_EVENT_FILTER, "before": Kind.INTEGER, "after": Kind.INTEGER, "limit": Kind.INTEGER}
)
def query_events(call: Call) -> dict[str, Any]:
    """Events by hostname, mac_address, id, owner and level, in pages that show the newest first.

    Level AUDIT is what people did, and nothing else: to others than administrators only what they did themselves.
    With `after` a page holds what comes next after that id: following next_uri leaves nothing out."""
    params = call.params
    wanted = _event_filter(params)
    page = events.query(call.ctx, call.actor, wanted)
    newest = page.events[0].id if page.events else 0
    oldest = page.events[-1].id if page.events else wanted.before or 0
    return {
        "count": len(page.events),
        "events": [shapes.event(known) for known in page.events],
        "next_uri": _page_uri(params, wanted.limit, after=newest if page.reached is None else page.reached),
        "prev_uri": _page_uri(params, wanted.limit, before=oldest),
    }


def _event_filter(params: Params) -> EventFilter:
    macs, level = params.texts("mac_address"), params.text("level")
    limit = params.integer("limit")
    return EventFilter(
        system_ids=params.texts("id"),
        hostnames=params.texts("hostname"),
        macs=None if macs is None else [validation.mac("mac_address", mac) for mac in macs],
        usernames=params.texts("owner"),
        level=events.level_number(level) if level else 20,
        before=params.integer("before"),
        after=params.integer("after"),
        limit=DEFAULT_LIMIT if limit is None else limit,
    )


def _page_uri(params: Params, limit: int, **edge: int) -> str:
    kept = [("op", "query"), ("limit", str(limit))]
    for name in _EVENT_FILTER:
        kept += [(name, value) for value in params.given(name)]
    return f"{ROOT}/events/?{urlencode(kept + [(name, str(value)) for name, value in edge.items()])}"
