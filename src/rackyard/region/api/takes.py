# SPDX-License-Identifier: GPL-3.0-or-later
"""What a handler takes: said once, where the request is routed. What is not said there no handler sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rackyard.region.api.params import NOTHING, Kind, Params, Takes, kind_in
from rackyard.region.errors import Invalid
from rackyard.region.services.site import validation

__all__ = ["NOTHING", "Kind", "Takes", "fixed", "hold", "refuse_unknown"]


# What MAAS's clients add to any request, and what changes nothing here.
_HARMLESS = {"op", "format"}
# What MAAS's lists can be asked about, each also with `not_` before it, and what nothing here has: `agent_name` comes
# with `op=allocate`, and so does the grammar of `storage`, `interfaces` and `devices`, which chooses disks and NICs.
_LATER = {"agent_name", "storage", "interfaces", "devices", "pod", "pod_type", "parent"}
_LATER |= {"osystem", "distro_series", "error_description"}


def fixed(*names: str) -> Takes:
    """Parameters that can only be what they are."""
    return dict.fromkeys(names, Kind.FIXED)


def refuse_unknown(params: Params, takes: Takes, what: str) -> None:
    """A list that ignores a filter shows too much to somebody who acts on all that it shows. Raises Invalid."""
    known = ", ".join(takes) or "no parameters"
    wrong = {
        name: [f"{what} {_unknown(name)}; it takes {known}."]
        for name in params.names()
        if name not in _HARMLESS and not kind_in(takes, name) and params.given(name)
    }
    if wrong:
        raise Invalid(wrong)


def _unknown(name: str) -> str:
    later = name.removeprefix("not_") in _LATER
    return f"does not support {validation.shown(name)} yet" if later else f"does not know {validation.shown(name)}"


def hold(params: Params, takes: Takes, has: Callable[[], Mapping[str, Any]]) -> None:
    """Whoever sends all parameters always, as Terraform does, may send those that are fixed as the object has them, or
    empty; `has` tells how that is, and is asked only then. Raises Invalid for others: they would be left undone."""
    given = {name: params.given(name) for name, kind in takes.items() if kind is Kind.FIXED}
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


def _forms(value: Any) -> set[str]:
    """The ways in which clients write what they have read: an object is named by its id or its name."""
    if isinstance(value, dict):
        return {str(value[key]).lower() for key in ("id", "name") if key in value}
    if isinstance(value, bool):
        return {"true", "1", "on", "yes"} if value else {"false", "0", "off", "no"}
    if isinstance(value, list):
        return set().union(*map(_forms, value))
    return {"none", "null"} if value is None else {str(value).lower()}
