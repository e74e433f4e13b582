# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What machines and racks differ in from what is declared of them: read it, and say it in a few lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .client import RegionClient
from .machine_lookup import no_such_machines
from .wire import fitting

SAME, DIFFERS, UNKNOWN, UNDECLARED = "same", "differs", "unknown", "undeclared"
# Of these nobody can say that they are as declared.
TROUBLING = (DIFFERS, UNKNOWN)
_WORDS = {SAME: "as declared", DIFFERS: "different", UNKNOWN: "not known", UNDECLARED: "without a declaration"}


def of_machines(client: RegionClient, hostnames: Sequence[str] | None) -> list[dict[str, Any]]:
    """All machines by host name, or exactly the named ones. Raises RegionRefused for an unknown name."""
    if hostnames is None:
        return list(client.get("machines/", op="drift"))
    names = set(hostnames)
    parts = fitting("hostname", sorted(names))
    found = [one for part in parts for one in client.get("machines/", op="drift", hostname=part)]
    missing = sorted(names - {one["hostname"] for one in found})
    if missing:
        raise no_such_machines(client, missing)
    return sorted(found, key=lambda one: str(one["hostname"]))


def of_racks(client: RegionClient) -> list[dict[str, Any]]:
    """All racks by host name."""
    return list(client.get("rackcontrollers/", op="drift"))


def result(**found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the module returns of ``machines`` and perhaps ``racks``. ``differs`` is also true where something is not
    known."""
    return {
        "changed": False,
        "differs": any(one["state"] in TROUBLING for each in found.values() for one in each),
        **found,
        "summary": [line for kind, each in found.items() for line in _summary(kind.removesuffix("s"), each)],
        "diff": [diff for kind, each in found.items() for diff in _diffs(kind.removesuffix("s"), each)],
    }


def _summary(kind: str, found: Sequence[Mapping[str, Any]]) -> list[str]:
    """How many there are of each state, and each difference in a line."""
    counts = Counter(one["state"] for one in found)
    told = ", ".join(f"{counts[state]} {words}" for state, words in _WORDS.items() if counts[state])
    lines = [f"{kind}s: {told or 'none'}"]
    for one in found:
        if one["state"] == UNKNOWN:
            lines.append(f"{kind} {one['hostname']}: {_why_unknown(kind, one)}")
        lines += [f"{kind} {one['hostname']}: {_words(each)}" for each in one["differences"] or ()]
    return lines


def _why_unknown(kind: str, one: Mapping[str, Any]) -> str:
    if kind == "machine":
        return "it was never commissioned; commission it"
    return f"not heard of, or has said nothing of its daemons; last heard {one['last_seen_at'] or 'never'}"


def _words(difference: Mapping[str, Any]) -> str:
    declared, found = difference["declared"], difference["found"]
    return f"{difference['what']}: declared {_text(declared)}, found {_text(found)}"


def _text(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=True)


def _diffs(kind: str, found: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """From what was found to what is declared, for Ansible's diff mode; of each object what differs only."""
    return [
        {
            "before_header": f"{kind} {one['hostname']} as found",
            "after_header": f"{kind} {one['hostname']} as declared",
            "before": _side(one["differences"], "found"),
            "after": _side(one["differences"], "declared"),
        }
        for one in found
        if one["differences"]
    ]


def _side(differences: Iterable[Mapping[str, Any]], side: str) -> dict[str, Any]:
    """Several disks that nothing declares have one name."""
    told: dict[str, Any] = {}
    for each in differences:
        of = each["found"]["name"] if each["what"] == "disks" else ""
        told[f"{each['what']} {of}".rstrip()] = each[side]
    return told
