# SPDX-License-Identifier: GPL-3.0-or-later
"""The MAAS 2.0 shaped API: parse, call one service function, serialise."""

from __future__ import annotations

from types import ModuleType

from flask import Blueprint

from rackyard.region.api import account, controllers, machines, networks, nodes, site
from rackyard.region.api.dispatch import Resource

PREFIX = "/MAAS/api/2.0"
_MODULES: tuple[ModuleType, ...] = (site, account, machines, nodes, networks, controllers)


def resources() -> list[Resource]:
    """Every URL that needs a key."""
    return [value for module in _MODULES for value in vars(module).values() if isinstance(value, Resource)]


def blueprint() -> Blueprint:
    """The API as a blueprint of its own app."""
    made = Blueprint("api", __name__, url_prefix=PREFIX)
    site.mount_version(made)
    for resource in resources():
        resource.mount(made)
    return made
