# SPDX-License-Identifier: GPL-3.0-or-later
"""What a script says of itself: YAML in a comment between two lines, or the same fields given beside it.

Format: MAAS's script metadata 1.0."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, NoReturn

import yaml

MAX_SCRIPT_BYTES = 256 * 1024
MAX_BLOCK_BYTES = 16 * 1024
MAX_TEXT, MAX_WORDS = 1024, 32
MAX_TIMEOUT_S = 7 * 24 * 3600
START, END = "--- Start MAAS 1.0 script metadata ---", "--- End MAAS 1.0 script metadata ---"
# In MAAS's order, which are also its numbers; its type 1 is none of scripts that are uploaded.
TYPES: Mapping[str, int] = {"commissioning": 0, "testing": 2}
HARDWARE_TYPES: Mapping[str, int] = {"node": 0, "cpu": 1, "memory": 2, "storage": 3, "network": 4, "gpu": 5}
PARALLEL: Mapping[str, int] = {"disabled": 0, "instance": 1, "any": 2}
# By the type of a parameter: the words that stand for it unless `argument_format` says others, and what may be in them.
DEVICES = ("storage", "interface")
_ARGUMENTS: Mapping[str, str] = {
    "storage": "--storage={path}",
    "interface": "--interface={name}",
    "runtime": "--runtime={input}",
    "url": "--url={input}",
}
_SLOTS: Mapping[str, frozenset[str]] = {
    "storage": frozenset({"name", "path", "model", "serial"}),
    "interface": frozenset({"name", "mac_address"}),
    "runtime": frozenset({"input"}),
    "url": frozenset({"input"}),
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{0,100}", re.ASCII)
_CLOCK = re.compile(r"(\d{1,3}):([0-5]?\d):([0-5]?\d)", re.ASCII)
_URL = re.compile(r"https?://[!-~]{1,500}", re.ASCII)
_HARDWARE = re.compile(
    r"modalias:[!-~]{1,200}|(?:pci|usb):[0-9a-fA-F]{4}:[0-9a-fA-F]{4}"
    r"|(?:system|mainboard)_(?:vendor|product|version):[ -~]{1,200}",
    re.ASCII,
)
_SLOT = re.compile(r"\{([^{}]*)\}")


class MetadataError(ValueError):
    """What a script says of itself cannot be used: the field, and why."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


@dataclass(frozen=True)
class Metadata:
    """What a script is, and how it is run.

    `parameters` have by name their `type`, their value (`default`) and the words that stand for it (`arguments`)."""

    name: str = ""
    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    script_type: str = "testing"
    hardware_type: str = "node"
    parallel: str = "disabled"
    timeout: int = 3600
    packages: Mapping[str, list[str]] = field(default_factory=dict)
    parameters: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    results: Mapping[str, dict[str, str]] = field(default_factory=dict)
    for_hardware: tuple[str, ...] = ()
    may_reboot: bool = False
    recommission: bool = False
    destructive: bool = False
    apply_configured_networking: bool = False

    @property
    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Metadata:
        """What `plain` gave."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
        }
        return cls(**values)


def read(content: bytes, given: Mapping[str, Any], before: Metadata | None = None) -> Metadata:
    """What is said in the script, what is `given` beside it, and of the rest what was `before`.

    Raises MetadataError; also where something is given that the script itself says otherwise."""
    said = {name: _parsed(name, value) for name, value in block(content).items()}
    wished = {name: _parsed(name, value) for name, value in given.items()}
    for name, value in wished.items():
        if name in said and said[name] != value:
            raise MetadataError(name, "the metadata in the script says otherwise; change it there, or leave this out")
    known = replace(before or Metadata(), **said, **{name: wished[name] for name in wished.keys() - said.keys()})
    if not known.name:
        raise MetadataError("name", "missing; give it, or say it in the script's metadata")
    for flag in ("may_reboot", "apply_configured_networking"):
        if getattr(known, flag):
            raise MetadataError(flag, "not supported by this region yet; leave it out")
    return known


def with_tags(known: Metadata, tags: Sequence[str]) -> Metadata:
    """The same with these tags. Raises MetadataError."""
    return replace(known, tags=_parsed("tags", list(tags)))


def block(content: bytes) -> dict[str, Any]:
    """The fields between the two lines, none when they are not there. Raises MetadataError."""
    if not content.strip():
        raise MetadataError("script", "it is empty")
    if len(content) > MAX_SCRIPT_BYTES:
        raise MetadataError("script", f"{len(content)} bytes, at most {MAX_SCRIPT_BYTES} are accepted")
    if not content.startswith(b"#!/"):
        raise MetadataError("script", "its first line must name what runs it, as in #!/bin/sh or #!/usr/bin/python3")
    lines = _block_lines(content.decode("utf-8", "replace").splitlines())
    text = "\n".join(lines)
    if len(text.encode()) > MAX_BLOCK_BYTES:
        raise MetadataError("script", f"its metadata have more than {MAX_BLOCK_BYTES} bytes")
    try:
        found = _Loader(text).get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # The first line of a parser's words, without what was in the script.
        where = getattr(error, "problem_mark", None)
        line = f" near line {where.line + 1} of them" if where else ""
        raise MetadataError("script", f"its metadata are not YAML, or use aliases{line}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise MetadataError("script", "its metadata must be fields with values")
    return {str(name): value for name, value in found.items() if name != "comment"}


def _block_lines(lines: list[str]) -> list[str]:
    starts = [number for number, line in enumerate(lines) if line.rstrip().endswith(START)]
    ends = [number for number, line in enumerate(lines) if line.rstrip().endswith(END)]
    if not starts and not ends:
        return []
    if len(starts) != 1 or len(ends) != 1 or starts[0] > ends[0]:
        raise MetadataError("script", f"the lines {START!r} and {END!r} must be there once each, in this order")
    prefix = lines[starts[0]].rstrip().removesuffix(START)
    inside = lines[starts[0] + 1 : ends[0]]
    for line in inside:
        if line.strip() and not line.startswith(prefix.rstrip()):
            raise MetadataError("script", f"a line of its metadata does not begin with {prefix.strip()!r}")
    return [line.removeprefix(prefix) if line.startswith(prefix) else "" for line in inside]


class _Loader(yaml.SafeLoader):
    """Aliases make a document larger than its text, so there are none."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not taken")
        return super().compose_node(parent, index)


def _parsed(name: str, value: Any) -> Any:
    parse = _PARSERS.get(name)
    if parse is None:
        raise MetadataError(name[:64], f"unknown; known are {', '.join(_PARSERS)}")
    return parse(name, value)


def _fail(name: str, problem: str) -> NoReturn:
    raise MetadataError(name, problem)


def _shown(value: object) -> str:
    return repr(value)[:60]


def _name(name: str, value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value) or value.isdecimal() or value == "none":
        _fail(name, f"{_shown(value)} cannot be a name; use up to 64 letters, digits and . _ -, not digits alone")
    return str(value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.replace("\n", " ").isprintable():
        _fail(name, f"must be text of at most {MAX_TEXT} characters that can be printed")
    return str(value).strip()


def _words(form: re.Pattern[str], what: str) -> Callable[[str, Any], tuple[str, ...]]:
    def parse(name: str, value: Any) -> tuple[str, ...]:
        given = value.replace(",", " ").split() if isinstance(value, str) else value
        if not isinstance(given, (list, tuple)) or len(given) > MAX_WORDS:
            _fail(name, f"must be a list of at most {MAX_WORDS}")
        for word in given:
            if not isinstance(word, str) or not form.fullmatch(word):
                _fail(name, f"{_shown(word)} is no {what}")
        return tuple(dict.fromkeys(given))

    return parse


def _one_of(choices: Mapping[str, int]) -> Callable[[str, Any], str]:
    def parse(name: str, value: Any) -> str:
        for word, number in choices.items():
            if not isinstance(value, bool) and value in (word, number, str(number)):
                return word
        _fail(name, f"{_shown(value)} is none of {', '.join(choices)}")

    return parse


def _timeout(name: str, value: Any) -> int:
    text = str(value)
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = map(int, clock.groups())
        total = hours * 3600 + minutes * 60 + seconds
    elif isinstance(value, bool) or not (text.isascii() and text.isdecimal() and len(text) < 9):
        _fail(name, f"{_shown(value)} is neither seconds nor HH:MM:SS")
    else:
        total = int(text)
    if not 1 <= total <= MAX_TIMEOUT_S:
        _fail(name, f"must be 1 second to {MAX_TIMEOUT_S // 86400} days")
    return total


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        _fail(name, f"{_shown(value)} is neither true nor false")
    return bool(value)


def _packages(name: str, value: Any) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        _fail(name, "must be an object such as {apt: [fio]}")
    if set(value) - {"apt"}:
        _fail(name, "only apt is supported by this region; bring anything else in the script itself")
    apt = value.get("apt") or []
    found = _words(_PACKAGE, "name of a Debian package")(f"{name}.apt", apt)
    return {"apt": list(found)} if found else {}


def _objects(name: str, value: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict) or len(value) > MAX_WORDS:
        _fail(name, f"must be an object with at most {MAX_WORDS} names")
    for key, entry in value.items():
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            _fail(name, f"{_shown(key)} is no name; use up to 64 letters, digits, _ and -")
        if not isinstance(entry, dict):
            _fail(f"{name}.{key}", "must be an object")
    return value


def _results(name: str, value: Any) -> dict[str, dict[str, str]]:
    if isinstance(value, list):
        value = {key if isinstance(key, str) else _shown(key): {} for key in value}
    found = _objects(name, value)
    for key, entry in found.items():
        if set(entry) - {"title", "description"}:
            _fail(f"{name}.{key}", "takes title and description only")
    return {
        key: {word: _text(f"{name}.{key}.{word}", text) for word, text in entry.items()} for key, entry in found.items()
    }


def _parameters(name: str, value: Any) -> dict[str, dict[str, Any]]:
    found = {key: _parameter(f"{name}.{key}", entry) for key, entry in _objects(name, value).items()}
    if sum(entry["type"] in DEVICES for entry in found.values()) > 1:
        _fail(name, "at most one may be of type storage or interface: the script runs once for each such device")
    return found


def _parameter(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    kind = entry.get("type")
    if not isinstance(kind, str) or kind not in _ARGUMENTS:
        _fail(f"{name}.type", f"{_shown(kind)} is none of {', '.join(_ARGUMENTS)}")
    unknown = set(map(str, entry)) - {"type", "default", "argument_format", "title", "description"}
    if unknown:
        _fail(name, f"does not take {_shown(min(unknown))}")
    return {
        "type": kind,
        "default": _default(f"{name}.default", kind, entry.get("default")),
        "arguments": _arguments(f"{name}.argument_format", kind, entry.get("argument_format", _ARGUMENTS[kind])),
    }


def _default(name: str, kind: str, value: Any) -> str:
    if kind in DEVICES:
        return _text(name, "all" if value is None else value) or _fail(name, "must be all, or name a device")
    if value is None:
        _fail(name, "missing; the value of a parameter is its default here")
    if kind == "runtime":
        return str(_timeout(name, value))
    if not isinstance(value, str) or not _URL.fullmatch(value):
        _fail(name, f"{_shown(value)} is no http:// or https:// URL")
    return str(value)


def _arguments(name: str, kind: str, value: Any) -> list[str]:
    try:
        words = shlex.split(_text(name, value))
    except ValueError as error:
        raise MetadataError(name, f"cannot be split into words: {error}") from error
    used = {slot for word in words for slot in _SLOT.findall(word)}
    if not used or used - _SLOTS[kind]:
        _fail(name, f"must have one of {', '.join(sorted(f'{{{slot}}}' for slot in _SLOTS[kind]))}, and no others")
    return words


_PARSERS: Mapping[str, Callable[[str, Any], Any]] = {
    "name": _name,
    "title": _text,
    "description": _text,
    "tags": _words(_NAME, "tag; use up to 64 letters, digits and . _ -"),
    "script_type": _one_of(TYPES),
    "hardware_type": _one_of(HARDWARE_TYPES),
    "parallel": _one_of(PARALLEL),
    "timeout": _timeout,
    "packages": _packages,
    "parameters": _parameters,
    "results": _results,
    "for_hardware": _words(_HARDWARE, "hardware; use modalias:, pci:VVVV:DDDD, usb:VVVV:DDDD, system_vendor:, …"),
    **dict.fromkeys(("may_reboot", "recommission", "destructive", "apply_configured_networking"), _flag),
}
FIELDS = tuple(known.name for known in fields(Metadata))
