# SPDX-License-Identifier: GPL-3.0-or-later
"""The power settings of a machine, as MAAS names them. Which there are, the racks' drivers declare: what no rack can
honour is refused here, and not when the machine should go on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rackyard.region.errors import Invalid
from rackyard.region.services.site import validation
from rackyard_core.power import fields, places
from rackyard_core.power.base import Parameter
from rackyard_core.power.registry import DRIVERS

FIELD = "power_parameters"


@dataclass(frozen=True)
class PowerSettings:
    """How to reach a machine's BMC. `values` are all settings by name but secrets; `secrets` are those that were given
    now: stored ones (`has_secrets`) stay with the BMC that they were for."""

    type: str
    values: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    has_secrets: bool = False

    @property
    def address(self) -> str | None:
        """The BMC's address, None when there is no BMC."""
        return self._of_role("address") or None

    @property
    def port(self) -> int | None:
        """The BMC's port, None for the usual one: a BMC is the same with and without it."""
        port = int(self._of_role("port") or 0)
        return None if port in (0, fields.usual_port(self.type)) else port

    @property
    def slot(self) -> str:
        """Which of the machines behind the BMC; empty where a BMC has one."""
        return self._of_role("slot")

    def of_scope(self, scope: str) -> dict[str, str]:
        """The settings of the `bmc`, or of the `machine`, besides what makes it this BMC."""
        names = [one.name for one in fields.declared(self.type) if one.scope == scope]
        places = (fields.named(self.type, "address"), fields.named(self.type, "port"))
        return {name: self.values[name] for name in names if name in self.values and name not in places}

    def _of_role(self, role: str) -> str:
        return self.values.get(fields.named(self.type, role), "")


@dataclass(frozen=True)
class PowerWish:
    """What an operator said about power: a type, or None for the one that the machine has, and parameters."""

    type: str | None
    given: Mapping[str, str] = field(repr=False)

    def settings(self, before: PowerSettings | None) -> PowerSettings:
        """What comes of it for a machine that has `before`. Raises Invalid naming the parameter."""
        kind = self.type if self.type is not None else before.type if before else ""
        return parse(kind, self.given, before)


def parse(kind: str, given: Mapping[str, str], before: PowerSettings | None = None) -> PowerSettings:
    """Settings from MAAS's parameters; what is not given is taken from `before`, if that is of the same type.

    Raises Invalid naming the parameter.
    """
    if kind and kind not in DRIVERS:
        known = " or ".join(sorted(DRIVERS))
        raise Invalid.field("power_type", f"{validation.shown(kind)} is no known power type; use {known}.")
    known_fields = {parameter.name: parameter for parameter in fields.declared(kind)}
    _refuse_unknown(kind, given, known_fields)
    base = before if before and before.type == kind else PowerSettings(kind)
    values: dict[str, str] = dict(base.values)
    secrets: dict[str, str] = {}
    for name, text in given.items():
        parameter = known_fields[name]
        if parameter.kind in ("ip", "host", "uri", "port") and not text:
            continue  # MAAS's clients send what was left empty
        (secrets if parameter.secret else values)[name] = _checked(kind, parameter, text)
    settings = PowerSettings(kind, values, secrets)
    _refuse_gaps(base, settings)
    _refuse_foreign_secrets(base, settings)
    _refuse_elsewhere(settings)
    return settings


def keeps_secrets(before: PowerSettings, after: PowerSettings) -> bool:
    """Whether the stored secrets are still of use: they are sent to no BMC but the one that they were given for."""
    return (before.type, before.address) == (after.type, after.address)


def _refuse_unknown(kind: str, given: Mapping[str, str], known: Mapping[str, Parameter]) -> None:
    if given and not known:
        types = " or ".join(fields.with_bmc())
        raise Invalid.field(FIELD, f"Power type {kind or 'none'} takes no parameters; give power_type={types}.")
    for name in given:
        if name not in known:
            raise Invalid.field(
                FIELD, f"Unknown parameter {validation.shown(name)}; known are {', '.join(sorted(known))}."
            )


def _refuse_gaps(before: PowerSettings, after: PowerSettings) -> None:
    kept = before.has_secrets and keeps_secrets(before, after)
    for parameter in fields.declared(after.type):
        name, stored = parameter.name, parameter.secret and kept
        if parameter.required and not stored and not after.values.get(name) and not after.secrets.get(name):
            raise Invalid.field(
                FIELD,
                f"Power type {after.type} needs the BMC's {parameter.label.lower()}; give power_parameters_{name}.",
            )


def _refuse_foreign_secrets(before: PowerSettings, after: PowerSettings) -> None:
    if before.has_secrets and not after.secrets and not keeps_secrets(before, after):
        names = " or ".join(parameter.name for parameter in fields.declared(after.type) if parameter.secret)
        raise Invalid.field(
            FIELD,
            f"A new {fields.named(after.type, 'address')} needs {names} as well: the stored password was given for "
            f"BMC {before.address} and is sent to no other.",
        )


def _refuse_elsewhere(after: PowerSettings) -> None:
    """Secrets are sent to one web server only, which is the one that the rack is chosen for."""
    for parameter in fields.declared(after.type):
        uri = after.values.get(parameter.name)
        if parameter.beside_address and uri and after.address and places.origin(uri) != places.origin(after.address):
            raise Invalid.field(
                FIELD,
                f"{parameter.name} must have the scheme, host and port of {fields.named(after.type, 'address')}, "
                f"{after.address}; correct one of them.",
            )


def _checked(kind: str, parameter: Parameter, text: str) -> str:
    if parameter.kind == "ip":
        return str(validation.address(FIELD, text))
    if parameter.kind in ("host", "uri"):
        return _place(parameter, text)
    if parameter.kind == "regex":
        return _regex(kind, parameter, text)
    if parameter.kind == "port":
        return str(validation.number(FIELD, text, 1, 65535))
    return _option(parameter, text) if parameter.kind == "choice" else _short(kind, parameter, text)


def _place(parameter: Parameter, text: str) -> str:
    try:
        return places.uri(text) if parameter.kind == "uri" else places.host(text)
    except ValueError as reason:
        raise Invalid.field(FIELD, f"{parameter.name} {validation.shown(text)} {reason}.") from None


def _regex(kind: str, parameter: Parameter, text: str) -> str:
    short = _short(kind, parameter, text)
    try:
        re.compile(short)
    except (re.error, OverflowError, RecursionError) as reason:
        raise Invalid.field(
            FIELD, f"{parameter.name} {validation.shown(text)} is no regular expression of Python: {reason}."
        ) from None
    return short


def _short(kind: str, parameter: Parameter, text: str) -> str:
    """Never quotes the text: it may be a password."""
    limit = parameter.max_bytes
    if (limit and len(text.encode()) > limit) or not text.isprintable():
        most = f"at most {limit} printable characters (a limit of power type {kind})" if limit else "printable"
        raise Invalid.field(FIELD, f"{parameter.name} must be {most}.")
    return text


def _option(parameter: Parameter, value: str) -> str:
    if value not in parameter.choices:
        choices = ", ".join(choice or "(empty)" for choice in parameter.choices)
        raise Invalid.field(FIELD, f"{parameter.name} {validation.shown(value)} is unknown; use one of {choices}.")
    return value
