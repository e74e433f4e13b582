# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks for metadata: the machine's address and the rack it came through.

The region's nginx sets `X-Rackyard-Peer` to the address that connected to it (overwriting what was sent). Only when
that is an enrolled rack's does `X-Real-IP` count, which the rack's nginx sets to the machine's address."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from flask import Request

from rackyard.region.context import Context
from rackyard.region.db.racks import identity
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import Forbidden


@dataclass(frozen=True)
class Caller:
    """A machine's address and the rack that passed its request on."""

    address: str
    rack: Rack


def identify(ctx: Context, request: Request) -> Caller:
    """The caller. Raises Forbidden when the request did not come through an enrolled rack."""
    peer = _address(request.headers.get("X-Rackyard-Peer") or request.remote_addr)
    if peer is not None:
        with ctx.db.transaction() as tx:
            rack = identity.by_address(tx, peer)
        client = _address(request.headers.get("X-Real-IP"))
        if rack is not None and client is not None:
            return Caller(client, rack)
    raise Forbidden(f"metadata is given to machines through their racks only; {peer or 'this caller'} is not a rack")


def _address(text: str | None) -> str | None:
    try:
        return str(ip_address((text or "").strip()))
    except ValueError:
        return None
