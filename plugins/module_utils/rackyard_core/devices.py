# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices in the region: find one, plan what makes it as wished, carry the plan out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import machine_marks, macs, tags
from .client import RegionClient, RegionRefused
from .dns import bare
from .plan import Action, Plan, differing


@dataclass(frozen=True)
class DeviceWish:
    """A device as an operator declares it. None means "leave it alone"; an empty parent means none."""

    hostname: str
    domain: str | None = None
    mac_addresses: tuple[str, ...] | None = None
    parent: str | None = None
    description: str | None = None
    zone: str | None = None
    # Those of machine_marks.TEXTS that are given, all that it shall have of each.
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> DeviceWish:
        """From the options of module ``device``. Raises ValueError for a malformed name or address."""
        hostname, domain = options["hostname"].strip().lower(), options.get("domain")
        given = options.get("mac_addresses")
        if "." in hostname:
            raise ValueError(f"hostname: '{hostname}' has a domain; name it with option domain")
        if given is not None and not given:
            raise ValueError("mac_addresses: a device has at least one MAC address; give one, or leave the option out")
        return cls(
            hostname=hostname,
            domain=None if domain is None else bare(domain),
            mac_addresses=None if given is None else tuple(sorted({macs.normal(text) for text in given})),
            parent=options.get("parent"),
            description=options.get("description"),
            zone=options.get("zone"),
            texts=machine_marks.wished_texts(options),
        )


def read(client: RegionClient, hostname: str) -> Mapping[str, Any]:
    """The API's object of that hostname, empty when there is none."""
    return next((row for row in client.get("devices/", hostname=hostname) if row["hostname"] == hostname), {})


def view_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A device in the module's words, empty for an empty row. The parent is told by its system_id."""
    if not row:
        return {}
    return {
        "hostname": row["hostname"],
        "domain": row["domain"]["name"],
        "mac_addresses": sorted(nic["mac_address"] for nic in row["interface_set"]),
        "parent": row["parent"] or "",
        "description": row["description"],
        "zone": row["zone"]["name"],
        **machine_marks.texts_view(row),
    }


def resolved(client: RegionClient, wish: DeviceWish, is_new: bool) -> dict[str, Any]:
    """The wish in the region's words: the system_id of the parent, and for a new device what it has by default.

    Raises RegionRefused for a parent or a domain that is not there."""
    parent = wish.parent.strip().lower() if wish.parent else wish.parent
    values: dict[str, Any] = {
        "domain": wish.domain,
        "mac_addresses": None if wish.mac_addresses is None else list(wish.mac_addresses),
        "parent": next(iter(tags.find_members(client, [parent]))) if parent else parent,
        "description": wish.description,
        "zone": wish.zone,
    }
    if wish.domain is not None or is_new:
        known = {row["name"]: row["is_default"] for row in client.get("domains/")}
        if wish.domain is not None and wish.domain not in known:
            raise RegionRefused(
                f"There is no domain '{wish.domain}'; declare it with rackyard.metal.dns_domain first", 404
            )
        if is_new:
            usual = next(name for name in known if known[name])
            blank = {"domain": usual, "parent": "", "description": "", "zone": "default"}
            values = {name: blank.get(name) if value is None else value for name, value in values.items()}
    return values


def plan_absent(view: Mapping[str, Any], hostname: str) -> Plan:
    """Remove the device if it is there."""
    return Plan(view, {}, (Action("delete", f"device {hostname}"),) if view else ())


def plan_present(view: Mapping[str, Any], wish: DeviceWish, values: Mapping[str, Any]) -> Plan:
    """Create or correct; ``values`` are what ``resolved`` gives. Raises ValueError for a new device without MACs."""
    plan, target = _plan_itself(view, wish.hostname, values), f"device {wish.hostname}"
    # A new one has none.
    after = {**machine_marks.texts_view({}), **plan.after}
    return machine_marks.with_texts(Plan(plan.before, after, plan.actions), target, wish.texts)


def _plan_itself(view: Mapping[str, Any], hostname: str, values: Mapping[str, Any]) -> Plan:
    target = f"device {hostname}"
    if not view:
        if values["mac_addresses"] is None:
            raise ValueError(f"mac_addresses: there is no device {hostname} yet, and a new one needs its MAC addresses")
        made = {"hostname": hostname, **values}
        return Plan({}, made, (Action("create", target, made),))
    changes = differing(view, values)
    return Plan(view, {**view, **changes}, (Action("update", target, changes),) if changes else ())


def carry_out(client: RegionClient, row: Mapping[str, Any], wanted: Plan) -> None:
    """Do the plan's actions. Raises RegionRefused with the region's own words."""
    for action in wanted.actions:
        if action.verb == "create":
            row = client.post("devices/", **action.values)
            continue
        path = f"devices/{row['system_id']}/"
        if action.verb == "update":
            client.put(path, **action.values)
        elif action.verb == "write":
            machine_marks.write_texts(client, path, action)
        else:
            client.delete(path)
