# SPDX-License-Identifier: GPL-3.0-or-later
"""`scripts/` and `scripts/<name>`: what operators upload, beside this region's own, which nobody changes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from flask import Response

from rackyard.region import ephemeral
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.params import Params
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.db.site.scripts import Script, Version
from rackyard.region.ephemeral.script_metadata import HARDWARE_TYPES, PARALLEL, TYPES, Metadata
from rackyard.region.errors import Invalid
from rackyard.region.services.site import scripts, validation
from rackyard.region.services.site.scripts import Known, Wish

collection = Resource("/scripts/", "NodeScripts", "What machines run while they are commissioned or tested.")
one = Resource("/scripts/<script>", "NodeScript", "One script, by name or id.", script="name")

_TEXTS = ("name", "title", "description", "hardware_type", "parallel", "timeout")
_WORDS = ("tags",)
_JSON = ("packages", "parameters", "results", "for_hardware")
_FLAGS = ("may_reboot", "recommission", "destructive", "apply_configured_networking")
_WISH: Takes = {
    "include_script": Kind.FLAG,
    "script": Kind.FILE,
    "comment": Kind.TEXT,
    "type": Kind.TEXT,
    "script_type": Kind.TEXT,
    **dict.fromkeys((*_TEXTS, *_JSON), Kind.TEXT),
    **dict.fromkeys(_WORDS, Kind.WORDS),
    **dict.fromkeys(_FLAGS, Kind.FLAG),
}


@collection.read(
    takes={"type": Kind.TEXT, "hardware_type": Kind.TEXT, "filters": Kind.WORDS, "include_script": Kind.FLAG}
)
def list_scripts(call: Call) -> list[dict[str, Any]]:
    """Every script by name, or those of a `type` (commissioning, testing) and `hardware_type` (node, cpu, memory,
    storage, network, gpu) that have one of `filters` as name or tag; with include_script also its text, in base64."""
    known = scripts.read(call.ctx)
    kind = _number("type", call.params.text("type"), TYPES)
    hardware = _number("hardware_type", call.params.text("hardware_type"), HARDWARE_TYPES)
    words = set(call.params.words("filters") or ())
    found = [_shape(script, known.history[script.id]) for script in known.scripts]
    found += [_builtin(metadata) for metadata, _body in _OWN.values()]
    return [
        _shown(call, shown)
        for shown in sorted(found, key=lambda each: str(each["name"]))
        if kind in (None, shown["type"])
        and hardware in (None, shown["hardware_type"])
        and (not words or words & {shown["name"], *shown["tags"]})
    ]


@collection.create(takes=_WISH)
def create_script(call: Call) -> dict[str, Any]:
    """A new script (`script`, with a line at its top that says what runs it). What it is stands in its metadata block,
    or is given beside it: `name`, `type` (commissioning, testing), `parallel` (disabled, instance, any), `timeout`
    (seconds or HH:MM:SS), `packages`, `parameters` and `results` as JSON, and so on; docs/scripts.md tells of all."""
    return _shown(call, _read(call, scripts.create(call.ctx, call.actor, _wish(call.params))))


@one.read(takes={"include_script": Kind.FLAG})
def read_script(call: Call, script: str) -> dict[str, Any]:
    """One script with its history; with include_script also its text, in base64."""
    own = _OWN.get(script)
    return _shown(call, _builtin(own[0]) if own else _found(scripts.read(call.ctx), script))


@one.read("download", takes={"revision": Kind.TEXT})
def download_script(call: Call, script: str) -> Response:
    """The text of a script, or what it was in that version (`revision`) of its history."""
    own = _OWN.get(script)
    body = own[1] if own else scripts.content(call.ctx, script, call.params.text("revision"))
    return Response(body, mimetype="application/octet-stream")


@one.update(takes=_WISH)
def update_script(call: Call, script: str) -> dict[str, Any]:
    """Change what is given; what it was stays in its history. `comment` says what is new. Machines have it from their
    next boot on."""
    return _shown(call, _read(call, scripts.update(call.ctx, call.actor, script, _wish(call.params))))


@one.create("revert", takes={"to": Kind.TEXT})
def revert_script(call: Call, script: str) -> dict[str, Any]:
    """Let it be again what it was: `to` is the id of an entry of its history, or a negative number of steps back."""
    return _read(call, scripts.revert(call.ctx, call.actor, script, call.params.text("to")))


@one.create("add_tag", takes={"tag": Kind.TEXT})
def add_tag(call: Call, script: str) -> dict[str, Any]:
    """Give it a `tag`."""
    return _read(call, scripts.tag(call.ctx, call.actor, script, call.params.text("tag") or "", there=True))


@one.create("remove_tag", takes={"tag": Kind.TEXT})
def remove_tag(call: Call, script: str) -> dict[str, Any]:
    """Take a `tag` from it."""
    return _read(call, scripts.tag(call.ctx, call.actor, script, call.params.text("tag") or "", there=False))


@one.delete()
def delete_script(call: Call, script: str) -> None:
    """Remove it with its history; the results that machines had of it stay."""
    scripts.delete(call.ctx, call.actor, script)


def _wish(params: Params) -> Wish:
    given: dict[str, Any] = {name: params.text(name) for name in _TEXTS}
    given["script_type"] = params.text("script_type") or params.text("type")
    given |= {name: params.words(name) for name in _WORDS}
    given |= {name: params.flag(name) for name in _FLAGS}
    given |= {name: _json(name, params.text(name)) for name in _JSON}
    # An empty choice says nothing; an empty text or list does.
    says = {name: value for name, value in given.items() if value is not None}
    says = {name: value for name, value in says.items() if value != "" or name in ("title", "description")}
    content = params.file("script")
    return Wish(content or None, says, params.text("comment") or "")


def _json(name: str, text: str | None) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid.field(name, f"{validation.shown(text)} is not JSON.") from None


def _number(name: str, text: str | None, choices: Mapping[str, int]) -> int | None:
    if not text:
        return None
    for word, number in choices.items():
        if text in (word, str(number)):
            return int(number)
    raise Invalid.field(name, f"{validation.shown(text)} is none of {', '.join(choices)}.")


def _read(call: Call, script_id: int) -> dict[str, Any]:
    return _found(scripts.read(call.ctx), str(script_id))


def _found(known: Known, specifier: str) -> dict[str, Any]:
    script = known.one(specifier)
    return _shape(script, known.history[script.id])


def _shown(call: Call, shown: dict[str, Any]) -> dict[str, Any]:
    """With its text, where that is asked for."""
    if not call.params.flag("include_script"):
        return shown
    own = _OWN.get(shown["name"])
    text = own[1] if own else scripts.content(call.ctx, shown["name"])
    return {**shown, "script": base64.b64encode(text).decode()}


def _shape(script: Script, history: Sequence[Version]) -> dict[str, Any]:
    versions = [{"id": each.id, "comment": each.comment, "created": each.created_at.isoformat()} for each in history]
    return {"id": script.id, **_fields(script.metadata), "default": False, "history": versions}


def _own() -> dict[str, tuple[Metadata, bytes]]:
    """What comes with the region, by name."""
    found = {test.metadata.name: (test.metadata, test.body) for test in ephemeral.tests()}
    for script in ephemeral.script_index():
        parallel = "any" if script.parallel else "disabled"
        metadata = Metadata(script.name, script_type="commissioning", parallel=parallel, timeout=script.timeout_s)
        found[script.name] = metadata, script.body
    return found


_OWN = _own()


def _builtin(metadata: Metadata) -> dict[str, Any]:
    """One that comes with the region. It has no id: ids are of those that can be changed."""
    return {"id": None, **_fields(metadata), "default": True, "history": []}


def _fields(known: Metadata) -> dict[str, Any]:
    plain = known.plain
    kind = plain.pop("script_type")
    return {
        **plain,
        "type": TYPES[kind],
        "type_name": kind.capitalize(),
        "hardware_type": HARDWARE_TYPES[known.hardware_type],
        "hardware_type_name": known.hardware_type,
        "parallel": PARALLEL[known.parallel],
        "parallel_name": known.parallel,
        "timeout": str(timedelta(seconds=known.timeout)),
        "resource_uri": f"{ROOT}/scripts/{known.name}",
    }
