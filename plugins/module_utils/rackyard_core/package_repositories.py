# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package repository: what it should be, the plan that makes it so, and carrying that out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .client import RegionClient
from .plan import Action, Plan, differing

PATH = "package-repositories/"
ARCHES = ("amd64", "arm64")
# What a new one has of that which is not given.
_NEW: Mapping[str, Any] = {
    "distributions": [],
    "components": [],
    "arches": list(ARCHES),
    "key": "",
    "enabled": True,
    "disable_sources": True,
}
FIELDS = ("name", "url", *_NEW)


class BadRepository(ValueError):
    """The wish cannot be fulfilled; the message names the repository and the remedy."""


def read(client: RegionClient, name: str) -> Mapping[str, Any]:
    """The API's object of that name, empty when there is none."""
    return next((row for row in client.get(PATH) if row["name"] == name), {})


def view_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A repository in the module's words, empty for an empty row."""
    return {name: row[name] for name in FIELDS} if row else {}


def desired(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the options of module ``package_repository`` say, as the region keeps it. None means "leave it alone"."""
    wanted = {name: options[name] for name in FIELDS if name != "name"}
    for name in ("distributions", "components"):
        if wanted[name] is not None:
            wanted[name] = list(dict.fromkeys(wanted[name]))
    if wanted["arches"] is not None:
        wanted["arches"] = sorted(set(wanted["arches"])) or list(ARCHES)
    if wanted["key"] is not None:
        wanted["key"] = "\n".join(line.strip() for line in wanted["key"].strip().splitlines())
    return wanted


def plan(view: Mapping[str, Any], options: Mapping[str, Any]) -> Plan:
    """Create, correct or remove. Raises BadRepository."""
    name = options["name"]
    target = f"package repository {name}"
    if options["state"] == "absent":
        return Plan(view, {}, (Action("delete", target),) if view else ())
    wanted = desired(options)
    if view:
        changes = differing(view, wanted)
        return Plan(view, {**view, **changes}, (Action("update", target, changes),) if changes else ())
    if not wanted["url"]:
        raise BadRepository(f"There is no {target} yet; give its url")
    given = {key: value for key, value in wanted.items() if value is not None}
    made = {"name": name, **_NEW, **given}
    return Plan({}, made, (Action("create", target, made),))


def carry_out(client: RegionClient, row: Mapping[str, Any], wanted: Plan) -> None:
    """Do the plan's actions. Raises RegionRefused with the region's own words."""
    for action in wanted.actions:
        # An empty list says nothing in a form; an empty text does.
        values = {name: value if value != [] else "" for name, value in action.values.items()}
        if action.verb == "create":
            client.post(PATH, **values)
        elif action.verb == "update":
            client.put(f"{PATH}{row['id']}/", **values)
        else:
            client.delete(f"{PATH}{row['id']}/")
