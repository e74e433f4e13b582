# SPDX-License-Identifier: GPL-3.0-or-later
"""The region's web application: the API for operators and the metadata service for machines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from rackyard.region import api, metadata
from rackyard.region.api import health, login
from rackyard.region.config import Config
from rackyard.region.context import Context
from rackyard.region.errors import BadRequest, Invalid, NotFound, RackyardError, TooMany, Unauthorized, Unavailable

logger = logging.getLogger(__name__)

# Processes of their own: no machine waits behind an operator's question.
PARTS = ("api", "metadata")


def create_app(config: Config, context: Context | None = None, *, parts: Collection[str] = PARTS) -> Flask:
    """The application, or one part of it. A context may be given, so that a test can bring its own clock."""
    app = Flask("rackyard.region", static_folder=None)
    app.extensions["rackyard"] = context or Context.from_config(config)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.wsgi_app = _SingleSlashes(app.wsgi_app)  # type: ignore[method-assign]
    if "api" in parts:
        app.register_blueprint(api.blueprint())
        app.register_blueprint(health.blueprint)
        app.register_blueprint(login.blueprint)
    if "metadata" in parts:
        app.register_blueprint(metadata.blueprint, url_prefix="/MAAS/metadata")
    add_error_handlers(app)
    app.before_request(_check_path)
    app.after_request(_finish)
    return app


def add_error_handlers(app: Flask) -> None:
    """Errors in MAAS's shape: plain text, or JSON by field for a form."""
    app.register_error_handler(RackyardError, error_response)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def error_response(error: RackyardError) -> Response:
    """One error as MAAS would word it."""
    plain = Response(error.message, mimetype="text/plain")
    response = jsonify(error.fields) if isinstance(error, Invalid) else plain
    response.status_code = error.status
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = 'OAuth realm="MAAS API"'
    if isinstance(error, TooMany | Unavailable):
        response.headers["Retry-After"] = str(error.retry_after_s)
    if error.status >= 500:
        logger.error("%s %s: %s", request.method, quote(request.path), error.message)
    return response


def _http_error(error: HTTPException) -> Response:
    response = Response(f"{error.code} {error.name}: {request.path}", mimetype="text/plain")
    response.status_code = error.code or 500
    return response


def _unexpected(error: Exception) -> Response:
    """A fault of ours: the journal has it all, the caller learns where to look."""
    logger.exception("%s %s failed", request.method, quote(request.path), exc_info=error)
    return error_response(RackyardError("Internal error; see `journalctl -u 'rackyard-region*'` on the region."))


def _check_path() -> None:
    if "\0" in request.path:
        raise BadRequest("The URL has a NUL character; leave it out.")
    if isinstance(request.routing_exception, RequestRedirect) and request.path.startswith(api.PREFIX):
        raise NotFound(f"No such resource: {request.path}; its URL ends with a slash.")


def _finish(response: Response) -> Response:
    """Clients correct their clock by `Date` (cloud-init after a 401), so it is there whatever serves this app."""
    if "gunicorn.socket" not in request.environ:  # gunicorn sends one of its own
        context: Context = current_app.extensions["rackyard"]
        response.headers["Date"] = format_datetime(context.clock.now(), usegmt=True)
    if request.path.startswith(api.PREFIX):
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["Vary"] = "Authorization"
        response.headers.update(api.HEADERS)
    return response


class _SingleSlashes:
    """cloud-init joins URLs naively: `metadata//2012-03-01/` means `metadata/2012-03-01/`."""

    def __init__(self, inner: Callable[..., Iterable[bytes]]) -> None:
        self._inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        while "//" in path:
            path = path.replace("//", "/")
        environ["PATH_INFO"] = path
        return self._inner(environ, start_response)
