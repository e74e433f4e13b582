# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is at the other end of the TLS connection."""

from __future__ import annotations

import select
import ssl
from typing import Any

from rackyard.region.errors import Forbidden
from rackyard.region.services.racks.identity import fingerprint

# The connection as gunicorn hands it over.
SOCKET_KEY = "gunicorn.socket"


def certificate_sha256(environ: dict[str, Any]) -> str:
    """SHA-256 (hex) of the caller's certificate; TLS has checked that our CA signed it and that it is in date.

    Raises Forbidden when the caller presented none."""
    connection = environ.get(SOCKET_KEY)
    der = connection.getpeercert(binary_form=True) if isinstance(connection, ssl.SSLSocket) else None
    if not der:
        raise Forbidden(
            "this call needs a rack's certificate and none was presented; "
            "enrol the rack with `rackyard-rack enroll`, or look at its files in /var/lib/rackyard/rack/identity"
        )
    return fingerprint(der)


def hung_up(environ: dict[str, Any]) -> bool:
    """Whether the caller closed its connection while it waited; what is sent to it then is lost without an error."""
    connection = environ.get(SOCKET_KEY)
    if not isinstance(connection, ssl.SSLSocket):
        return False
    poller = select.poll()
    poller.register(connection, select.POLLRDHUP)
    return bool(poller.poll(0))
