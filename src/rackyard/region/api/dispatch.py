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
from rackyard.region.api.params import Params
from rackyard.region.context import Context
from rackyard.region.db.site.accounts import Account
from rackyard.region.errors import BadRequest, Forbidden
from rackyard.region.services.site import accounts

METHODS = ("GET", "POST", "PUT", "DELETE")


@dataclass(frozen=True)
class Call:
    """One request of an authenticated caller."""

    ctx: Context
    account: Account
    params: Params


Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True)
class _Action:
    handler: Callable[..., Any]
    admin_only: bool


class Resource:
    """One URL: its handlers by method and op."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.actions: dict[tuple[str, str | None], _Action] = {}

    def read(self, op: str | None = None, *, admin_only: bool = False) -> Callable[[Handler], Handler]:
        """Handle GET."""
        return self._handle("GET", op, admin_only)

    def create(self, op: str | None = None, *, admin_only: bool = True) -> Callable[[Handler], Handler]:
        """Handle POST; administrators only, as every change but those of one's own account."""
        return self._handle("POST", op, admin_only)

    def update(self) -> Callable[[Handler], Handler]:
        """Handle PUT."""
        return self._handle("PUT", None, True)

    def delete(self) -> Callable[[Handler], Handler]:
        """Handle DELETE."""
        return self._handle("DELETE", None, True)

    def _handle(self, method: str, op: str | None, admin_only: bool) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            self.actions[method, op] = _Action(handler, admin_only)
            return handler

        return register

    def mount(self, blueprint: Blueprint) -> None:
        """Make the URL answer."""
        blueprint.add_url_rule(self.path, endpoint=self.path.replace(".", "_"), view_func=self._serve, methods=METHODS)

    def _serve(self, **parts: Any) -> Response:
        ctx: Context = current_app.extensions["rackyard"]
        credentials = oauth.parse(request.headers.get("Authorization"))
        account = accounts.authenticate(ctx, credentials.consumer_key, credentials.token_key, credentials.token_secret)
        params = Params.of(request)
        op = request.args.get("op") or params.text("op") or None
        action = self.actions.get((request.method, op))
        if action is None:
            raise BadRequest(f"Unrecognised signature: method={request.method} op={op and op[:80]}")
        if action.admin_only and not account.is_admin:
            raise Forbidden("User is not allowed access to this API; use an administrator's key.")
        return _response(action.handler(Call(ctx, account, params), **parts))


def _response(result: Any) -> Response:
    if isinstance(result, Response):
        return result
    return Response(status=204) if result is None else jsonify(result)
