# SPDX-License-Identifier: GPL-3.0-or-later
"""The MAAS 2.0 shaped API: parse, call one service function, serialise."""

from __future__ import annotations

from types import ModuleType

from flask import Blueprint, Response, current_app, jsonify, request

import rackyard
from rackyard.region.api import (
    account,
    audit,
    controllers,
    describe,
    devices,
    dhcp_snippets,
    domains,
    files,
    groups,
    images,
    interfaces,
    ip_addresses,
    machine_drift,
    machine_enlistment,
    machine_marks,
    machines,
    networks,
    nodes,
    not_yet,
    nothing_here,
    notifications,
    openapi,
    package_repositories,
    registration,
    scripts,
    settings,
    site,
    spaces,
    ssh_keys,
    static_routes,
    subnet_usage,
    tags,
    user_groups,
    users,
)
from rackyard.region.api.dispatch import Resource

PREFIX = "/MAAS/api/2.0"
_MODULES: tuple[ModuleType, ...] = (
    site,
    images,
    settings,
    users,
    user_groups,
    account,
    ssh_keys,
    files,
    notifications,
    package_repositories,
    scripts,
    machines,
    machine_drift,
    machine_enlistment,
    machine_marks,
    groups,
    nodes,
    interfaces,
    tags,
    devices,
    networks,
    subnet_usage,
    ip_addresses,
    spaces,
    static_routes,
    dhcp_snippets,
    domains,
    controllers,
    registration,
    audit,
)


def resources() -> list[Resource]:
    """Every URL but that of the description."""
    found = [value for module in _MODULES for value in vars(module).values() if isinstance(value, Resource)]
    return [*found, *nothing_here.RESOURCES]


_DESCRIPTION = describe.document(resources())
_OPENAPI = openapi.document(resources(), PREFIX, rackyard.__version__)
# On every answer: MAAS's command line says so when the API is no longer the one it knows.
HEADERS = {describe.HASH_HEADER: str(_DESCRIPTION["hash"])}


def blueprint() -> Blueprint:
    """The API as a blueprint of its own app."""
    made = Blueprint("api", __name__, url_prefix=PREFIX)
    made.add_url_rule("/describe/", endpoint="describe", view_func=_describe, methods=["GET"])
    made.add_url_rule("/openapi.json", endpoint="openapi", view_func=_openapi, methods=["GET"])
    for resource in resources():
        resource.mount(made)
    for path in not_yet.PATHS:
        Resource(path, "", "").mount(made)
    return made


def _describe() -> Response:
    # MAAS's command line wants this Content-Type to the letter.
    body = current_app.json.dumps(describe.on_host(_DESCRIPTION, request.host_url))
    return Response(body, content_type="application/json")


def _openapi() -> Response:
    return jsonify(_OPENAPI)
