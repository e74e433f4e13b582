# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SSH key of the account whose API key is used: whether it should be there, and carrying that out."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .client import RegionClient
from .plan import Action, Plan

PATH = "account/prefs/sshkeys/"


@dataclass(frozen=True)
class PublicKey:
    """A line of a ``.pub`` file. The comment is no part of what the key is."""

    kind: str
    blob: str
    comment: str = ""

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Raises ValueError for what cannot be a key; the region looks closer."""
        line = text.strip()
        parts = line.split(maxsplit=2)
        if len(parts) < 2 or not line.isprintable() or not _is_base64(parts[1]):
            raise ValueError(
                "key: this is no public key; give the one line of a .pub file, such as 'ssh-ed25519 AAAA... ann@laptop'"
            )
        return cls(*parts)

    @property
    def line(self) -> str:
        """As the region keeps it."""
        return f"{self.kind} {self.blob} {self.comment}".strip()

    def is_same(self, other: PublicKey) -> bool:
        """Whether both are one key."""
        return (self.kind, self.blob) == (other.kind, other.blob)

    def __str__(self) -> str:
        return f"SSH key {self.comment or self.kind + ' ...' + self.blob[-12:]}"


def find_key(known: Sequence[Mapping[str, Any]], wanted: PublicKey) -> dict[str, Any] | None:
    """The region's object of this key, whatever its comment there, None when there is none."""
    return next((dict(one) for one in known if PublicKey.parse(one["key"]).is_same(wanted)), None)


def plan_for(current: Mapping[str, Any] | None, wanted: PublicKey, state: str) -> Plan:
    """Add the key or remove it. One that is there with another comment stays as it is."""
    before = {} if current is None else {"key": current["key"]}
    if state == "absent":
        return Plan(before, {}, () if current is None else (Action("delete", str(wanted), {"id": current["id"]}),))
    if current is not None:
        return Plan(before, before)
    return Plan({}, {"key": wanted.line}, (Action("create", str(wanted), {"key": wanted.line}),))


def carry_out(client: RegionClient, current: Mapping[str, Any] | None, plan: Plan) -> dict[str, Any] | None:
    """Do the plan's action; the key afterwards, None when it is gone."""
    after = None if current is None else dict(current)
    for action in plan.actions:
        if action.verb == "create":
            after = client.post(PATH, **action.values)
        else:
            client.delete(f"{PATH}{action.values['id']}/")
            after = None
    return after


def of_source(known: Sequence[Mapping[str, Any]], source: str) -> list[dict[str, Any]]:
    """The region's objects of the keys that were imported from this source (``gh:ann``)."""
    return [dict(one) for one in known if one["keysource"] == source]


def plan_for_source(known: Sequence[Mapping[str, Any]], source: str, state: str) -> Plan:
    """Import the keys of a source that none was imported from yet, or remove those that were."""
    there = of_source(known, source)
    before = {"keys": [one["key"] for one in there]}
    if state == "absent":
        return Plan(before, {"keys": []}, tuple(_removal(one) for one in there))
    return Plan(before, before, () if there else (Action("import", f"SSH keys of {source}"),))


def import_from(
    client: RegionClient, known: Sequence[Mapping[str, Any]], source: str
) -> tuple[Plan, list[dict[str, Any]]]:
    """Have the region import what is missing: what was done, and the account's keys that the source publishes."""
    published: list[dict[str, Any]] = client.post(PATH, op="import", keysource=source)
    ids = {one["id"] for one in known}
    new = [one for one in published if one["id"] not in ids]
    before = [one["key"] for one in of_source(known, source)]
    actions = tuple(Action("import", f"{PublicKey.parse(one['key'])} of {source}") for one in new)
    return Plan({"keys": before}, {"keys": [*before, *(one["key"] for one in new)]}, actions), published


def _removal(one: Mapping[str, Any]) -> Action:
    return Action("delete", str(PublicKey.parse(one["key"])), {"id": one["id"]})


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False
