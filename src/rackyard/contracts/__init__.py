# SPDX-License-Identifier: GPL-3.0-or-later
"""What racks and regions say to each other: one JSON schema per body, loaded by both sides.

`read(name, document)` gives the document back or raises ContractError in words. Differences from plain JSON Schema, so
that a schema means what it seems to: a pattern has to match the whole text, 1.0 is no integer, and NaN is no number.
What racks send is closed (an unknown field is refused); answers are open, as a region may be newer than its racks.
The definitions of `common.json` may be referred to as `#/$defs/…` everywhere. What a schema cannot say (that an address
exists, that a time is not in the future) is left to code.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError, best_match

_COMMON = "common"
_MAX_NAME = 80


class ContractError(ValueError):
    """A document that is not what both sides agreed on; the message names the place, never the value."""


def names() -> list[str]:
    """The contracts that there are."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name[:-5] for file in files if file.name.endswith(".json") and file.name != f"{_COMMON}.json")


def read(name: str, document: Any) -> Any:
    """The document, which fulfils the contract. Raises ContractError."""
    error = best_match(_validator(name).iter_errors(document))
    if error is not None:
        raise ContractError(f"{name}: {_words(error)}")
    return document


def schema(name: str) -> dict[str, Any]:
    """The schema of a contract, with the common definitions."""
    return {**_load(name), **_load(_COMMON)}


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not re.fullmatch(pattern, instance, re.DOTALL):
        yield ValidationError("pattern")


def _is_integer(_checker: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_checker: Any, value: Any) -> bool:
    return _is_integer(_checker, value) or (isinstance(value, float) and math.isfinite(value))


_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    {"pattern": _pattern},
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
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part[:_MAX_NAME]}" for part in error.absolute_path)
    where, rule, wish = place.lstrip(".") or "the body", str(error.validator), error.validator_value
    if rule == "required":
        missing = [name for name in wish if name not in error.instance]
        return f"{where} lacks {', '.join(missing)}"
    if rule == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = [str(name)[:_MAX_NAME] for name in error.instance if name not in known]
        return f"{where} has the unknown field {', '.join(unknown[:3])}"
    if rule == "type":
        return f"{where} must be {' or '.join(wish) if isinstance(wish, list) else wish}"
    if rule == "enum":
        return f"{where} must be one of {', '.join('null' if value is None else str(value) for value in wish)}"
    shown = {"minimum": "at least", "maximum": "at most", "minLength": "at least", "maxLength": "at most"}
    if rule in shown:
        return f"{where} must be {shown[rule]} {wish}{' characters long' if rule.endswith('Length') else ''}"
    if rule == "maxItems":
        return f"{where} must have at most {wish} items"
    return f"{where} is malformed"
