# SPDX-License-Identifier: GPL-3.0-or-later
"""Public keys of OpenPGP in ASCII armour (RFC 9580 section 6.2), as apt takes them: whether a text is one."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

_BLOCK = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\n(?:[A-Za-z]+: [^\n]*\n)*\n?"
    r"(?P<body>(?:[A-Za-z0-9+/]+={0,2}\n)+)(?:=(?P<sum>[A-Za-z0-9+/]{4})\n)?-----END PGP PUBLIC KEY BLOCK-----"
)
_PUBLIC_KEY = 6
# Public key, its subkeys, names, pictures, and what others and its owner have signed of it.
_IN_A_KEY = frozenset({2, 6, 13, 14, 17})


def normal(text: str) -> str:
    """The armour with one line feed at the end of each line and nothing around it.

    Raises ValueError saying what it is instead of a public key."""
    lines = "\n".join(line.strip() for line in text.strip().splitlines())
    if "PRIVATE KEY" in lines:
        raise ValueError("it is a private key, which nobody but who signs packages may have")
    found = _BLOCK.fullmatch(lines)
    if found is None:
        raise ValueError("it does not go from BEGIN to END PGP PUBLIC KEY BLOCK with base64 between")
    try:
        content = base64.b64decode(found["body"].replace("\n", ""), validate=True)
    except ValueError:
        raise ValueError("what it has between BEGIN and END is no base64") from None
    if found["sum"] and base64.b64decode(found["sum"]) != _crc24(content).to_bytes(3, "big"):
        raise ValueError("its checksum is that of something else: a part of it is missing or was changed")
    tags = list(_tags(content))
    if not tags or tags[0] != _PUBLIC_KEY or not _IN_A_KEY.issuperset(tags):
        raise ValueError("what it has between BEGIN and END is no public key of OpenPGP")
    return lines


def _tags(content: bytes) -> Iterator[int]:
    """The types of packets (RFC 9580 section 4.2). Raises ValueError when they do not end where the content does."""
    place = 0
    while place < len(content):
        first = content[place]
        length, header = _new_length(content, place) if first & 0x40 else _old_length(content, place)
        place += header + length
        if not first & 0x80 or place > len(content):
            raise ValueError("what it has between BEGIN and END is cut off, or no OpenPGP")
        yield first & 0x3F if first & 0x40 else (first & 0x3C) >> 2


def _new_length(content: bytes, place: int) -> tuple[int, int]:
    one = int.from_bytes(content[place + 1 : place + 2], "big")
    if one < 192:
        return one, 2
    if one < 224:
        return ((one - 192) << 8) + int.from_bytes(content[place + 2 : place + 3], "big") + 192, 3
    # Partial lengths, below 255, are for data and not for keys.
    return (int.from_bytes(content[place + 2 : place + 6], "big"), 6) if one == 255 else (len(content), 2)


def _old_length(content: bytes, place: int) -> tuple[int, int]:
    octets = (1, 2, 4, 0)[content[place] & 3]
    if not octets:
        return len(content), 1
    return int.from_bytes(content[place + 1 : place + 1 + octets], "big"), 1 + octets


def _crc24(content: bytes) -> int:
    """RFC 4880 section 6.1."""
    crc = 0xB704CE
    for octet in content:
        crc ^= octet << 16
        for _bit in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc & 0xFFFFFF
