# SPDX-License-Identifier: GPL-3.0-or-later
"""Strict grammar of everything that lands in a daemon's configuration.

The desired state comes from the region, which has it from operators and partly from machines: nothing is trusted here.
Every function takes the value and the words that name it, and raises Refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Any, NoReturn

from rackyard.daemons.model import Refused, Section
from rackyard_core import macs

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL}){{0,31}}")
_HOST_LABEL = re.compile(_LABEL)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_URL_PATH = re.compile(r"(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,127}){1,12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _refuse(what: str, value: object, expected: str) -> NoReturn:
    raise Refused(f"{what}: {str(value)[:80]!r} is not {expected}; correct it in the region")


def _matching(pattern: re.Pattern[str], value: Any, what: str, expected: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        _refuse(what, value, expected)
    return value


def address(value: Any, what: str) -> Address:
    """An IP address without zone or prefix."""
    if not isinstance(value, str) or "%" in value:
        _refuse(what, value, "an IP address")
    try:
        return ip_address(value)
    except ValueError:
        _refuse(what, value, "an IP address")


def address4(value: Any, what: str) -> IPv4Address:
    """An IPv4 address."""
    found = address(value, what)
    if not isinstance(found, IPv4Address):
        _refuse(what, value, "an IPv4 address")
    return found


def address6(value: Any, what: str) -> IPv6Address:
    """An IPv6 address."""
    found = address(value, what)
    if not isinstance(found, IPv6Address):
        _refuse(what, value, "an IPv6 address")
    return found


def network(value: Any, what: str) -> Network:
    """A network in CIDR form without host bits; a plain address is a network of one."""
    if not isinstance(value, str) or "%" in value:
        _refuse(what, value, "a network in CIDR form")
    try:
        return ip_network(value)
    except ValueError:
        _refuse(what, value, "a network in CIDR form")


def network4(value: Any, what: str) -> IPv4Network:
    """An IPv4 network in CIDR form."""
    found = network(value, what)
    if not isinstance(found, IPv4Network):
        _refuse(what, value, "an IPv4 network")
    return found


def network6(value: Any, what: str) -> IPv6Network:
    """An IPv6 network in CIDR form."""
    found = network(value, what)
    if not isinstance(found, IPv6Network):
        _refuse(what, value, "an IPv6 network")
    return found


def number(value: Any, low: int, high: int, what: str) -> int:
    """A whole number in a range, ends included."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        _refuse(what, value, f"a whole number from {low} to {high}")
    return value


def port(value: Any, what: str) -> int:
    """A TCP or UDP port."""
    return number(value, 1, 65535, what)


def domain(value: Any, what: str) -> str:
    """A DNS domain in lower case without the final dot."""
    found = _matching(_DOMAIN, value, what, "a domain name in lower case")
    if len(found) > 253:
        _refuse(what, value, "a domain name of at most 253 characters")
    return found


def name(value: Any, what: str) -> str:
    """A name made by the region: lower case letters, digits, dashes."""
    return _matching(_NAME, value, what, "a name of lower-case letters, digits and dashes")


def interface(value: Any, what: str) -> str:
    """A network interface of this host."""
    return _matching(_INTERFACE, value, what, "the name of an interface")


def label(value: Any, what: str) -> str:
    """A host name without domain, in lower case."""
    return _matching(_HOST_LABEL, value, what, "a host name in lower case without domain")


def mac(value: Any, what: str) -> str:
    """An Ethernet address in lower case with colons."""
    if not macs.is_normal(value):
        _refuse(what, value, "an Ethernet address in lower case with colons")
    return value


def file_name(value: Any, what: str) -> str:
    """A plain file name: no slash, no leading dot."""
    return _matching(_FILE, value, what, "a plain file name")


def url_path(value: Any, what: str) -> str:
    """An absolute URL path of plain segments."""
    return _matching(_URL_PATH, value, what, "a plain absolute URL path")


def sha256(value: Any, what: str) -> str:
    """A SHA-256 in lower-case hex."""
    return _matching(_SHA256, value, what, "a SHA-256 in lower-case hex")


def items(section: Section, key: str, what: str, limit: int = 4096) -> Sequence[Any]:
    """A list under ``key``; a missing one is empty."""
    found = section.get(key, [])
    if not isinstance(found, list) or len(found) > limit:
        _refuse(f"{what}.{key}", type(found).__name__, f"a list of at most {limit} entries")
    return found


def mappings(section: Section, key: str, what: str) -> Sequence[Section]:
    """A list of objects under ``key``."""
    found = items(section, key, what)
    for entry in found:
        if not isinstance(entry, dict):
            _refuse(f"{what}.{key}", entry, "a list of objects")
    return found


def mapping(value: Any, what: str) -> Section:
    """An object."""
    if not isinstance(value, dict):
        _refuse(what, value, "an object")
    return value


def one_of(value: Any, choices: Sequence[str], what: str) -> str:
    """One of a few words."""
    if value not in choices:
        _refuse(what, value, f"one of {', '.join(choices)}")
    return str(value)


def addresses(section: Section, key: str, what: str) -> list[Address]:
    """Addresses under ``key`` in the order given (it may be a preference), each once."""
    return list(dict.fromkeys(address(value, f"{what}.{key}") for value in items(section, key, what)))


def addresses4(section: Section, key: str, what: str) -> list[IPv4Address]:
    """IPv4 addresses under ``key`` in the order given, each once."""
    return list(dict.fromkeys(address4(value, f"{what}.{key}") for value in items(section, key, what)))


def addresses6(section: Section, key: str, what: str) -> list[IPv6Address]:
    """IPv6 addresses under ``key`` in the order given, each once."""
    return list(dict.fromkeys(address6(value, f"{what}.{key}") for value in items(section, key, what)))


def networks(section: Section, key: str, what: str) -> list[Network]:
    """Networks under ``key``, merged and sorted, IPv4 first: overlapping entries make squid complain."""
    found = [network(value, f"{what}.{key}") for value in items(section, key, what)]
    v4 = collapse_addresses(sorted(entry for entry in found if isinstance(entry, IPv4Network)))
    v6 = collapse_addresses(sorted(entry for entry in found if isinstance(entry, IPv6Network)))
    return [*v4, *v6]


def endpoints(section: Section, key: str, what: str) -> list[tuple[Address, int]]:
    """``{"address", "port"}`` objects under ``key``, sorted, each once."""
    found = {
        (address(entry.get("address"), f"{what}.{key}.address"), port(entry.get("port"), f"{what}.{key}.port"))
        for entry in mappings(section, key, what)
    }
    return sorted(found, key=lambda endpoint: (endpoint[0].version, int(endpoint[0]), endpoint[1]))


def host_in_url(value: Address) -> str:
    """An address as it stands in a URL or before a port."""
    return f"[{value}]" if value.version == 6 else str(value)


def joined(values: Iterable[object], separator: str = ", ") -> str:
    """Values as text with a separator."""
    return separator.join(str(value) for value in values)
