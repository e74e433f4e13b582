# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of power drivers, from what each of them declares."""

from __future__ import annotations

from collections.abc import Mapping

from rackyard_core.power.base import Driver, Parameter

INTRODUCTION = """# Power drivers

What a machine says of its BMC (`power_type`, `power_parameters`), by the kind of BMC. Which rack talks to it, and what
happens when none reaches it, is told in [architecture](docs/architecture.md#how-a-rack-talks-to-bmcs).
"""


def page(drivers: Mapping[str, Driver]) -> str:
    """The page, in Markdown."""
    lines = [INTRODUCTION]
    for name, driver in sorted(drivers.items()):
        can = "can be asked for the power state" if driver.queryable else "cannot be asked for the power state"
        sets = "sets what is booted next" if driver.sets_boot_device else "does not set what is booted next"
        lines += [f"## {name}", "", f"{driver.label}: {can}, {sets}.", ""]
        if driver.parameters:
            lines += ["| setting | | values | default |", "|---|---|---|---|"]
            lines += [_row(parameter) for parameter in driver.parameters] + [""]
    return "\n".join(lines)


def _row(parameter: Parameter) -> str:
    marks = ["required"] * parameter.required + ["secret"] * parameter.secret
    marks += ["of the machine, not of its BMC"] * (parameter.scope == "machine")
    label = ", ".join([parameter.label, *marks])
    values = ", ".join(f"`{choice}`" for choice in parameter.choices if choice) or parameter.kind
    limit = f", at most {parameter.max_bytes} bytes" if parameter.max_bytes else ""
    default = f"`{parameter.default}`" if parameter.default else ""
    return f"| `{parameter.name}` | {label} | {values}{limit} | {default} |"
