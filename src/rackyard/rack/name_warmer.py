# SPDX-License-Identifier: GPL-3.0-or-later
"""Has this rack's named know the names by which machines of its boots reach racks, before no region is left to ask.

named tells what it was once told for an hour after its time (`max-stale-ttl` of role dns), but nothing that nobody
asked for since it was started."""

from __future__ import annotations

from collections.abc import Iterable

import dns.exception
import dns.message
import dns.query
import dns.rcode

from rackyard.rack.log import log

_ADDRESS = "127.0.0.1"
# named itself waits 1.8 s for a region before it tells what it had.
_TIMEOUT_S = 3.0


class NameWarmer:
    """Asks as a machine does: for both kinds of addresses, since machines fail when one of the two has no answer."""

    def __init__(self, port: int = 53) -> None:
        self._port = port
        self._reason = ""

    def warm(self, names: Iterable[str]) -> None:
        """Ask for these names. What does not work is said once, and tried with the next call."""
        reason = ""
        for name in names:
            try:
                self._ask(name)
            except (OSError, dns.exception.DNSException) as error:
                reason = f"{name}: {error or type(error).__name__}"
                break  # named is busy or away, so the other names would cost as long
        if reason and reason != self._reason:
            log("warning", "name-not-known", reason=reason)
        self._reason = reason

    def _ask(self, name: str) -> None:
        for kind in ("A", "AAAA"):
            answer = dns.query.udp(dns.message.make_query(name, kind), _ADDRESS, timeout=_TIMEOUT_S, port=self._port)
            if answer.rcode() != dns.rcode.NOERROR:
                raise dns.exception.DNSException(f"this rack's named says {dns.rcode.to_text(answer.rcode())}")
