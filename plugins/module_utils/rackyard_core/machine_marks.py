# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people mark a machine with: plan its tags, its texts, whether it is broken and whether it is locked exactly as
wished, carry that out. Devices have such texts too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .client import RegionClient, RegionRefused
from .machine_lookup import machine_path
from .plan import Action, Plan

# What an action of this file begins with.
TAGGING = {"give": "add", "take": "remove"}
VERBS = (*TAGGING, "write")
# Texts by name, as the API and the modules call them: of whoever has it, and about what runs on it.
TEXTS = ("owner_data", "workload_annotations")
# It names the operation in a request.
_RESERVED = "op"
_BROKEN, _FAILED_TESTING = "Broken", "Failed testing"


def wished_tags(given: Iterable[str] | None) -> tuple[str, ...] | None:
    """Option ``tags`` in the region's order, each once."""
    return None if given is None else tuple(sorted({text.strip() for text in given}))


def wished_texts(options: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The given ones of TEXTS as the region keeps them: texts, none of them empty. Raises ValueError for a bad name."""
    return {kind: _texts(kind, options[kind]) for kind in TEXTS if options.get(kind) is not None}


def _texts(kind: str, given: Mapping[str, Any]) -> dict[str, str]:
    if _RESERVED in given:
        raise ValueError(f"{kind}: the region keeps no text of the name '{_RESERVED}'; choose another name")
    texts = {str(name): _text(value) for name, value in given.items()}
    return {name: text for name, text in texts.items() if text}


def view(machine: Mapping[str, Any]) -> dict[str, Any]:
    """What can be decided on."""
    return {"tags": sorted(machine.get("tag_names") or ()), **texts_view(machine)}


def texts_view(row: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The texts of a machine or device of the API."""
    return {kind: dict(row.get(kind) or {}) for kind in TEXTS}


def with_marks(plan: Plan, hostname: str, tags: tuple[str, ...] | None, texts: Mapping[str, Mapping[str, str]]) -> Plan:
    """The plan of a machine that shall be there, and what makes its marks as wished; None leaves its tags alone."""
    target = f"machine {hostname}"
    after = dict(plan.after)
    actions = list(plan.actions)
    if tags is not None:
        current = plan.before.get("tags", [])
        actions += [Action("give", f"tag {tag} to {target}", {"tag": tag}) for tag in tags if tag not in current]
        actions += [Action("take", f"tag {tag} from {target}", {"tag": tag}) for tag in current if tag not in tags]
        after["tags"] = list(tags)
    return with_texts(Plan(plan.before, after, tuple(actions)), target, texts)


def with_texts(plan: Plan, target: str, texts: Mapping[str, Mapping[str, str]]) -> Plan:
    """The plan of what shall be there, and what makes those of its texts that are given as wished."""
    after, actions = dict(plan.after), list(plan.actions)
    for kind, wished in texts.items():
        had = plan.before.get(kind, {})
        gone = {name: "" for name in had if name not in wished}
        changes = {**{name: text for name, text in wished.items() if had.get(name) != text}, **gone}
        if changes:
            actions.append(Action("write", f"{kind} of {target}", {"kind": kind, "texts": changes}))
        after[kind] = dict(wished)
    return Plan(plan.before, after, tuple(actions))


def require_tags(client: RegionClient, wished: Iterable[str]) -> None:
    """Raise RegionRefused, before anything is done, for a tag that the region does not have."""
    wanted = set(wished)
    missing = sorted(wanted - {tag["name"] for tag in client.get("tags/")}) if wanted else []
    if missing:
        raise RegionRefused(f"There is no tag '{', '.join(missing)}'; declare it with rackyard.metal.tag first", 404)


def carry_out(client: RegionClient, machine: Mapping[str, Any], action: Action) -> None:
    """Do one of this file's actions."""
    if action.verb == "write":
        write_texts(client, machine_path(machine), action)
        return
    retag(client, action.values["tag"], action.verb, [machine["system_id"]])


def retag(client: RegionClient, tag: str, verb: str, system_ids: Sequence[str]) -> None:
    """Give a tag to all of these machines, or take it from them; when the region refuses, nothing is changed."""
    client.post(f"tags/{tag}/", op="update_nodes", **{TAGGING[verb]: list(system_ids)})


def write_texts(client: RegionClient, path: str, action: Action) -> Any:
    """Do an action of ``with_texts`` on the machine or device at that path of the API; what the API shows of it."""
    return client.post(path, f"set_{action.values['kind']}", **action.values["texts"])


def plan_marks(
    machine: Mapping[str, Any], broken: bool | None, locked: bool | None, override_failed_testing: bool = False
) -> Plan:
    """The operations after which a machine of the API is as wished; None leaves it alone. Nothing changes while it is
    locked: the lock goes first and comes last."""
    before = {"broken": machine["status_name"] == _BROKEN, "locked": bool(machine["locked"])}
    wished = {name: value for name, value in (("broken", broken), ("locked", locked)) if value is not None}
    if override_failed_testing and not broken:
        before["failed_testing"] = machine["status_name"] == _FAILED_TESTING
        wished["failed_testing"] = False
    changes = {name: value for name, value in wished.items() if value != before[name]}
    marking = {True: "mark_broken", False: "mark_fixed"}
    verbs = [
        *(["unlock"] if changes.get("locked") is False else []),
        *(["override_failed_testing"] if "failed_testing" in changes else []),
        *([marking[changes["broken"]]] if "broken" in changes else []),
        *(["lock"] if changes.get("locked") else []),
    ]
    return Plan(before, {**before, **changes}, tuple(Action(verb, f"machine {machine['hostname']}") for verb in verbs))


def carry_out_marks(client: RegionClient, machine: Mapping[str, Any], plan: Plan, comment: str) -> dict[str, Any]:
    """Do that plan, each operation with the comment. The machine afterwards."""
    after = dict(machine)
    for action in plan.actions:
        after = client.post(machine_path(machine), op=action.verb, comment=comment)
    return after


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
