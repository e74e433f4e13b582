# SPDX-License-Identifier: GPL-3.0-or-later
"""The power settings of a machine, as MAAS names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rackyard.region.errors import Invalid
from rackyard.region.services.site import validation
from rackyard_core.power.base import Parameter
from rackyard_core.power.registry import DRIVERS

TYPES = ("", "manual", "ipmi")
FIELD = "power_parameters"
IPMI_PORT = 623

# What the racks' driver declares: what no rack can honour is refused here, and not when the machine should go on.
_IPMI: Mapping[str, Parameter] = {parameter.name: parameter for parameter in DRIVERS["ipmi"].parameters}
_OPTIONS: Mapping[str, Sequence[str]] = {
    name: parameter.choices for name, parameter in _IPMI.items() if parameter.kind == "choice"
}


@dataclass(frozen=True)
class PowerSettings:
    """How to reach a machine's BMC. `password` is None when none was given: the stored one stays, if there is one
    (`has_password`) and it is for the same type of power."""

    type: str
    address: str | None = None
    port: int | None = None
    user: str = ""
    password: str | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    has_password: bool = False


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
    if kind not in TYPES:
        raise Invalid.field("power_type", f"{validation.shown(kind)} is no known power type; use ipmi or manual.")
    if kind != "ipmi":
        if given:
            raise Invalid.field(FIELD, f"Power type {kind or 'none'} takes no parameters; give power_type=ipmi.")
        return PowerSettings(kind)
    base = before if before and before.type == kind else PowerSettings(kind)
    known = {"power_address", "power_port", "power_user", "power_pass", *_OPTIONS}
    for name in given:
        if name not in known:
            raise Invalid.field(
                FIELD, f"Unknown parameter {validation.shown(name)}; known are {', '.join(sorted(known))}."
            )
    settings = PowerSettings(
        type=kind,
        address=_address(given, base),
        port=validation.number(FIELD, given["power_port"], 1, 65535) if given.get("power_port") else base.port,
        user=_short(given.get("power_user", base.user), "power_user"),
        password=_short(given["power_pass"], "power_pass") if "power_pass" in given else None,
        options={**base.options, **{name: _option(name, given[name]) for name in _OPTIONS if name in given}},
    )
    if settings.address is None:
        raise Invalid.field(FIELD, "Power type ipmi needs the BMC's address; give power_parameters_power_address.")
    if base.has_password and settings.password is None and settings.address != base.address:
        raise Invalid.field(
            FIELD,
            f"A new power_address needs power_pass as well: the stored password was given for BMC {base.address} and "
            "is sent to no other.",
        )
    return settings


def keeps_password(before: PowerSettings, after: PowerSettings) -> bool:
    """Whether the stored password is still of use: for another type of power it would only lie about."""
    return before.type == after.type


def _address(given: Mapping[str, str], base: PowerSettings) -> str | None:
    return str(validation.address(FIELD, given["power_address"])) if given.get("power_address") else base.address


def _short(text: str, name: str) -> str:
    """Never quotes the text: it may be a password."""
    limit = _IPMI[name].max_bytes
    if len(text.encode()) > limit or not text.isprintable():
        raise Invalid.field(FIELD, f"{name} must be at most {limit} printable characters (a limit of IPMI).")
    return text


def _option(name: str, value: str) -> str:
    if value not in _OPTIONS[name]:
        choices = ", ".join(choice or "(empty)" for choice in _OPTIONS[name])
        raise Invalid.field(FIELD, f"{name} {validation.shown(value)} is unknown; use one of {choices}.")
    return value
