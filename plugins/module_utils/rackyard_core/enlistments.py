# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that came by enlistment: which are accepted and which are refused. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .plan import Action, Plan

Row = Mapping[str, Any]


class NoSuchMachine(ValueError):
    """A machine that is named did not enlist; the message names those that did."""


@dataclass(frozen=True)
class Wish:
    """Who is accepted and refused, each by hostname, system_id or MAC. ``every`` accepts all that wait, of these
    subnets, vendors and serial numbers where any are given."""

    accept: Sequence[str] = ()
    reject: Sequence[str] = ()
    every: bool = False
    subnets: Sequence[str] = ()
    vendors: Sequence[str] = ()
    serials: Sequence[str] = ()

    def matches(self, row: Row) -> bool:
        """Whether a machine is one of all that are accepted."""
        limits = (("subnet", self.subnets), ("vendor", self.vendors), ("serial", self.serials))
        return self.every and all(not allowed or row[name] in allowed for name, allowed in limits)


def waiting(queue: Sequence[Row]) -> list[Row]:
    """The machines that nobody has accepted."""
    return [row for row in queue if row["system_id"] and not row["accepted_at"]]


def plan(queue: Sequence[Row], wish: Wish) -> Plan:
    """Accept and delete as wished. One that was accepted already, or is gone, needs nothing. Raises NoSuchMachine."""
    there = waiting(queue)
    refused = [row for row in there if _is_named(row, wish.reject)]
    taken = [row for row in there if row not in refused and (_is_named(row, wish.accept) or wish.matches(row))]
    known = [row for row in queue if row["system_id"]]
    missing = [name for name in wish.accept if not any(_is_named(row, [name]) for row in known)]
    if missing:
        names = ", ".join(str(row["hostname"]) for row in there) or "none"
        raise NoSuchMachine(f"No machine '{', '.join(missing)}' has enlisted. Waiting: {names}")
    before = [str(row["hostname"]) for row in there]
    gone = {str(row["hostname"]) for row in (*taken, *refused)}
    actions = [_action("accept", row) for row in taken] + [_action("delete", row) for row in refused]
    return Plan({"waiting": before}, {"waiting": [name for name in before if name not in gone]}, tuple(actions))


def _action(verb: str, row: Row) -> Action:
    return Action(verb, f"machine {row['hostname']}", {"system_id": row["system_id"]})


def _is_named(row: Row, names: Sequence[str]) -> bool:
    return bool({row["hostname"], row["system_id"], row["mac"]} & {name.lower() for name in names})
