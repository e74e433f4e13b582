# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the site in the region: what differs, and setting it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .client import RegionClient
from .plan import Action, Plan


def text(value: Any) -> str:
    """A value as the API takes it: YAML has numbers and booleans as well."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def ensure(client: RegionClient, wanted: Mapping[str, Any], check_mode: bool) -> Plan:
    """Read, decide, and act outside check mode. Raises RegionRefused for a name that the region does not know."""
    before = {name: client.get("maas/", op="get_config", name=name) for name in wanted}
    changes = {name: text(value) for name, value in wanted.items() if text(before[name]) != text(value)}
    actions = tuple(Action("set", name, {"value": value}) for name, value in changes.items())
    if not check_mode:
        for action in actions:
            client.post("maas/", "set_config", name=action.target, value=action.values["value"])
        after = {name: client.get("maas/", op="get_config", name=name) for name in wanted} if actions else before
    else:
        after = {**before, **changes}
    return Plan(before, after, actions)
