# SPDX-License-Identifier: GPL-3.0-or-later
"""`maas/`: the site's settings, by their own names and by those that MAAS has for the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify

from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.takes import Kind
from rackyard.region.context import Context
from rackyard.region.errors import Invalid
from rackyard.region.services.network.zones import DEFAULT_TTL_S
from rackyard.region.services.site import settings, validation

site = Resource("/maas/", "Maas", "The settings of the site.")


@dataclass(frozen=True)
class _Alias:
    """MAAS's name of a setting, where it measures otherwise."""

    name: str
    shown: Callable[[Any], Any] = lambda value: value
    taken: Callable[[str], str] = lambda text: text


def _seconds(minutes: str) -> str:
    return str(60 * validation.number("value", minutes, 1, 1440))


_ALIASES: Mapping[str, _Alias] = {
    "kernel_opts": _Alias("kernel_options"),
    # In minutes.
    "node_timeout": _Alias("commissioning_timeout_s", lambda seconds: seconds // 60, _seconds),
}
# What MAAS's clients ask for and the playbooks decide.
_GIVEN: Mapping[str, Callable[[Context], Any]] = {
    "maas_name": lambda ctx: ctx.config.domain,
    "maas_internal_domain": lambda ctx: ctx.config.domain,
    "default_dns_ttl": lambda _ctx: DEFAULT_TTL_S,
}


@site.read("get_config", takes={"name": Kind.TEXT})
def get_config(call: Call) -> Response:
    """The value of the setting `name`."""
    name = call.params.text("name") or ""
    if name in _GIVEN:
        return jsonify(_GIVEN[name](call.ctx))
    alias = _alias(name)
    return jsonify(alias.shown(settings.pick(settings.get_all(call.ctx), alias.name)))


@site.create("set_config", takes={"name": Kind.TEXT, "value": Kind.TEXT})
def set_config(call: Call) -> Response:
    """Set the setting `name` to `value`."""
    name = call.params.text("name") or ""
    if name in _GIVEN:
        raise Invalid.field("name", f"{name} is decided by the playbooks; change their variables instead.")
    alias = _alias(name)
    settings.put(call.ctx, call.actor, alias.name, alias.taken(call.params.text("value") or ""))
    # MAAS says the same, as plain text.
    return jsonify("OK")


def _alias(name: str) -> _Alias:
    if name not in _ALIASES and name not in settings.KNOWN:
        known = ", ".join(sorted([*settings.KNOWN, *_ALIASES, *_GIVEN]))
        raise Invalid.field("name", f"{validation.shown(name)} is not supported by this region yet; it has {known}.")
    return _ALIASES.get(name) or _Alias(name)
