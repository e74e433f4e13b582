# SPDX-License-Identifier: GPL-3.0-or-later
"""What our own side sends, held against its contract to the last field. Readers are more lenient (`contracts.read`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rackyard import contracts


def sent(name: str, document: Any) -> Any:
    """The document, which fulfils the contract and has no field that the contract does not name.

    Raises ContractError."""
    contracts.read(name, document)
    for place in _unnamed(contracts.schema(name), document, ""):
        raise contracts.ContractError(name, f"{place.lstrip('.')} is in no contract")
    return document


def _unnamed(schema: dict[str, Any], document: Any, place: str) -> Iterator[str]:
    if isinstance(document, list):
        for index, each in enumerate(document):
            yield from _unnamed(schema.get("items", {}), each, f"{place}[{index}]")
    # A schema that names no fields at all says nothing about them.
    if isinstance(document, dict) and ("properties" in schema or "additionalProperties" in schema):
        for field, value in document.items():
            within = schema.get("properties", {}).get(field, schema.get("additionalProperties"))
            if within is None:
                yield f"{place}.{field}"
            else:
                yield from _unnamed(within, value, f"{place}.{field}")
