# SPDX-License-Identifier: GPL-3.0-or-later
"""`op=describe_power_types`: which drivers the racks have, and what to say of a BMC."""

from __future__ import annotations

from typing import Any

from rackyard.region.api import controllers
from rackyard.region.api.dispatch import Call
from rackyard_core.power.base import Driver, Parameter
from rackyard_core.power.fields import is_exclusive
from rackyard_core.power.registry import DRIVERS

# MAAS's kinds of field. What is written as text of a form of its own is checked by the region.
_FIELD_TYPES = {"ip": "ip_address", "choice": "choice"}


@controllers.collection.read("describe_power_types")
def describe_power_types(call: Call) -> list[dict[str, Any]]:
    """Every power type with its fields, as those that build forms want it."""
    return [_shape(DRIVERS[name]) for name in sorted(DRIVERS)]


def _shape(driver: Driver) -> dict[str, Any]:
    return {
        "driver_type": "power",
        "name": driver.name,
        "description": driver.label,
        "fields": [_field(parameter) for parameter in driver.parameters],
        "missing_packages": [],
        "chassis": bool(driver.parameters) and not is_exclusive(driver.name),
        "can_probe": False,
        "queryable": driver.queryable,
    }


def _field(parameter: Parameter) -> dict[str, Any]:
    kind = "password" if parameter.secret else _FIELD_TYPES.get(parameter.kind, "string")
    return {
        "name": parameter.name,
        "label": parameter.label,
        "required": parameter.required,
        "field_type": kind,
        "choices": [[choice, choice] for choice in parameter.choices],
        "default": parameter.default,
        # MAAS calls what is each machine's own that of the node.
        "scope": "node" if parameter.scope == "machine" else "bmc",
        "secret": parameter.secret,
    }
