# SPDX-License-Identifier: GPL-3.0-or-later
"""How PostgreSQL's types look in Python: addresses and MACs as text, bytea as bytes, dict as jsonb."""

from __future__ import annotations

from typing import Any

import psycopg2
import psycopg2.extensions as ext
from psycopg2.extras import Json

# Object ids from PostgreSQL's pg_type.dat; they are fixed for built-in types.
_BYTEA, _INET_ARRAY, _CIDR_ARRAY, _MACADDR_ARRAY = 17, 1041, 651, 1040


def _bytes(value: Any, cursor: Any) -> bytes | None:
    return None if value is None else bytes(psycopg2.BINARY(value, cursor))


_BYTES = ext.new_type((_BYTEA,), "RACKYARD_BYTES", _bytes)
_TEXTS = ext.new_array_type((_INET_ARRAY, _CIDR_ARRAY, _MACADDR_ARRAY), "RACKYARD_ADDRESSES", ext.UNICODE)

ext.register_adapter(dict, Json)


def register(connection: Any) -> None:
    """Teach one connection these types."""
    ext.register_type(_BYTES, connection)
    ext.register_type(_TEXTS, connection)
