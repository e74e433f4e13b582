# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON bodies of racks: size and depth limits, and lists of objects shaped into dataclasses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, TypeVar

from flask import Request

from rackyard.region.errors import BadRequest, TooLarge
from rackyard.region.services.boots.answer import parse_mac
from rackyard.region.services.boots.evidence import DAEMONS, STEPS, Lease, Refusal, Sighting
from rackyard.region.services.power.handout import DEFAULT_SLOTS, MAX_SLOTS, Poll

LIMIT_BYTES = 8 * 1024 * 1024
LIMIT_DEPTH = 16
LIMIT_ITEMS = 5000
# Jobs of a rack, with those whose results wait in its spool after a long outage; as the contract has it.
LIMIT_HELD = 50_000
# What a clock can say that was set at least once. PostgreSQL and Python would take others until they add to them.
YEARS = range(2000, 2200)
_KEY = re.compile(r"[\x21-\x7e]{1,128}")

T = TypeVar("T")


def read(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Raises TooLarge or BadRequest, in words."""
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


def text(body: Mapping[str, Any], name: str, limit: int = 200) -> str:
    """A text field without control characters. Raises BadRequest."""
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > limit or "\x00" in value:
        raise BadRequest(f"{name} must be text of at most {limit} characters")
    return value


def items(body: Mapping[str, Any], name: str, shape: Callable[[Mapping[str, Any]], T]) -> list[T]:
    """A list of objects, each shaped. Raises BadRequest naming list and index."""
    values = body.get(name, [])
    if not isinstance(values, list) or len(values) > LIMIT_ITEMS:
        raise BadRequest(f"{name} must be a list of at most {LIMIT_ITEMS} objects")
    shaped = []
    for index, value in enumerate(values):
        if not isinstance(value, dict):
            raise BadRequest(f"{name}[{index}] must be an object")
        try:
            shaped.append(shape(value))
        except BadRequest as error:
            raise BadRequest(f"{name}[{index}]: {error.message}") from None
    return shaped


def judged(
    body: Mapping[str, Any], name: str, shape: Callable[[Mapping[str, Any]], T]
) -> tuple[list[T], list[Refusal]]:
    """A list of objects, each shaped or refused by itself. Raises BadRequest only when it is no such list."""
    values = body.get(name)
    if not isinstance(values, list) or len(values) > LIMIT_ITEMS:
        raise BadRequest(f"{name} must be a list of at most {LIMIT_ITEMS} objects")
    shaped, refused = [], []
    for index, value in enumerate(values):
        try:
            if not isinstance(value, dict):
                raise BadRequest("must be an object")
            shaped.append(shape(value))
        except BadRequest as error:
            key = value.get("key") if isinstance(value, dict) else None
            refused.append(Refusal(key[:128] if isinstance(key, str) else "", f"{name}[{index}]: {error.message}"))
    return shaped, refused


def number(body: Mapping[str, Any], name: str, most: int = 2**31 - 1) -> int:
    """A whole number from 0 to `most`. Raises BadRequest naming the field."""
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadRequest(f"{name} must be a whole number from 0 to {most}")
    return value


def poll(value: Mapping[str, Any]) -> Poll:
    """How an agent asks for work."""
    wait_s, slots, held = value.get("wait", 0), value.get("slots", DEFAULT_SLOTS), value.get("held", [])
    if not isinstance(wait_s, (int, float)) or isinstance(wait_s, bool) or not 0 <= wait_s <= 3600:
        raise BadRequest("wait must be a number of seconds")
    if not isinstance(slots, int) or isinstance(slots, bool) or not 0 <= slots <= MAX_SLOTS:
        raise BadRequest(f"slots must be a number from 0 to {MAX_SLOTS}")
    if not isinstance(held, list) or len(held) > LIMIT_HELD or not all(_is_id(each) for each in held):
        raise BadRequest(f"held must be a list of at most {LIMIT_HELD} job ids")
    return Poll(float(wait_s), slots, held)


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63


def lease(value: Mapping[str, Any]) -> Lease:
    """One lease event."""
    action = value.get("action")
    if action not in ("commit", "release", "expiry"):
        raise BadRequest("action must be commit, release or expiry")
    lease_s = number(value, "lease_s", 2**32) if "lease_s" in value else 0
    return Lease(_key(value), _moment(value), action, _address(value, "ip"), parse_mac(text(value, "mac")), lease_s)


def sighting(value: Mapping[str, Any]) -> Sighting:
    """One daemon log line."""
    kind, daemon = text(value, "type"), text(value, "daemon")
    if kind not in STEPS or daemon not in DAEMONS:
        raise BadRequest(f"type must be one of {', '.join(STEPS)} and daemon one of {', '.join(DAEMONS)}")
    mac = value.get("mac")
    return Sighting(
        key=_key(value),
        at=_moment(value),
        kind=kind,
        ip=_address(value, "ip") if value.get("ip") else None,
        mac=parse_mac(str(mac)) if mac else None,
        detail=text(value, "detail", 1000),
        daemon=daemon,
    )


def _key(value: Mapping[str, Any]) -> str:
    key = value.get("key")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise BadRequest("key must be 1 to 128 printable characters")
    return key


def _moment(value: Mapping[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(str(value.get("at")))
    except ValueError:
        raise BadRequest("at must be a time in ISO 8601") from None
    if moment.year not in YEARS:
        raise BadRequest(f"at must be a time in the years {YEARS.start} to {YEARS.stop - 1}; set the rack's clock")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _address(value: Mapping[str, Any], name: str) -> str:
    given = value.get(name)
    try:
        # A scope (fe80::1%eth0) means something on the rack only.
        return str(ip_address(given.partition("%")[0] if isinstance(given, str) else ""))
    except ValueError:
        raise BadRequest(f"{name} must be an IP address") from None


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
