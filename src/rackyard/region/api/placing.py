# SPDX-License-Identifier: GPL-3.0-or-later
"""What all operations have in common that put things in a zone."""

from __future__ import annotations

from rackyard.region.api.dispatch import Call
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.services.machines import groups

TAKES: Takes = {"nodes": Kind.WORDS, "zone": Kind.TEXT}


def set_zone(call: Call, *kinds: str) -> None:
    """Put what the request names as `nodes`, all of which are of these kinds, in its `zone`."""
    nodes, zone = call.params.words("nodes") or [], call.params.text("zone") or ""
    groups.set_zone(call.ctx, call.actor, nodes, zone, kinds)
