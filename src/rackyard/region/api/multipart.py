# SPDX-License-Identifier: GPL-3.0-or-later
"""Forms in parts, also those whose parts are in base64, as Python's `email` writes them and python-libmaas and MAAS's
command line send them. Werkzeug's own form parser takes such a part for what it looks like.

Source: RFC 7578 (multipart/form-data), RFC 2045 section 6 (Content-Transfer-Encoding)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection

from werkzeug.datastructures import Headers
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from rackyard.region.errors import BadRequest

MAX_PARTS = 1000
# Those that say the bytes are as they are.
_PLAIN = frozenset({"", "7bit", "8bit", "binary"})


def values(body: bytes, boundary: str, binary: Collection[str] = ()) -> dict[str, list[str]]:
    """All parts by name, those with a filename as well. The `binary` ones may be no text: what is none in them is kept
    as halves of surrogate pairs (PEP 383). Raises BadRequest for what cannot be read."""
    mark = boundary.encode("latin-1", "replace")
    # Without fields, `email` writes one part that has not even a header.
    if not body.replace(b"--" + mark, b"").strip(b"- \t\r\n"):
        return {}
    if not mark:
        raise BadRequest("The Content-Type multipart/form-data names no boundary.")
    decoder = MultipartDecoder(mark)
    found: dict[str, list[str]] = {}
    name, headers, content, parts = "", Headers(), bytearray(), 0
    try:
        decoder.receive_data(body)
        decoder.receive_data(None)
        while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
            if isinstance(event, Field | File):
                name, headers, content, parts = event.name, event.headers, bytearray(), parts + 1
                if not name:
                    raise BadRequest("A part of the body has no name; name each field.")
                if parts > MAX_PARTS:
                    raise BadRequest(f"The body has more than {MAX_PARTS} parts; send fewer.")
            elif isinstance(event, Data):
                content += event.data
                if not event.more_data:
                    found.setdefault(name, []).append(_text(name, headers, bytes(content), name in binary))
    except ValueError:
        raise BadRequest("The body is no multipart/form-data with the boundary that its Content-Type names.") from None
    return found


def _text(name: str, headers: Headers, content: bytes, is_binary: bool) -> str:
    encoding = headers.get("Content-Transfer-Encoding", "").strip().lower()
    if encoding == "base64":
        try:
            content = base64.b64decode(b"".join(content.split()), validate=True)
        except binascii.Error:
            raise BadRequest(f"The field {name[:80]!r} is said to be base64 and is not.") from None
    elif encoding not in _PLAIN:
        raise BadRequest(f"The field {name[:80]!r} is in {encoding[:40]!r}; send it in base64 or as it is.")
    try:
        return content.decode("utf-8", "surrogateescape" if is_binary else "strict")
    except UnicodeDecodeError:
        raise BadRequest(f"The field {name[:80]!r} is not UTF-8; send it as UTF-8.") from None
