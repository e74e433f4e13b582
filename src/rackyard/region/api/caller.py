# SPDX-License-Identifier: GPL-3.0-or-later
"""From where an operator calls."""

from __future__ import annotations

from flask import Request


def address_of(request: Request) -> str:
    """The caller's address. The region's nginx overwrites what was sent, and believes only the gateways of its role."""
    return request.headers.get("X-Forwarded-For") or request.remote_addr or ""
