# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAC addresses: the one place that reads what people, firmware and daemons write, and gives the form that we keep.

netaddr knows the notations. It is more lenient than we may be (``52:54:0:20:1:1`` and eleven digits are addresses to
it), and a forgotten digit must not become another machine: only twelve hexadecimal digits are an address here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeGuard

try:
    import netaddr

    NETADDR_ERROR = ""
except ImportError as missing:
    netaddr = None
    NETADDR_ERROR = str(missing)

_DIGITS = 12
_SEPARATORS = str.maketrans("", "", ":-.")
_SHOWN = 40


def normal(text: str) -> str:
    """A MAC address in lower case with colons, from any usual notation. Raises ValueError with the remedy."""
    if netaddr is None:
        raise ValueError(
            f"MAC addresses need the Python library netaddr ({NETADDR_ERROR}); install python3-netaddr, or "
            "netaddr with pip, for the Python that runs this"
        )
    word = text.strip()
    if len(word.translate(_SEPARATORS)) != _DIGITS or not word.isascii() or not netaddr.valid_mac(word):
        raise ValueError(
            f"MAC address '{text[:_SHOWN]}' is malformed; write six pairs of hexadecimal digits: 00:00:5e:00:53:01"
        )
    return str(netaddr.EUI(word, version=48, dialect=netaddr.mac_unix_expanded))


def of_octets(text: str) -> str:
    """As ``normal``, from octets that lack their leading zeros, as dhcpd writes them: 52:54:0:20:1:a."""
    return normal(":".join(octet.zfill(2) for octet in text.strip().split(":")))


def is_normal(value: object) -> TypeGuard[str]:
    """Whether a value is an address as ``normal`` writes it: what our own services and daemons exchange."""
    try:
        return isinstance(value, str) and normal(value) == value
    except ValueError:
        return False


def is_unicast(mac: str) -> bool:
    """Whether a normal address can be a NIC's own: neither all zeros nor a group's (IEEE 802: the first bit sent)."""
    return not int(mac[:2], 16) & 1 and mac != "00:00:00:00:00:00"
