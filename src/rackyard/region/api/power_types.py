# SPDX-License-Identifier: GPL-3.0-or-later
"""The racks' power drivers as MAAS describes them to forms."""

from __future__ import annotations

from typing import Any

from rackyard_core.power.base import Driver, Parameter
from rackyard_core.power.registry import DRIVERS

_FIELD_TYPES = {"ip": "ip_address", "choice": "choice"}


def shapes() -> list[dict[str, Any]]:
    """Every power type by name, with its fields in the order in which somebody fills them in."""
    return [_driver(driver) for _name, driver in sorted(DRIVERS.items())]


def _driver(driver: Driver) -> dict[str, Any]:
    """A chassis is a BMC with several machines behind it. Nothing that a driver needs is missing on a rack."""
    return {
        "driver_type": "power",
        "name": driver.name,
        "description": driver.label,
        "chassis": any(each.role == "slot" for each in driver.parameters),
        "can_probe": False,
        "queryable": driver.queryable,
        "can_set_boot_order": driver.sets_boot_device,
        "missing_packages": [],
        "fields": [_field(each) for each in driver.parameters],
    }


def _field(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "label": parameter.label,
        "field_type": "password" if parameter.secret else _FIELD_TYPES.get(parameter.kind, "string"),
        "required": parameter.required,
        "secret": parameter.secret,
        "default": parameter.default,
        "choices": [[choice, choice] for choice in parameter.choices],
        "scope": "node" if parameter.scope == "machine" else "bmc",
    }
