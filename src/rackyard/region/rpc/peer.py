# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is at the other end, and whether it still is."""

from __future__ import annotations

import select
import socket
from typing import Any

from rackyard.region import client_certificate
from rackyard.region.errors import Forbidden

# The connection as gunicorn hands it over.
SOCKET_KEY = "gunicorn.socket"


def certificate_sha256(environ: dict[str, Any]) -> str:
    """SHA-256 (hex) of the caller's certificate. Raises Forbidden when the caller presented none."""
    sha256 = client_certificate.sha256_of(environ)
    if sha256 is None:
        raise Forbidden(
            "this call needs a rack's certificate and none was presented; "
            "enrol the rack with `rackyard-rack enroll`, or look at its files in /var/lib/rackyard/rack/identity"
        )
    return sha256


def hung_up(environ: dict[str, Any]) -> bool:
    """Whether the caller closed its connection while it waited (nginx then closes its own to us); what is sent to it
    then is lost without an error."""
    connection = environ.get(SOCKET_KEY)
    if connection is None:
        return False
    readable = select.poll()
    readable.register(connection, select.POLLIN)
    if not readable.poll(0):
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except OSError:
        return True
