# SPDX-License-Identifier: GPL-3.0-or-later
"""`describe/`: the API as data, from the tables that route requests. python-libmaas and MAAS's command line find
everything by it: what it leaves out they cannot call."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from rackyard.region.api.dispatch import Action, OpenResource, Resource
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind

HASH_HEADER = "X-MAAS-API-Hash"
# MAAS's names of what has no op.
_RESTFUL = {"GET": "read", "POST": "create", "PUT": "update", "DELETE": "delete"}
_PATH_PART = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>")


def document(resources: Iterable[Resource]) -> dict[str, Any]:
    """What the API has, without the host that it is on. `hash` changes when anything else does."""
    listed = [_resource(resource) for resource in sorted(resources, key=lambda known: known.name)]
    described = {"doc": "The API of Rackyard, in the shape of MAAS API 2.0", "resources": listed}
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
    return {**described, "hash": digest}


def on_host(described: dict[str, Any], host_url: str) -> dict[str, Any]:
    """The document with the URLs of a host as its caller names it: clients go where they point."""
    base = host_url.rstrip("/")
    return {
        **described,
        "resources": [
            {
                key: {**part, "uri": base + part["path"]} if isinstance(part, dict) else part
                for key, part in resource.items()
            }
            for resource in described["resources"]
        ],
    }


def _resource(resource: Resource) -> dict[str, Any]:
    is_open = isinstance(resource, OpenResource)
    known = resource.actions
    of_all = known if is_open else {place: action for place, action in known.items() if action.is_open}
    name = f"{resource.name}Handler"
    return {
        "name": name,
        "anon": _part(resource, f"Anon{name}", of_all) if of_all else None,
        "auth": None if is_open else _part(resource, name, known),
    }


def _part(resource: Resource, name: str, actions: Mapping[tuple[str, str | None], Action]) -> dict[str, Any]:
    return {
        "name": name,
        "doc": resource.doc,
        "path": ROOT + _PATH_PART.sub(lambda found: "{" + _maas_name(resource, found[1]) + "}", resource.path),
        "params": [_maas_name(resource, known) for known in _PATH_PART.findall(resource.path)],
        "actions": [
            {
                "name": op or _RESTFUL[method],
                "doc": _doc(action),
                "method": method,
                "op": op,
                "restful": op is None,
            }
            for (method, op), action in actions.items()
        ],
    }


def _doc(action: Action) -> str:
    """MAAS's command line shows it as help."""
    names = [name for name, kind in action.takes.items() if kind is not Kind.FIXED]
    return (inspect.getdoc(action.handler) or "") + (f"\n\nParameters: {', '.join(names)}." if names else "")


def _maas_name(resource: Resource, part: str) -> str:
    return resource.renamed.get(part, part)
