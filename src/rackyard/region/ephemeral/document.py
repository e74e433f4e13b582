# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a JSON document that a stranger wrote: limits first, then one checked field after the other."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

from rackyard_core import macs

SIZE_LIMIT_BYTES = 1 << 20
DEPTH_LIMIT = 16
TEXT_LIMIT = 256

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class FactsError(ValueError):
    """A commissioning result that cannot be taken over; names the script, the field and what is wrong."""

    def __init__(self, script: str, field: str, problem: str) -> None:
        super().__init__(f"{script}: {field}: {problem}" if field else f"{script}: {problem}")
        self.script = script
        self.field = field


def _depth(text: str) -> int:
    """Nesting depth, counted without recursion."""
    deepest = depth = 0
    for char in _STRINGS.sub("", text):
        if char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True, slots=True)
class Node:
    """A value inside a document, with the way to it for messages."""

    script: str
    path: str
    value: Any

    def fail(self, problem: str) -> NoReturn:
        """Raise FactsError for this value."""
        raise FactsError(self.script, self.path, problem)

    def _expect(self, kind: type, wording: str) -> Any:
        # bool is an int in Python, not in JSON
        if not isinstance(self.value, kind) or (kind is int and isinstance(self.value, bool)):
            self.fail(f"expected {wording}, got {_shown(self.value)}")
        return self.value

    def __getitem__(self, name: str) -> Node:
        """The field of an object; it must exist."""
        fields = self._expect(dict, "an object")
        path = f"{self.path}.{name}" if self.path else name
        if name not in fields:
            raise FactsError(self.script, path, "missing")
        return Node(self.script, path, fields[name])

    def has(self, name: str) -> bool:
        """Whether the object has the field, with another value than null."""
        return self._expect(dict, "an object").get(name) is not None

    def items(self, limit: int) -> list[Node]:
        """The elements of a list with at most ``limit`` of them."""
        elements = self._expect(list, "a list")
        if len(elements) > limit:
            self.fail(f"{len(elements)} entries, at most {limit} are accepted")
        return [Node(self.script, f"{self.path}[{n}]", element) for n, element in enumerate(elements)]

    def text(self, limit: int = TEXT_LIMIT) -> str:
        """A printable string, possibly empty."""
        text: str = self._expect(str, "a string")
        if len(text) > limit:
            self.fail(f"{len(text)} characters, at most {limit} are accepted")
        if not text.isprintable():
            self.fail(f"unprintable characters in {_shown(text)}")
        return text.strip()

    def matching(self, pattern: re.Pattern[str], wording: str) -> str:
        """A string of a grammar."""
        text = self.text()
        if not pattern.fullmatch(text):
            self.fail(f"not {wording}: {_shown(text)}")
        return text

    def one_of(self, *values: str) -> str:
        """One of a few words."""
        text = self.text()
        if text not in values:
            self.fail(f"expected one of {', '.join(values)}, got {_shown(text)}")
        return text

    def flag(self) -> bool:
        """True or false."""
        return bool(self._expect(bool, "true or false"))

    def integer(self, lowest: int, highest: int) -> int:
        """A whole number within a range."""
        number: int = self._expect(int, "a whole number")
        if not lowest <= number <= highest:
            self.fail(f"{_shown(number)} is not within {lowest} to {highest}")
        return number

    def mac(self) -> str:
        """The address of one Ethernet port: lower case with colons, neither zero nor multicast."""
        text = self.text()
        if not macs.is_normal(text):
            self.fail(f"not a MAC address (six pairs of hex digits in lower case with colons): {_shown(text)}")
        if not macs.is_unicast(text):
            self.fail(f"not the address of a single port: {text}")
        return text

    def _parsed(self, parse: Callable[[str], object], wording: str) -> str:
        text = self.text()
        try:
            return str(parse(text))
        except ValueError:
            self.fail(f"not {wording}: {_shown(text)}")

    def address(self) -> str:
        """An IP address."""
        return self._parsed(ipaddress.ip_address, "an IP address")

    def interface_address(self) -> str:
        """An IP address with the length of its prefix."""
        return self._parsed(ipaddress.ip_interface, "an IP address with a prefix length")

    def uuid(self) -> str:
        """A UUID."""
        return self._parsed(UUID, "a UUID")

    def or_empty(self, read: Callable[[], str]) -> str:
        """An empty string as it is, anything else as ``read`` wants it."""
        return "" if self.value == "" else read()


def parse_document(script: str, content: bytes) -> Node:
    """Return the JSON object in ``content``; raises FactsError when it is too large, too deep or not JSON."""
    if len(content) > SIZE_LIMIT_BYTES:
        raise FactsError(script, "", f"{len(content)} bytes, at most {SIZE_LIMIT_BYTES} are accepted")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FactsError(script, "", f"not UTF-8 at byte {error.start}") from error
    if (depth := _depth(text)) > DEPTH_LIMIT:
        raise FactsError(script, "", f"nested {depth} levels deep, at most {DEPTH_LIMIT} are accepted")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FactsError(script, "", f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise FactsError(script, "", f"expected an object, got {_shown(value)}")
    return Node(script, "", value)
