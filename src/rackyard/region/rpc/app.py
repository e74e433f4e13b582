# SPDX-License-Identifier: GPL-3.0-or-later
"""The WSGI application of a region's RPC workers."""

from __future__ import annotations

import logging
import time

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from rackyard.region.config import Config
from rackyard.region.context import Context
from rackyard.region.errors import RackyardError
from rackyard.region.rpc import bodies
from rackyard.region.rpc.calls import CONTEXT_KEY, TURNS_KEY, blueprint
from rackyard.region.turns import Turns

_log = logging.getLogger(__name__)


def create_rpc_app(config: Config, context: Context | None = None) -> Flask:
    """The RPC application; `context` replaces the real world in tests."""
    app = Flask("rackyard.region.rpc")
    app.config["MAX_CONTENT_LENGTH"] = bodies.LIMIT_BYTES
    app.extensions[CONTEXT_KEY] = context or Context.from_config(config)
    app.extensions[TURNS_KEY] = Turns()
    app.register_blueprint(blueprint, url_prefix="/rpc/1")
    app.register_error_handler(RackyardError, _worded)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)
    return app


def _worded(error: RackyardError) -> Response:
    return _error(error.message, error.status)


def _http(error: HTTPException) -> Response:
    return _error(f"{error.code} {error.name}: {request.method} {request.path}", error.code or 500)


def _unexpected(error: Exception) -> Response:
    reference = f"{time.time_ns():x}"[-10:]
    _log.exception("call %s %s failed (reference %s)", request.method, request.path, reference, exc_info=error)
    return _error(f"the region failed; look for {reference} in `journalctl -u 'rackyard-region-*'`", 500)


def _error(message: str, status: int) -> Response:
    response = jsonify({"error": message})
    response.status_code = status
    return response
