# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request says, whatever way it says it: urlencoded, multipart or JSON body, or query for reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from flask import Request

from rackyard.region.api import multipart
from rackyard.region.errors import BadRequest, Invalid, TooLarge

MAX_BODY_BYTES = 1024 * 1024
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_TRUE, _FALSE = frozenset({"true", "1", "on", "yes"}), frozenset({"false", "0", "off", "no", ""})


class Params:
    """Named values, each possibly given several times. Everything is text until asked for otherwise."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    @classmethod
    def of(cls, request: Request) -> Params:
        """From a Flask request. Raises BadRequest or TooLarge."""
        return cls(_storable(cls._values_of(request)))

    @classmethod
    def _values_of(cls, request: Request) -> dict[str, list[str]]:
        if request.method == "GET":
            return dict(request.args.lists())
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise TooLarge(f"The body has {request.content_length} bytes; the API takes at most {MAX_BODY_BYTES}.")
        if request.mimetype == "application/json":
            return _from_json(request.get_data())
        if request.content_length and request.mimetype not in _FORMS:
            kind = request.mimetype[:80] or "no type"
            raise BadRequest(f"A body of {kind} is not understood; send a form (urlencoded or multipart) or JSON.")
        if request.mimetype == "multipart/form-data":
            return multipart.values(request.get_data(), request.mimetype_params.get("boundary", ""))
        return dict(request.form.lists())

    def only(self, wanted: Callable[[str], bool]) -> Params:
        """Those whose names are wanted."""
        return Params({name: values for name, values in self._values.items() if wanted(name)})

    def names(self) -> list[str]:
        """What was given."""
        return list(self._values)

    def text(self, name: str) -> str | None:
        """The last value given, or None."""
        values = self._values.get(name)
        return values[-1] if values else None

    def texts(self, name: str) -> list[str] | None:
        """All values given, or None when the name was not mentioned at all."""
        values = self._values.get(name)
        return None if values is None else [value for value in values if value != ""]

    def words(self, name: str) -> list[str] | None:
        """All values, each of which may itself be a list parted by commas or spaces."""
        values = self.texts(name)
        return None if values is None else [word for value in values for word in value.replace(",", " ").split()]

    def flag(self, name: str) -> bool | None:
        """A yes or no, or None. Raises Invalid for anything else."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() in _TRUE:
            return True
        if value.lower() in _FALSE:
            return False
        raise Invalid.field(name, f"{value[:80]!r} is neither true nor false.")

    def integer(self, name: str) -> int | None:
        """A whole number, or None. Raises Invalid for anything else."""
        value = self.text(name)
        if value is None or value == "":
            return None
        if not (value.isascii() and value.isdecimal() and len(value) <= 18):
            raise Invalid.field(name, f"{value[:80]!r} is not a whole number.")
        return int(value)

    def prefixed(self, prefix: str) -> dict[str, str]:
        """Values whose name begins with `prefix`, by the rest of the name."""
        return {name.removeprefix(prefix): self.text(name) or "" for name in self._values if name.startswith(prefix)}


def json_object(text: str, what: str) -> dict[str, object]:
    """A JSON object. Raises BadRequest saying what is wrong with `what`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest(f"{what} is not valid JSON.") from None
    if not isinstance(value, dict):
        raise BadRequest(f"{what} must be a JSON object.")
    return value


def scalar_text(value: object) -> str:
    """How a JSON scalar would be written in a form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _storable(values: dict[str, list[str]]) -> dict[str, list[str]]:
    """PostgreSQL holds neither NUL nor halves of surrogate pairs."""
    for name, given in values.items():
        for text in (name, *given):
            if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
                raise BadRequest(f"The field {name[:80]!r} has a character that no text may have; leave it out.")
    return values


def _from_json(body: bytes) -> dict[str, list[str]]:
    try:
        document = json_object(body.decode("utf-8"), "The body") if body else {}
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8; send it as UTF-8.") from None
    values: dict[str, list[str]] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            values[name] = [json.dumps(value)]
        elif isinstance(value, list):
            values[name] = [scalar_text(item) for item in value]
        else:
            values[name] = [scalar_text(value)]
    return values
