# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that the region keeps for the account whose API key is used: what it should be, and carrying that out."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .client import RegionClient
from .plan import Action, Plan

PATH = "files/"


def wished(options: Mapping[str, Any]) -> bytes | None:
    """What shall be in the file, by option ``content`` or ``src``; None where it shall be absent.

    Raises ValueError for a file that cannot be read."""
    if options["state"] == "absent":
        return None
    if options["src"] is None:
        return str(options["content"]).encode()
    try:
        return Path(options["src"]).read_bytes()
    except OSError as reason:
        raise ValueError(f"src: {options['src']} cannot be read: {reason.strerror}") from reason


def read(client: RegionClient, filename: str) -> Mapping[str, Any]:
    """The API's object of that name, with what is in it; empty when there is none."""
    listed = client.get(PATH, prefix=filename)
    there = any(row["filename"] == filename for row in listed)
    return dict(client.get(f"{PATH}{quote(filename, safe='')}/")) if there else {}


def view_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A file in the module's words, without what is in it; empty for an empty row."""
    if not row:
        return {}
    return {**_told(row["filename"], base64.b64decode(row["content"])), "anon_resource_uri": row["anon_resource_uri"]}


def plan_for(view: Mapping[str, Any], filename: str, content: bytes | None) -> Plan:
    """Store, replace or remove; ``content`` is what ``wished`` gives."""
    target = f"file {filename}"
    if content is None:
        return Plan(view, {}, (Action("delete", target),) if view else ())
    after = {**view, **_told(filename, content)}
    if after == view:
        return Plan(view, view)
    return Plan(view, after, (Action("update" if view else "create", target, {"content": content}),))


def carry_out(client: RegionClient, filename: str, plan: Plan) -> None:
    """Do the plan's action. Raises RegionRefused with the region's own words."""
    for action in plan.actions:
        if action.verb == "delete":
            client.delete(f"{PATH}{quote(filename, safe='')}/")
        else:
            client.post_file(PATH, "file", action.values["content"], filename=filename)


def _told(filename: str, content: bytes) -> dict[str, Any]:
    return {"filename": filename, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
