# SPDX-License-Identifier: GPL-3.0-or-later
"""The little of BSON that MAAS's `op=details` needs: a document of byte strings (https://bsonspec.org/spec.html)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from flask import Response

MIMETYPE = "application/bson"
_BINARY, _NULL, _GENERIC = b"\x05", b"\x0a", b"\x00"


def document(values: Mapping[str, bytes | None]) -> bytes:
    """Each value as generic binary data, None as null."""
    elements = b"".join(_element(name.encode() + b"\x00", value) for name, value in values.items())
    return struct.pack("<i", len(elements) + 5) + elements + b"\x00"


def details(lshw: bytes | None) -> Response:
    """The answer of `op=details`. `lldp` is always null: what is heard of switches is at the machines' interfaces."""
    return Response(document({"lshw": lshw, "lldp": None}), mimetype=MIMETYPE)


def _element(name: bytes, value: bytes | None) -> bytes:
    if value is None:
        return _NULL + name
    return _BINARY + name + struct.pack("<i", len(value)) + _GENERIC + value
