# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide, then act: what a planning function returns, and what check mode, diff mode and the real run all use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# In a plan's before and after in place of a password. They differ, so that a diff shows that one is set.
SECRET_BEFORE, SECRET_AFTER = "(kept by the region, never shown)", "(as given)"


@dataclass(frozen=True)
class Action:
    """One step on the way from before to after. ``verb`` and ``target`` are for people too: create, machine m1."""

    verb: str
    target: str
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return f"{self.verb} {self.target}"


@dataclass(frozen=True)
class Plan:
    """``before`` and ``after`` hold only what the caller can decide on, without secrets."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    actions: tuple[Action, ...] = ()

    @property
    def changed(self) -> bool:
        """True when something has to be done."""
        return bool(self.actions)

    def result(self) -> dict[str, Any]:
        """The keys that every module returns: changed, actions (words) and diff."""
        return {
            "changed": self.changed,
            "actions": [str(action) for action in self.actions],
            "diff": {"before": dict(self.before), "after": dict(self.after)},
        }


def differing(current: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, Any]:
    """The desired values that are not current. A desired None means "leave it alone"."""
    return {name: value for name, value in desired.items() if value is not None and current.get(name) != value}
