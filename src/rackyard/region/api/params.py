# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request says, whatever way it says it: urlencoded, multipart or JSON body, or query for reads and removals."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from types import MappingProxyType

from flask import Request

from rackyard.region.api import multipart
from rackyard.region.errors import BadRequest, Invalid, TooLarge

MAX_BODY_BYTES = 1024 * 1024
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_TRUE, _FALSE = frozenset({"true", "1", "on", "yes"}), frozenset({"false", "0", "off", "no", ""})


class Kind(Enum):
    """How the text of a parameter is read."""

    TEXT = "text"
    TEXTS = "texts"
    WORDS = "words"
    FLAG = "true or false"
    INTEGER = "whole number"
    FILE = "bytes"
    # MAAS can change it and this region cannot (yet): `takes.hold` takes only what is so already.
    FIXED = "as it is"


# What a handler takes, by name; one that ends with * stands for all names that begin so.
Takes = Mapping[str, Kind]
NOTHING: Takes = MappingProxyType({})


def kind_in(takes: Takes, name: str) -> Kind | None:
    """How that parameter is read, None when it is not taken."""
    if name in takes:
        return takes[name]
    return next((kind for known, kind in takes.items() if known[-1] == "*" and name.startswith(known[:-1])), None)


class Params:
    """Named values, each possibly given several times, each of them text.

    What a handler gets of them is what it has said that it takes, read as it has said it: anything else is a fault of
    ours, and LookupError, for the description of the API would be wrong."""

    def __init__(self, values: Mapping[str, Sequence[str]], takes: Takes | None = None) -> None:
        self._values = values
        self._takes = takes

    @classmethod
    def of(cls, request: Request, max_bytes: int = MAX_BODY_BYTES, files: Collection[str] = ()) -> Params:
        """From a Flask request; `files` are the names of those that may be anything when they are parts of a form.
        Raises BadRequest or TooLarge."""
        binary = files if request.mimetype == "multipart/form-data" else ()
        return cls(_storable(cls._values_of(request, max_bytes, binary), binary))

    @classmethod
    def of_query(cls, request: Request) -> Params:
        """From a Flask request whose body is something else. Raises BadRequest."""
        return cls(_storable(dict(request.args.lists()), ()))

    @classmethod
    def _values_of(cls, request: Request, max_bytes: int, binary: Collection[str]) -> dict[str, list[str]]:
        if request.method == "GET" or (request.method == "DELETE" and not request.content_length):
            return dict(request.args.lists())
        if (request.content_length or 0) > max_bytes:
            raise TooLarge(f"The body has {request.content_length} bytes; at most {max_bytes} are taken here.")
        if request.mimetype == "application/json":
            return _from_json(request.get_data())
        if request.content_length and request.mimetype not in _FORMS:
            kind = request.mimetype[:80] or "no type"
            raise BadRequest(f"A body of {kind} is not understood; send a form (urlencoded or multipart) or JSON.")
        if request.mimetype == "multipart/form-data":
            return multipart.values(request.get_data(), request.mimetype_params.get("boundary", ""), binary)
        return dict(request.form.lists())

    def taken(self, takes: Takes) -> Params:
        """Those that a handler takes."""
        values = {name: values for name, values in self._values.items() if kind_in(takes, name)}
        return Params(values, takes)

    def names(self) -> list[str]:
        """What was given."""
        return list(self._values)

    def given(self, name: str) -> list[str]:
        """What was given by this name and says something, however it is to be read."""
        return [value for value in self._values.get(name, ()) if value != ""]

    def text(self, name: str) -> str | None:
        """The last value given, or None."""
        return self._last(name, Kind.TEXT)

    def texts(self, name: str) -> list[str] | None:
        """All values given, or None when the name was not mentioned at all."""
        return self._all(name, Kind.TEXTS)

    def words(self, name: str) -> list[str] | None:
        """All values, each of which may itself be a list parted by commas or spaces."""
        values = self._all(name, Kind.WORDS)
        return None if values is None else [word for value in values for word in value.replace(",", " ").split()]

    def flag(self, name: str) -> bool | None:
        """A yes or no, or None. Raises Invalid for anything else."""
        value = self._last(name, Kind.FLAG)
        if value is None:
            return None
        if value.lower() in _TRUE:
            return True
        if value.lower() in _FALSE:
            return False
        raise Invalid.field(name, f"{value[:80]!r} is neither true nor false.")

    def integer(self, name: str) -> int | None:
        """A whole number, or None. Raises Invalid for anything else."""
        value = self._last(name, Kind.INTEGER)
        if value is None or value == "":
            return None
        if not (value.isascii() and value.isdecimal() and len(value) <= 18):
            raise Invalid.field(name, f"{value[:80]!r} is not a whole number.")
        return int(value)

    def file(self, name: str) -> bytes | None:
        """What the part is, whatever it is, or None."""
        value = self._last(name, Kind.FILE)
        return None if value is None else value.encode("utf-8", "surrogateescape")

    def prefixed(self, prefix: str) -> dict[str, str]:
        """Texts whose name begins with `prefix`, by the rest of the name."""
        given = {name: self.text(name) or "" for name in self._values if name.startswith(prefix)}
        return {name.removeprefix(prefix): value for name, value in given.items()}

    def _all(self, name: str, kind: Kind) -> list[str] | None:
        if self._takes is not None and kind_in(self._takes, name) is not kind:
            raise LookupError(f"{name} is read as {kind.value}, which the handler has not said")
        return None if name not in self._values else self.given(name)

    def _last(self, name: str, kind: Kind) -> str | None:
        self._all(name, kind)
        values = self._values.get(name)
        return values[-1] if values else None


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


def _storable(values: dict[str, list[str]], binary: Collection[str]) -> dict[str, list[str]]:
    """PostgreSQL's texts hold neither NUL nor halves of surrogate pairs."""
    for name, given in values.items():
        for text in (name, *(() if name in binary else given)):
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
