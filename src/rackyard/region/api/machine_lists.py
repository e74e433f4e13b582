# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of machines: which fields, in which portions, and written without holding all machines in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

from flask import Response, request

from rackyard.region.api import machine_shapes
from rackyard.region.api.dispatch import Call
from rackyard.region.api.params import Params
from rackyard.region.db.machines.registry import Listing, MachineFilter
from rackyard.region.errors import Invalid
from rackyard.region.services.machines import lists
from rackyard.region.services.machines.lists import Detailed, Part, Portion
from rackyard.region.services.site import validation

MAX_LIMIT = 1000
# Machines whose JSON is sent at once.
_BATCH = 100
# So many characters are made before the answer begins, so that a fault of ours is an error and no torn answer.
_AT_ONCE = 512 * 1024

# Portions, and of each the JSON of its machines.
Texts = Iterator[tuple[Portion[Any], Iterator[str]]]


def fields(params: Params) -> list[str]:
    """The fields that are asked for, in the order in which all lists have them; all of them by default, but for those
    that are shown only when they are asked for."""
    asked = params.words("fields")
    if not asked:
        return list(machine_shapes.FIELDS)
    known = machine_shapes.ALL_FIELDS
    unknown = sorted(set(asked) - known.keys())
    if unknown:
        names = ", ".join(validation.shown(name) for name in unknown[:10])
        raise Invalid.field("fields", f"A machine has no {names}; its fields are {', '.join(known)}.")
    return [name for name in known if name in asked]


def limit(params: Params) -> int | None:
    """The size of a page, None for a list as a whole."""
    given = params.integer("limit")
    if given is not None and not 1 <= given <= MAX_LIMIT:
        raise Invalid.field("limit", f"{given} is not a number from 1 to {MAX_LIMIT}.")
    return given


def answer(
    call: Call, wanted: MachineFilter, names: Sequence[str] = tuple(machine_shapes.FIELDS), also: Iterable[Any] = ()
) -> Response:
    """Matching machines with these fields, and what else belongs to the list, as JSON.

    A long list is sent while it is read. When that fails in the middle, the connection is closed before the answer's
    end (RFC 9112 section 7.1: without the last chunk it is incomplete), which no client takes for a whole list."""
    portions = _texts(call, wanted, names)
    # What cannot be listed is refused here, before anything is sent.
    first, texts = next(portions)
    following = chain.from_iterable(map(itemgetter(1), portions))
    response = _sent(_body(chain(texts, following, map(machine_shapes.encoded, also))))
    return _linked(response, first.found) if first.more else response


def _sent(body: Iterator[str]) -> Response:
    begun: list[str] = []
    while sum(map(len, begun)) < _AT_ONCE:
        piece = next(body, None)
        if piece is None:
            return Response("".join(begun), mimetype="application/json")
        begun.append(piece)
    return Response(chain(begun, body), mimetype="application/json")


def _texts(call: Call, wanted: MachineFilter, names: Sequence[str]) -> Texts:
    ctx, domain = call.ctx, call.ctx.config.domain
    columns = machine_shapes.columns_for(names)

    def short(portion: Portion[Listing]) -> tuple[Portion[Any], Iterator[str]]:
        return portion, machine_shapes.short_texts(portion.found, domain, names)

    def detailed(portion: Portion[Detailed]) -> tuple[Portion[Any], Iterator[str]]:
        return portion, machine_shapes.texts(portion.found.machines, domain, names)

    if columns is not None:
        return map(short, lists.short(ctx, wanted, columns))
    return map(detailed, lists.detailed(ctx, wanted, machine_shapes.parts_for(names)))


def _body(texts: Iterator[str]) -> Iterator[str]:
    before = "["
    while batch := list(islice(texts, _BATCH)):
        yield before + ",".join(batch)
        before = ","
    yield "[]\n" if before == "[" else "]\n"


def _linked(response: Response, shown: Part) -> Response:
    following = {**request.args.to_dict(flat=False), "after": [shown.hostnames[-1]]}
    response.headers["Link"] = f'<{request.path}?{urlencode(following, doseq=True)}>; rel="next"'
    return response
