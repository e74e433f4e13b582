# SPDX-License-Identifier: GPL-3.0-or-later
"""`openapi.json`: the API in the words of OpenAPI 3.0.3, from the tables that route requests.

OpenAPI has one operation for a path and a method, MAAS's API several, which `op` tells apart. So an operation here
takes what any of them takes, `op` has all their names, and `x-ops` says for each what it does and takes; an empty name
there is the one without `op`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

from rackyard.region.api.dispatch import Action, OpenResource, RawResource, Resource
from rackyard.region.api.takes import Kind, Takes

VERSION = "3.0.3"
_PART = re.compile(r"<(?:([a-z]+):)?([a-z_]+)>")
_REFUSALS = {
    "400": "What was sent cannot be used: by field what is wrong and what to do, or one line of text",
    "401": "The request is not signed with a key that is known",
    "403": "The account may not do that",
    "404": "No such object",
    "409": "The object's state does not allow this now",
    "503": "The region cannot answer at this moment; ask again after Retry-After",
    "504": "Another server that has to be asked does not answer",
}
_BYTES = {"type": "string", "format": "binary"}
_ARRAY = {"type": "array", "items": {"type": "string"}}
_SCHEMAS: Mapping[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string"},
    Kind.TEXTS: _ARRAY,
    Kind.WORDS: _ARRAY,
    Kind.FLAG: {"type": "boolean"},
    Kind.INTEGER: {"type": "integer", "minimum": 0},
    Kind.FILE: {"type": "string", "format": "binary"},
    Kind.FIXED: {"type": "string", "description": "Only what the object has already: this region cannot change it"},
}


def document(resources: Iterable[Resource], root: str, version: str) -> dict[str, Any]:
    """The description. `root` is what all paths begin with, `version` that of the region."""
    listed = sorted(resources, key=lambda resource: resource.path)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Rackyard",
            "version": version,
            "description": "The API of a Rackyard region, in the shape of MAAS API 2.0.",
            "license": {"name": "GPL-3.0-or-later"},
        },
        "servers": [{"url": root}],
        "paths": {_PART.sub(r"{\2}", resource.path): _path(resource) for resource in listed},
        "components": {
            "securitySchemes": {
                "key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "OAuth 1.0 PLAINTEXT (RFC 5849 section 3.4.4) with the three parts of an API key",
                }
            },
            "responses": {status: {"description": words} for status, words in _REFUSALS.items()},
        },
        "security": [{"key": []}],
    }


def _path(resource: Resource) -> dict[str, Any]:
    by_method: dict[str, dict[str, Action]] = {}
    for (method, op), action in resource.actions.items():
        by_method.setdefault(method.lower(), {})[op or ""] = action
    described: dict[str, Any] = {"summary": resource.doc}
    parts = [_part(*found) for found in _PART.findall(resource.path)]
    if parts:
        described["parameters"] = parts
    for method, actions in by_method.items():
        described[method] = _operation(resource, method, actions)
    return described


def _part(converter: str, name: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 0} if converter == "int" else {"type": "string"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _operation(resource: Resource, method: str, actions: Mapping[str, Action]) -> dict[str, Any]:
    takes = {name: kind for action in actions.values() for name, kind in action.takes.items()}
    described: dict[str, Any] = {
        "operationId": f"{resource.name}.{method}",
        "summary": _summary(actions[min(actions)]),
        "x-ops": {op: {"summary": _summary(action), "takes": list(action.takes)} for op, action in actions.items()},
        "parameters": [_op(actions)] if set(actions) != {""} else [],
        "responses": _responses(),
    }
    if isinstance(resource, OpenResource):
        described["security"] = []
    elif any(action.is_open for action in actions.values()):
        described["security"] = [{"key": []}, {}]
    if method in ("get", "delete"):
        described["parameters"] += [
            {"name": name, "in": "query", "schema": _SCHEMAS[kind]} for name, kind in takes.items() if name[-1] != "*"
        ]
    elif isinstance(resource, RawResource):
        described["requestBody"] = {"content": {"application/octet-stream": {"schema": _BYTES}}}
    elif takes:
        described["requestBody"] = {"content": {form: {"schema": _form(takes)} for form in _FORMS}}
    return described


_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "application/json")


def _op(actions: Mapping[str, Action]) -> dict[str, Any]:
    names = sorted(name for name in actions if name)
    return {"name": "op", "in": "query", "required": "" not in actions, "schema": {"type": "string", "enum": names}}


def _form(takes: Takes) -> dict[str, Any]:
    names = {name: _SCHEMAS[kind] for name, kind in takes.items() if name[-1] != "*"}
    families = sorted(name for name in takes if name[-1] == "*")
    described: dict[str, Any] = {"type": "object", "properties": names}
    if families:
        described["additionalProperties"] = {
            "type": "string",
            "description": f"Names of the form {', '.join(families)}",
        }
    return described


def _responses() -> dict[str, Any]:
    found: dict[str, Any] = {"200": {"description": "Done; what there is now"}, "204": {"description": "Done"}}
    return found | {status: {"$ref": f"#/components/responses/{status}"} for status in _REFUSALS}


def _summary(action: Action) -> str:
    return (inspect.getdoc(action.handler) or "").partition("\n\n")[0].replace("\n", " ")
