# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of machines: which fields, in which portions, and written without holding the whole text in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Response, current_app, request

from rackyard.region.api import machine_shapes
from rackyard.region.api.dispatch import Call
from rackyard.region.api.params import Params
from rackyard.region.db.machines.registry import ListedMachine
from rackyard.region.errors import Invalid
from rackyard.region.services.machines.registry import MachineDetails
from rackyard.region.services.site import validation

Found = TypeVar("Found")
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
    domain = call.ctx.config.domain
    more = size is not None and len(found) > size
    response = _response(found[:size], lambda details: machine_shapes.machine(details, domain, names))
    return _linked(response, found[size - 1].machine.hostname) if more and size else response


def answer_few(call: Call, found: Sequence[ListedMachine], names: Sequence[str], size: int | None) -> Response:
    """The same of machines as lists have them."""
    domain = call.ctx.config.domain
    more = size is not None and len(found) > size
    response = _response(found[:size], lambda known: machine_shapes.listed(known, domain, names))
    return _linked(response, found[size - 1].hostname) if more and size else response


def _response(shown: Sequence[Found], shape: Callable[[Found], dict[str, Any]]) -> Response:
    portions = [shown[at : at + _PORTION] for at in range(0, len(shown), _PORTION)]
    dumps = current_app.json.dumps

    def body() -> Iterator[str]:
        yield "["
        for number, portion in enumerate(portions):
            yield ("," if number else "") + dumps([shape(each) for each in portion])[1:-1]
        yield "]\n"

    # A short list is made before the answer begins, so that a fault of ours is an error and no torn answer.
    return Response("".join(body()) if len(portions) <= 1 else body(), mimetype="application/json")


def _linked(response: Response, last: str) -> Response:
    following = {**request.args.to_dict(flat=False), "after": [last]}
    response.headers["Link"] = f'<{request.path}?{urlencode(following, doseq=True)}>; rel="next"'
    return response
