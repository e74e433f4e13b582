# SPDX-License-Identifier: GPL-3.0-or-later
"""What a handler takes: said once, where the request is routed. What is not said there no handler sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any

from rackyard.region.api.params import Params
from rackyard.region.errors import Invalid
from rackyard.region.services.site import validation


class Kind(Enum):
    """How the text of a parameter is read."""

    TEXT = "text"
    TEXTS = "texts"
    WORDS = "words"
    FLAG = "true or false"
    INTEGER = "whole number"
    # MAAS can change it and this region cannot (yet): `hold` takes only what is so already.
    FIXED = "as it is"


# By name; one that ends with * stands for all names that begin so.
Takes = Mapping[str, Kind]
NOTHING: Takes = MappingProxyType({})
# What MAAS's clients add to any request, and what changes nothing here.
_HARMLESS = {"op", "format"}


def fixed(*names: str) -> Takes:
    """Parameters that can only be what they are."""
    return dict.fromkeys(names, Kind.FIXED)


def taken(params: Params, takes: Takes) -> Params:
    """Those parameters that a handler takes."""
    return params.only(lambda name: _covers(takes, name))


def refuse_unknown(params: Params, takes: Takes, what: str) -> None:
    """A list that ignores a filter shows too much to somebody who acts on all that it shows. Raises Invalid."""
    known = ", ".join(takes) or "no parameters"
    wrong = {
        name: [f"{what} does not know {validation.shown(name)}; it takes {known}."]
        for name in params.names()
        if name not in _HARMLESS and not _covers(takes, name) and params.texts(name)
    }
    if wrong:
        raise Invalid(wrong)


def hold(params: Params, takes: Takes, has: Callable[[], Mapping[str, Any]]) -> None:
    """Whoever sends all parameters always, as Terraform does, may send those that are fixed as the object has them, or
    empty; `has` tells how that is, and is asked only then. Raises Invalid for others: they would be left undone."""
    given = {name: params.texts(name) or [] for name, kind in takes.items() if kind is Kind.FIXED}
    if not any(given.values()):
        return
    known = has()
    wrong = {
        name: [f"{validation.shown(text)} is not supported by this region yet; leave {name} out."]
        for name, texts in given.items()
        for text in texts
        if text.strip().lower() not in _forms(known.get(name))
    }
    if wrong:
        raise Invalid(wrong)


def _covers(takes: Takes, name: str) -> bool:
    return name in takes or any(known.endswith("*") and name.startswith(known[:-1]) for known in takes)


def _forms(value: Any) -> set[str]:
    """The ways in which clients write what they have read: an object is named by its id or its name."""
    if isinstance(value, dict):
        return {str(value[key]).lower() for key in ("id", "name") if key in value}
    if isinstance(value, bool):
        return {"true", "1", "on", "yes"} if value else {"false", "0", "off", "no"}
    if isinstance(value, list):
        return set().union(*map(_forms, value))
    return {"none", "null"} if value is None else {str(value).lower()}
