# SPDX-License-Identifier: GPL-3.0-or-later
"""What racks and regions say to each other: one JSON schema per body, read by both sides.

`read(name, document)` gives the document back or raises ContractError in words. Differences from plain JSON Schema, so
that a schema means what it seems to: a pattern has to match the whole text, a format is checked, 1.0 is no integer, and
NaN is no number. The definitions of `common.json` may be referred to as `#/$defs/...` everywhere; the description of
what has a pattern or a format completes "must be ...".
Bodies are open: the other side may be of another release, and a field that the contract does not name is left unread.
Limits are kept by whoever sends: a rack cuts the words of a BMC or a checker, and a region refuses what is longer.
What a schema cannot say (that a time is not in the future, that a rack has an address in a subnet) is left to code.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from importlib import resources
from ipaddress import ip_address, ip_interface
from itertools import islice
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError, best_match

_COMMON = "common"
_REFERENCE = "#/$defs/"
_MAX_NAME = 80
# What is wrong first is enough to tell; a list of fifty thousand wrong items would take a second.
_MAX_ERRORS = 20
_FORMATS: dict[str, Callable[[str], object]] = {
    "date-time": datetime.fromisoformat,
    "ip-address": ip_address,
    "ip-interface": ip_interface,
}
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "text",
}
_PHRASES = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "minLength": "must be {} or more characters long",
    "maxLength": "must have at most {} characters",
    "maxItems": "must have at most {} items",
    "maxProperties": "must have at most {} fields",
}


class ContractError(ValueError):
    """A document that is not what both sides agreed on; ``words`` name the place, never the value."""

    def __init__(self, name: str, words: str) -> None:
        self.words = words
        super().__init__(f"{name}: {words}")


def names() -> list[str]:
    """The contracts that there are."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name[:-5] for file in files if file.name.endswith(".json") and file.name != f"{_COMMON}.json")


def read(name: str, document: Any) -> Any:
    """The document, which fulfils the contract. Raises ContractError."""
    error = best_match(islice(_validator(name).iter_errors(document), _MAX_ERRORS))
    if error is not None:
        raise ContractError(name, _words(error))
    return document


def schema(name: str) -> dict[str, Any]:
    """The schema of a contract, with the common definitions in the place of the references to them."""
    resolved: dict[str, Any] = _resolved(_load(name), _load(_COMMON)["$defs"])
    return resolved


def _resolved(part: Any, definitions: dict[str, Any]) -> Any:
    """Once, here: jsonschema would look each reference up for each document."""
    if isinstance(part, list):
        return [_resolved(each, definitions) for each in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return definitions[part["$ref"].removeprefix(_REFERENCE)]
    return {name: _resolved(each, definitions) for name, each in part.items()}


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not re.fullmatch(pattern, instance, re.DOTALL):
        yield ValidationError("pattern")


def _format(_validator: Any, name: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    try:
        if isinstance(instance, str):
            _FORMATS[name](instance)
    except ValueError:
        yield ValidationError("format")


def _is_integer(_checker: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_checker: Any, value: Any) -> bool:
    return _is_integer(_checker, value) or (isinstance(value, float) and math.isfinite(value))


_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    {"pattern": _pattern, "format": _format},
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    ),
)


@cache
def _validator(name: str) -> Any:
    return _Validator(schema(name))


def _load(name: str) -> dict[str, Any]:
    text = resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _words(error: ValidationError) -> str:
    """What is wrong and where. jsonschema's own messages quote the value, which may be a password."""
    where, rule, wish = _place(error), str(error.validator), error.validator_value
    if rule == "required":
        missing = [name for name in wish if name not in error.instance]
        return f"{where} lacks {', '.join(missing)}"
    if rule == "type":
        return f"{where} must be {' or '.join(_TYPES[name] for name in (wish if isinstance(wish, list) else [wish]))}"
    if rule == "enum":
        return f"{where} must be one of {', '.join('null' if value is None else str(value) for value in wish)}"
    if rule in ("pattern", "format") and "description" in error.schema:
        return f"{where} must be {error.schema['description']}"
    phrase = _PHRASES.get(rule)
    return f"{where} is malformed" if phrase is None else f"{where} {phrase.format(wish)}"


def _place(error: ValidationError) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:_MAX_NAME]}" for part in error.absolute_path)
    where = place.lstrip(".") or "it"
    return f"each name in {where}" if "propertyNames" in error.absolute_schema_path else where
