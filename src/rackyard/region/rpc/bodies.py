# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON bodies of racks, each read once: limits of size and depth, then its contract."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Request

from rackyard import contracts
from rackyard.region.errors import BadRequest, TooLarge
from rackyard.region.services.boots.evidence import Refusal

LIMIT_BYTES = 8 * 1024 * 1024
LIMIT_DEPTH = 16

T = TypeVar("T")


def read(request: Request, contract: str) -> dict[str, Any]:
    """The body, which fulfils the contract. Raises TooLarge or BadRequest, naming the field."""
    try:
        document: dict[str, Any] = contracts.read(contract, _json_object(request))
    except contracts.ContractError as error:
        raise BadRequest(str(error)) from None
    return document


def batch(
    request: Request, name: str, contract: str, shape: Callable[[Mapping[str, Any]], T]
) -> tuple[list[T], list[Refusal]]:
    """The items of a batch, each shaped, or refused by itself when it does not fulfil its own contract.

    Raises TooLarge or BadRequest when there is no such batch."""
    shaped, refused = [], []
    for index, item in enumerate(read(request, name)[name]):
        try:
            shaped.append(shape(contracts.read(contract, item)))
        except contracts.ContractError as error:
            key = item.get("key") if isinstance(item, dict) else None
            refused.append(Refusal(key if isinstance(key, str) else "", f"{name}[{index}]: {error.words}"))
    return shaped, refused


def _json_object(request: Request) -> dict[str, Any]:
    if (request.content_length or 0) > LIMIT_BYTES:
        raise TooLarge(f"the body has {request.content_length} bytes, the limit is {LIMIT_BYTES}; send smaller batches")
    if "Transfer-Encoding" in request.headers:
        # Werkzeug before 2.3 reads such a body to its end, wherever that is.
        raise BadRequest("the body comes in chunks, so its size is not known; send it with a Content-Length")
    data = request.get_data(cache=False)
    try:
        body = json.loads(data.decode(), parse_constant=_no_number)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON in UTF-8: {error}") from None
    except RecursionError:
        raise BadRequest(f"the body is nested deeper than {LIMIT_DEPTH} levels") from None
    if _too_deep(body):
        raise BadRequest(f"the body is nested deeper than {LIMIT_DEPTH} levels")
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return {name: _storable(value) for name, value in body.items()}


def _no_number(text: str) -> float:
    """NaN and Infinity are not JSON, and jsonb does not hold them."""
    raise ValueError(f"{text} is no number")


def _storable(value: Any) -> Any:
    """The value without what PostgreSQL cannot store: NUL and lone surrogates. Its depth is known to be small."""
    if isinstance(value, str):
        return value.replace("\x00", " ").encode(errors="replace").decode()
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(inner) for name, inner in value.items()}
    return value


def _too_deep(value: Any) -> bool:
    """Whether containers are nested deeper than the limit; level by level, so without recursion."""
    level = [value]
    for _level in range(LIMIT_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
