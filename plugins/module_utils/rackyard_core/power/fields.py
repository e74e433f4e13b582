# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drivers declare of their settings, by the name of a power type.

No power type ("") and one that is not known here have no settings."""

from __future__ import annotations

from .base import Parameter
from .registry import DRIVERS


def declared(kind: str) -> tuple[Parameter, ...]:
    """The settings of a power type."""
    return DRIVERS[kind].parameters if kind in DRIVERS else ()


def of_role(kind: str, role: str) -> Parameter | None:
    """The setting that has this role, if the power type has one."""
    return next((parameter for parameter in declared(kind) if parameter.role == role), None)


def named(kind: str, role: str) -> str:
    """The name of that setting, or an empty one."""
    found = of_role(kind, role)
    return found.name if found else ""


def usual_port(kind: str) -> int | None:
    """The port of a BMC that none is given for; None where BMCs have no port."""
    found = of_role(kind, "port")
    return int(found.default) if found and found.default else None


def has_bmc(kind: str) -> bool:
    """Whether there is something to talk to."""
    return of_role(kind, "address") is not None


def is_exclusive(kind: str) -> bool:
    """Whether a BMC has one machine only: two behind it would power each other off."""
    return has_bmc(kind) and of_role(kind, "slot") is None


def with_bmc() -> list[str]:
    """The power types that have a BMC, by name."""
    return sorted(kind for kind in DRIVERS if has_bmc(kind))


def queryable() -> list[str]:
    """The power types whose power state can be asked, by name."""
    return sorted(kind for kind, driver in DRIVERS.items() if driver.queryable)
