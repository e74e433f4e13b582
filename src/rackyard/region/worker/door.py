# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a rack that calls a region would be heard."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterable

from rackyard.region.config import Config

TIMEOUT_S = 5.0


def is_open(config: Config) -> bool:
    """Whether this region's door is open."""
    return is_open_at(config, config.addresses[0], config.rpc_ports)


def is_open_at(config: Config, address: str, ports: Iterable[int]) -> bool:
    """Whether one of these RPC ports answers, nginx and the process behind it: who shows no certificate is refused."""
    tls = ssl.create_default_context(cafile=str(config.ca_cert))
    tls.check_hostname = False  # the address may be one that the certificate is yet to get
    return any(_answers(address, port, tls) for port in ports)


def _answers(address: str, port: int, tls: ssl.SSLContext) -> bool:
    connection = http.client.HTTPSConnection(address, port, timeout=TIMEOUT_S, context=tls)
    try:
        connection.request("GET", "/rpc/1/jobs")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
