# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks for metadata: the machine's address and the rack it came through.

A rack's nginx shows the rack's certificate, which the region's nginx hands on. Racks of the release before come without
one: the region's nginx sets `X-Rackyard-Peer` to the address that connected to it (overwriting what was sent), and that
must be an enrolled rack's. Only then does `X-Real-IP` count, which the rack's nginx sets to the machine's address."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from flask import Request

from rackyard.region import client_certificate
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
    client = _address(request.headers.get("X-Real-IP"))
    sha256 = client_certificate.sha256_of(request.environ)
    with ctx.db.transaction() as tx:
        if sha256 is not None:
            rack = identity.by_certificate(tx, sha256)
        else:
            rack = identity.by_address(tx, peer) if peer is not None else None
    if rack is not None and rack.revoked_at is None and client is not None:
        return Caller(client, rack)
    raise Forbidden(f"metadata is given to machines through their racks only; {peer or 'this caller'} is not a rack")


def _address(text: str | None) -> str | None:
    try:
        return str(ip_address((text or "").strip()))
    except ValueError:
        return None
