# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator declares that a machine is made of (`expect`): a JSON object that fulfils a schema.

It has only what commissioning finds. It is kept as it was written, so that whoever declares it can compare."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema
from jsonschema.exceptions import ValidationError, best_match

from rackyard.region.ephemeral import facts
from rackyard.region.errors import Invalid
from rackyard.region.services.site import validation
from rackyard_core import macs

FIELD = "expect"
MAX_CHARACTERS = 65_536
MAX_DISKS = 256
_SHOWN = 200
# Every name of a switch, a model or a version: neither a control character nor half of a surrogate pair.
_TEXT = {
    "type": "string",
    "pattern": r"\A[^\x00-\x1f\x7f\ud800-\udfff]{1,256}\Z",
    "description": "a text of 1 to 256 characters without control characters",
}
_FLAG = {"type": "boolean"}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _list(most: int, **properties: Any) -> dict[str, Any]:
    return {"type": "array", "maxItems": most, "items": _object(**properties)}


SCHEMA = _object(
    cpu_count={"type": "integer", "minimum": 1, "maximum": 65_536},
    memory={"type": "integer", "minimum": 1, "maximum": facts.MIB_LIMIT},  # MiB
    architecture={"enum": ["amd64", "arm64"]},
    bios_boot_method={"enum": ["bios", "uefi"]},
    secure_boot=_FLAG,
    firmware=_object(bios=_TEXT, bmc=_TEXT),
    disks=_list(
        MAX_DISKS,
        count={"type": "integer", "minimum": 1, "maximum": MAX_DISKS},
        kind={"enum": ["ssd", "hdd", "nvme"]},
        size_gb={"type": "number", "exclusiveMinimum": 0, "maximum": 1e9},  # 10^9 bytes, as printed on disks
        tolerance_percent={"type": "number", "minimum": 0, "maximum": 50},
        model=_TEXT,
        serial=_TEXT,
    ),
    nics=_list(
        facts.MAX_NICS,
        name=_TEXT,
        mac_address=_TEXT,
        switch=_TEXT,
        port=_TEXT,
        link_connected=_FLAG,
        link_speed={"type": "integer", "minimum": 1, "maximum": 10_000_000},  # Mbit/s
    ),
)
_VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def parsed(text: str) -> dict[str, Any]:
    """The declaration that a JSON text says; empty for an empty one. Raises Invalid, naming the place in it."""
    if not text.strip():
        return {}
    if len(text) > MAX_CHARACTERS:
        raise _wrong("", f"it has {len(text)} characters, and at most {MAX_CHARACTERS} are kept")
    try:
        document = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _wrong("", 'it is no JSON; write an object such as {"cpu_count": 16}') from None
    error = best_match(_VALIDATOR.iter_errors(document))
    if error is not None:
        raise _wrong(_place(error), _words(error))
    for place, words in _contradictions(document):
        raise _wrong(place, words)
    return dict(document)


def _contradictions(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a schema cannot say."""
    yield from _of_nics(document.get("nics", []))
    yield from _of_disks(document.get("disks", []))


def _of_nics(nics: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for at, nic in enumerate(nics):
        if "name" not in nic and "mac_address" not in nic:
            yield f"nics[{at}]", "it needs a name or a mac_address, by which the NIC is found"
        if "mac_address" in nic and not _is_normal(nic["mac_address"]):
            shown = validation.shown(nic["mac_address"])
            yield f"nics[{at}].mac_address", f"{shown} is no MAC address in lower case, such as 00:00:5e:00:53:01"
    for key in ("name", "mac_address"):
        for value, count in Counter(nic[key] for nic in nics if key in nic).items():
            if count > 1:
                yield "nics", f"{key} {value} is there {count} times"


def _of_disks(disks: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    total = sum(disk.get("count", 1) for disk in disks)
    if total > MAX_DISKS:
        yield "disks", f"they are {total}, and at most {MAX_DISKS} can be declared"
    for at, disk in enumerate(disks):
        if "serial" in disk and disk.get("count", 1) > 1:
            yield f"disks[{at}]", "there is one disk of a serial number; leave count out"
        if "tolerance_percent" in disk and "size_gb" not in disk:
            yield f"disks[{at}]", "tolerance_percent is that of size_gb; give both"


def _is_normal(mac: str) -> bool:
    try:
        return macs.normal(mac) == mac
    except ValueError:
        return False


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _place(error: ValidationError) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path).lstrip(".")


def _words(error: ValidationError) -> str:
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        unknown = ", ".join(sorted(repr(name) for name in error.instance if name not in known))
        return f"there is no {unknown[:_SHOWN]}; it takes {', '.join(known)}"
    if error.validator == "pattern":
        return f"{ascii(error.instance)[:_SHOWN]} is not {error.schema['description']}"
    return ascii(error.message)[1:-1][-_SHOWN:]


def _wrong(place: str, words: str) -> Invalid:
    return Invalid.field(FIELD, f"{place}: {words}." if place else f"{words[0].upper()}{words[1:]}.")
