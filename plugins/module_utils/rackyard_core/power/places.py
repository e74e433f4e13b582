# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a BMC is when its address is more than an IP address: host names and URIs (RFC 3986) in one normal form."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit, urlunsplit

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_URI_CHARACTERS = re.compile(r"[!-~]{1,2000}")
_PORTS = {"http": 80, "https": 443}


def host(text: str) -> str:
    """An IP address or a DNS name, in normal form. Raises ValueError saying what to write."""
    given = text.strip().lower()
    try:
        return str(ipaddress.ip_address(given))
    except ValueError:
        pass
    # What ends in a number is an address to resolvers, in whatever notation (127.1).
    if not _NAME.fullmatch(given) or given.rsplit(".", 1)[-1].isdigit() or given.rsplit(".", 1)[-1].startswith("0x"):
        raise ValueError("is no IP address and no host name; write one such as 192.0.2.141 or pve1.example.org")
    return given


def uri(text: str) -> str:
    """A URI of http or https with its scheme and host in normal form. Raises ValueError saying what to write.

    A user name in it is refused, because a URI is shown to people."""
    given = text.strip()
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not _URI_CHARACTERS.fullmatch(given) or parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("is no URI of http or https; write one such as https://192.0.2.141/power/on")
    if "@" in parts.netloc:
        raise ValueError("has a user name in it; give that as power_user and power_pass")
    name = host(parts.hostname)
    where = f"[{name}]" if ":" in name else name
    usual = port is None or port == _PORTS[parts.scheme]
    return urlunsplit((parts.scheme, where if usual else f"{where}:{port}", parts.path or "/", parts.query, ""))


def origin(normal_uri: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URI in normal form."""
    parts = urlsplit(normal_uri)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme]


def host_of(address: str) -> str:
    """The host of a BMC's address, whether that is a host or a URI."""
    return (urlsplit(address).hostname or address) if "://" in address else address
