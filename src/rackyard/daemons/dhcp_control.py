# SPDX-License-Identifier: GPL-3.0-or-later
"""A control connection (OMAPI) to the dhcpd on this host. Source: omapi(3), pypureomapi."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rackyard.daemons.model import Untold

if TYPE_CHECKING:
    import pypureomapi

_KEY = re.compile(r'key\s+"?([\w.-]+)"?\s*\{[^}]*\bsecret\s+"?([A-Za-z0-9+/=]+)"?\s*;', re.DOTALL)
_TIMEOUT_S = 5.0
_START_S = 5.0


@dataclass(frozen=True)
class Control:
    """Where dhcpd takes orders, and with which key."""

    key_file: Path = Path("/etc/dhcp/rackyard-omapi.key")
    port: int = 7911

    @contextmanager
    def link(self) -> Iterator[Any]:
        """A connection, closed at the end. Raises OSError, OmapiError, and Untold when there is no key."""
        connection = self._connect()
        try:
            yield connection
        finally:
            connection.close()

    def _connect(self) -> pypureomapi.Omapi:
        import pypureomapi  # only racks have it

        match = _KEY.search(self.key_file.read_text(encoding="ascii"))
        if match is None:
            raise Untold(f"{self.key_file} is no OMAPI key; remove it and restart isc-dhcp-server, which makes another")
        deadline = time.monotonic() + _START_S
        while True:
            try:
                return pypureomapi.Omapi(
                    "127.0.0.1", self.port, match[1].encode(), match[2].encode(), timeout=_TIMEOUT_S
                )
            except ConnectionRefusedError:
                # A dhcpd that has just been started listens a moment later.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


# The one that the role sets up.
OWN = Control()


def succeed(answer: Any, tolerated: int = 0) -> None:
    """Raises OmapiError with dhcpd's words unless it did what it was asked, or had done so before."""
    import pypureomapi

    if answer.opcode != pypureomapi.OMAPI_OP_STATUS:
        return
    fields = dict(answer.message)
    result = int.from_bytes(fields.get(b"result", b""), "big")
    if result not in (0, tolerated):
        raise pypureomapi.OmapiError(fields.get(b"message", b"").decode("ascii", "replace") or f"result {result}")
