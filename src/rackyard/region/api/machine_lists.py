# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of machines: which fields, in which portions, and written without holding the whole text in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Response, current_app, request

from rackyard.region.api import machine_shapes
from rackyard.region.api.dispatch import Call
from rackyard.region.api.params import Params
from rackyard.region.errors import Invalid
from rackyard.region.services.machines.registry import MachineDetails
from rackyard.region.services.site import validation

MAX_LIMIT = 1000
# Machines whose JSON is made and sent at once.
_PORTION = 200


def fields(params: Params) -> list[str]:
    """The fields that are asked for, in the order in which all lists have them; all of them by default."""
    asked = params.words("fields")
    if not asked:
        return list(machine_shapes.FIELDS)
    unknown = sorted(set(asked) - machine_shapes.FIELDS.keys())
    if unknown:
        names = ", ".join(validation.shown(name) for name in unknown[:10])
        raise Invalid.field("fields", f"A machine has no {names}; its fields are {', '.join(machine_shapes.FIELDS)}.")
    return [name for name in machine_shapes.FIELDS if name in asked]


def limit(params: Params) -> int | None:
    """The size of a page, None for a list as a whole."""
    given = params.integer("limit")
    if given is not None and not 1 <= given <= MAX_LIMIT:
        raise Invalid.field("limit", f"{given} is not a number from 1 to {MAX_LIMIT}.")
    return given


def answer(call: Call, found: Sequence[MachineDetails], names: Sequence[str], size: int | None) -> Response:
    """The list as JSON. With a page's size, `found` may have one more, which says that there are more."""
    shown = found if size is None else found[:size]
    domain = call.ctx.config.domain
    portions = [shown[at : at + _PORTION] for at in range(0, len(shown), _PORTION)]
    dumps = current_app.json.dumps

    def text(portion: Sequence[MachineDetails]) -> str:
        made: list[dict[str, Any]] = [machine_shapes.machine(details, domain, names) for details in portion]
        return dumps(made)[1:-1]

    def body() -> Iterator[str]:
        yield "["
        for number, portion in enumerate(portions):
            yield ("," if number else "") + text(portion)
        yield "]\n"

    # A short list is made before the answer begins, so that a fault of ours is an error and no torn answer.
    response = Response("".join(body()) if len(portions) <= 1 else body(), mimetype="application/json")
    if size is not None and len(found) > size:
        following = {**request.args.to_dict(flat=False), "after": [shown[-1].machine.hostname]}
        response.headers["Link"] = f'<{request.path}?{urlencode(following, doseq=True)}>; rel="next"'
    return response
