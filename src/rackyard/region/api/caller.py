# SPDX-License-Identifier: GPL-3.0-or-later
"""From where an operator calls, and what for."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address

from flask import Request

from rackyard.region import deed
from rackyard.region.deed import Deed
from rackyard.region.services.site.authorisation import Actor

MAX_REQUEST = 300


def address_of(request: Request) -> str:
    """The caller's address. The region's nginx overwrites what was sent, and believes only the gateways of its role."""
    return request.headers.get("X-Forwarded-For") or request.remote_addr or ""


def deed_of(request: Request, actor: Actor, op: str | None, now: datetime) -> Deed:
    """What the audit trail says of a request: none of its parameters but `op`, for any of them may be a secret."""
    said = f"{request.method} {request.path}" + (f"?op={op}" if op else "")
    return Deed(actor.name, actor.account_id, deed.API, _plain(address_of(request)), said[:MAX_REQUEST], now)


def _plain(address: str) -> str:
    try:
        return str(ip_address(address.strip()))
    except ValueError:
        return ""
