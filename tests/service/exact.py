# SPDX-License-Identifier: GPL-3.0-or-later
"""What our own side sends, held against its contract to the last field. Readers are more lenient (`contracts.read`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rackyard import contracts

# Calls whose answers have a contract; the others say nothing.
ANSWERS = {
    "boot-config": "boot-config-answer",
    "boot-metadata": "boot-metadata-answer",
    "boots": "boots-answer",
    "desired": "desired-answer",
    "enroll": "enroll-answer",
    "events": "batch-answer",
    "jobs": "jobs-answer",
    "leases": "batch-answer",
    "register": "register-answer",
    "renew": "renew-answer",
}


def answered(path: str, body: Any) -> None:
    """The answer of a region to a call below `/rpc/1/`, held against its contract. Raises ContractError."""
    call = path.partition("?")[0]
    if call in ANSWERS:
        sent(ANSWERS[call], body)
    for job in body["jobs"] if call == "jobs" else ():
        sent("job", job)
    for check in body.get("checks", []) if call == "jobs" else ():
        sent("dhcp-check", check)


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
