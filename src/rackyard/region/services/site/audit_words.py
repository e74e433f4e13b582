# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of the audit trail in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rackyard.region import status
from rackyard.region.db.site.audit import Entry

MAX_VALUE = 120
_VERBS = MappingProxyType({"create": "was created", "change": "was changed", "delete": "was deleted"})
_REFUSALS: Mapping[str, str] = MappingProxyType(
    {
        "login_failed": "A wrong password, or no such account",
        "more_refused": "More was refused than is noted one by one",
    }
)


class _Kind:
    """What a table's rows are called, MAAS's type of event for them, the column that is told of a new one, and what is
    said of them where it is not that they were created, changed or deleted."""

    def __init__(self, words: str, event_type: str, *, tells: str = "", **verbs: str) -> None:
        self.words, self.event_type, self.tells = words, event_type, tells
        self.verbs = {**_VERBS, **verbs}


_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "account": _Kind("Account", "AUTHORISATION", tells="is_admin"),
        "api_key": _Kind("API key", "AUTHORISATION"),
        "ssh_key": _Kind("SSH key", "AUTHORISATION"),
        "setting": _Kind("Setting", "SETTINGS", tells="value", create="was set"),
        "restoration": _Kind("The site was restored:", "SITE_RESTORED", create=""),
        "rack": _Kind("Rack", "CONTROLLERS"),
        "region": _Kind("Region", "CONTROLLERS"),
        "enroll_token": _Kind("Enrolment token for", "CONTROLLERS"),
        "fabric": _Kind("Fabric", "NETWORKING"),
        "space": _Kind("Space", "NETWORKING"),
        "vlan": _Kind("VLAN", "NETWORKING"),
        "subnet": _Kind("Subnet", "NETWORKING"),
        "static_route": _Kind("Route", "NETWORKING"),
        "dhcp_snippet": _Kind("DHCP snippet", "NETWORKING"),
        "ip_range": _Kind("Range", "NETWORKING"),
        "reserved_address": _Kind("Address", "NETWORKING", create="was reserved", delete="was released"),
        "domain": _Kind("Domain", "DNS"),
        "dns_resource": _Kind("DNS name", "DNS"),
        "dns_record": _Kind("DNS record", "DNS"),
        "dns_serial": _Kind("DNS serial", "DNS", tells="serial", create="was set"),
        "image": _Kind("Image", "IMAGES"),
        "zone": _Kind("Zone", "ZONES_AND_POOLS"),
        "resource_pool": _Kind("Resource pool", "ZONES_AND_POOLS"),
        "tag": _Kind("Tag", "TAG"),
        "machine_tag": _Kind("Tag", "TAG", create="was given", delete="was taken"),
        "machine": _Kind("Machine", "NODE"),
        "machine_interface": _Kind("Interface", "NODE"),
        "bmc": _Kind("BMC", "NODE"),
        "interface_link": _Kind("Link", "NODE"),
        "default_gateway": _Kind("Default gateway", "NODE", create="was set"),
        "device": _Kind("Device", "DEVICE"),
        "device_interface": _Kind("Interface", "DEVICE"),
        "device_tag": _Kind("Tag", "TAG", create="was given", delete="was taken"),
        "user_group": _Kind("User group", "AUTHORISATION"),
        "user_group_member": _Kind("Member", "AUTHORISATION", create="was added", delete="was removed"),
        "role_grant": _Kind("Role", "AUTHORISATION", create="was given", delete="was taken"),
        "stored_file": _Kind("File", "FILES"),
        "notification": _Kind("Notification", "NOTIFICATIONS"),
        "package_repository": _Kind("Package repository", "SETTINGS"),
        "script": _Kind("Script", "SETTINGS"),
        "uploaded_image": _Kind("Image", "IMAGES"),
        "image_upload": _Kind("Upload of", "IMAGES", create="was begun", delete="was removed"),
        "operation": _Kind("Operation", "NODE", create="was begun"),
        "job": _Kind("Power order", "NODE", create="was given"),
    }
)


def document(entry: Entry) -> dict[str, Any]:
    """An entry as JSON, with its sentence."""
    moments = {"at": entry.at.isoformat(), "last_at": entry.last_at.isoformat() if entry.last_at else None}
    return {**vars(entry), **moments, "description": sentence(entry)}


def event_type(entry: Entry) -> str:
    """MAAS's name for what it is about."""
    if entry.tries is not None:
        return "AUTHORISATION"
    known = _KINDS.get(entry.object)
    return known.event_type if known else entry.object.upper()


def sentence(entry: Entry) -> str:
    """What happened, without who did it: `Subnet lab (10.0.0.0/24) was changed: gateway_ip 10.0.0.1 → 10.0.0.2`."""
    if entry.tries is not None:
        what = _REFUSALS.get(entry.action) or f"Refused: {entry.note}"
        return f"{what} ({entry.tries} times until {entry.last_at:%H:%M:%S})" if entry.tries > 1 else what
    known = _KINDS.get(entry.object) or _Kind(entry.object.replace("_", " ").capitalize(), "")
    said = " ".join(word for word in (known.words, entry.name, known.verbs.get(entry.action, entry.action)) if word)
    made = entry.after or {}
    if entry.action == "change":
        values = _changed(entry)
    else:
        values = f"{known.tells} {_value(known.tells, made[known.tells])}" if known.tells in made else ""
    return f"{said}: {values}" if values else said


def _changed(entry: Entry) -> str:
    before, after = entry.before or {}, entry.after or {}
    names = dict.fromkeys([*before, *after])
    return ", ".join(
        f"{_column(name)} {_value(name, before.get(name))} → {_value(name, after.get(name))}" for name in names
    )


def _column(name: str) -> str:
    """What refers to another row is shown by that row's name."""
    return name if name == "system_id" else name.removesuffix("_id")


def _value(name: str, value: Any) -> str:
    if name == "status" and isinstance(value, int):
        return status.label(value)
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"
