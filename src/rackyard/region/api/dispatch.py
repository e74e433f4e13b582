# SPDX-License-Identifier: GPL-3.0-or-later
"""MAAS's way of calling: a method and an optional `op` select a handler of a URL.

A handler gets a Call and the parts of the URL, and returns what will be JSON, a Response, or None for 204.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Blueprint, Response, current_app, jsonify, request

from rackyard.region import oauth
from rackyard.region.api import not_yet
from rackyard.region.api.caller import deed_of
from rackyard.region.api.params import MAX_BODY_BYTES, Params
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import NOTHING, Kind, Takes, refuse_unknown
from rackyard.region.context import Context
from rackyard.region.errors import Forbidden, RackyardError, TooLarge
from rackyard.region.services.site import accounts, audit
from rackyard.region.services.site.authorisation import NOBODY, Actor

METHODS = ("GET", "POST", "PUT", "DELETE")
# Clients send 4 MiB. No more than role http lets through whatever its limit for bodies.
MAX_RAW_BYTES = 8 * 1024 * 1024
_DRAINED_BYTES = 64 * 1024


@dataclass(frozen=True)
class Call:
    """One request of an authenticated caller."""

    ctx: Context
    actor: Actor
    params: Params


Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True)
class Action:
    """A handler, and which parameters it takes. One that is open needs no key."""

    handler: Callable[..., Any]
    takes: Takes
    is_open: bool = False


class Resource:
    """One URL: its handlers by method and op. Whether the caller may do it is decided by the service function."""

    def __init__(self, path: str, name: str, doc: str, *, max_body_bytes: int = MAX_BODY_BYTES, **renamed: str) -> None:
        """`name` is that of MAAS's handler, or our own where MAAS has none. `renamed` gives parts of the path the names
        that MAAS has for them: clients fill them in by these."""
        self.max_body_bytes = max_body_bytes
        self.path = path
        self.name = name
        self.doc = doc
        self.renamed = renamed
        self.actions: dict[tuple[str, str | None], Action] = {}

    def read(
        self, op: str | None = None, takes: Takes = NOTHING, *, is_open: bool = False
    ) -> Callable[[Handler], Handler]:
        """Handle GET."""
        return self._handle("GET", op, takes, is_open=is_open)

    def create(self, op: str | None = None, takes: Takes = NOTHING) -> Callable[[Handler], Handler]:
        """Handle POST."""
        return self._handle("POST", op, takes)

    def update(self, takes: Takes = NOTHING) -> Callable[[Handler], Handler]:
        """Handle PUT."""
        return self._handle("PUT", None, takes)

    def delete(self, takes: Takes = NOTHING) -> Callable[[Handler], Handler]:
        """Handle DELETE."""
        return self._handle("DELETE", None, takes)

    def _handle(
        self, method: str, op: str | None, takes: Takes, *, is_open: bool = False
    ) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.actions[method, op] = Action(handler, takes, is_open)
            return handler

        return register

    def mount(self, blueprint: Blueprint) -> None:
        """Make the URL answer."""
        blueprint.add_url_rule(self.path, endpoint=self.path.replace(".", "_"), view_func=self._serve, methods=METHODS)

    def _serve(self, **parts: Any) -> Response:
        try:
            return self._answer(**parts)
        except RackyardError:
            # nginx loses an answer that comes, and a connection that closes, before it has sent the whole body.
            while request.stream.read(_DRAINED_BYTES):
                pass
            raise

    def _answer(self, **parts: Any) -> Response:
        ctx: Context = current_app.extensions["rackyard"]
        actor = self._actor(ctx)
        params = self._params()
        op = request.args.get("op") or params.text("op") or None
        action = self.actions.get((request.method, op))
        if action is None:
            raise not_yet.refusal(self.name, self.path, request.method, op)
        if request.method == "GET":
            refuse_unknown(params, action.takes, f"GET {request.path.removeprefix(ROOT + '/')}")
        deed = deed_of(request, actor, op, ctx.clock.now())
        # A question changes nothing that anybody asked for.
        world = ctx if request.method == "GET" else ctx.acting(deed)
        try:
            return _response(action.handler(Call(world, actor, params.taken(action.takes)), **parts))
        except Forbidden as refusal:
            audit.refused(ctx, deed, note=refusal.message)
            raise

    def _actor(self, ctx: Context) -> Actor:
        """Who asks, before anything that was sent is looked at."""
        action = self.actions.get((request.method, request.args.get("op") or None))
        if action is not None and action.is_open:
            return NOBODY
        credentials = oauth.parse(request.headers.get("Authorization"))
        return accounts.authenticate(ctx, credentials.consumer_key, credentials.token_key, credentials.token_secret)

    def _params(self) -> Params:
        takes = [action.takes for action in self.actions.values()]
        files = [name for each in takes for name, kind in each.items() if kind is Kind.FILE]
        return Params.of(request, self.max_body_bytes, files)


class RawResource(Resource):
    """A URL to which bytes are sent that are no form."""

    def _answer(self, **parts: Any) -> Response:
        size_bytes = request.content_length or 0
        if size_bytes > MAX_RAW_BYTES:
            raise TooLarge(f"The body has {size_bytes} bytes; send at most {MAX_RAW_BYTES} at once.")
        return super()._answer(**parts)

    def _params(self) -> Params:
        return Params.of_query(request)


class OpenResource(Resource):
    """A URL that needs no key, and whose handlers get nothing."""

    def _serve(self, **parts: Any) -> Response:
        action = self.actions.get((request.method, request.args.get("op") or None))
        if action is None:
            raise not_yet.refusal(self.name, self.path, request.method, request.args.get("op"))
        return _response(action.handler(**parts))


def _response(result: Any) -> Response:
    if isinstance(result, Response):
        return result
    return Response(status=204) if result is None else jsonify(result)
