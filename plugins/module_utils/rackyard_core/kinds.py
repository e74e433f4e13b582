# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of object that are declared by their name alone."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from .client import RegionClient
from .declared import Kind
from .dns import bare

Values = Mapping[str, Any]
ARCHES = ("amd64", "arm64")
# Where MAAS shows VLANs that have no space.
UNDEFINED = "undefined"


def _named(options: Values) -> dict[str, Any]:
    # The region drops spaces at the ends, and would be asked for the same each time.
    return {**options, "name": options["name"].strip()}


def _domain_name(options: Values) -> dict[str, Any]:
    return {**options, "name": bare(options["name"])}


def _domain(row: Values) -> dict[str, Any]:
    return {**row, "ttl": row["ttl"] or 0, "default": row["is_default"]}


def _domain_form(values: Values) -> dict[str, Any]:
    return {**values, **({"ttl": values["ttl"] or ""} if "ttl" in values else {})}


def _fabric(row: Values) -> dict[str, Any]:
    return {**row, "class_type": row["class_type"] or ""}


def _space(row: Values) -> dict[str, Any]:
    return {**row, "vlans": [f"{vlan['fabric']}/{vlan['vid']}" for vlan in row["vlans"]]}


def _space_wish(options: Values) -> dict[str, Any]:
    wish = _named(options)
    if wish["name"] == UNDEFINED:
        raise ValueError(f"The space {UNDEFINED} is that of VLANs without a space; it is always there as it is")
    return wish


def _repository_wish(options: Values) -> dict[str, Any]:
    wish = _named(options)
    for name in ("distributions", "components"):
        if wish[name] is not None:
            wish[name] = list(dict.fromkeys(wish[name]))
    if wish["arches"] is not None:
        wish["arches"] = sorted(set(wish["arches"])) or list(ARCHES)
    if wish["key"] is not None:
        wish["key"] = "\n".join(line.strip() for line in wish["key"].strip().splitlines())
    return wish


def _repository_form(values: Values) -> dict[str, Any]:
    # An empty list says nothing in a form; an empty text does.
    return {name: "" if value == [] else value for name, value in values.items()}


def _notification(row: Values) -> dict[str, Any]:
    # Ansible has `message` as an option of its own.
    return {**row, "content": row["message"], "user": row["user"]["username"] if row["user"] else ""}


def _notification_wish(options: Values) -> dict[str, Any]:
    return {**options, "content": None if options["content"] is None else options["content"].strip()}


def _notification_form(values: Values) -> dict[str, Any]:
    form = {"message" if name == "content" else name: value for name, value in values.items()}
    return {**form, **({"context": json.dumps(values["context"])} if "context" in values else {})}


def _controller(row: Values) -> dict[str, Any]:
    return {**row, "zone": row["zone"]["name"]}


def _script(row: Values) -> dict[str, Any]:
    hours, minutes, seconds = row["timeout"].rpartition(" ")[2].split(":")
    days = row["timeout"].partition(" day")[0] if " day" in row["timeout"] else "0"
    return {
        **row,
        "script": _lines(b64decode(row["script"]).decode("utf-8", "replace")),
        "tags": sorted(row["tags"]),
        "script_type": row["type_name"].lower(),
        "hardware_type": row["hardware_type_name"],
        "parallel": row["parallel_name"],
        "timeout_s": ((int(days) * 24 + int(hours)) * 60 + int(minutes)) * 60 + int(seconds),
    }


def _script_wish(options: Values) -> dict[str, Any]:
    wish = {**options, "tags": None if options["tags"] is None else sorted(set(options["tags"]))}
    for name in ("title", "description"):
        wish[name] = None if options[name] is None else options[name].strip()
    return {**wish, "script": None if options["script"] is None else _lines(options["script"])}


def _script_form(values: Values) -> dict[str, Any]:
    form = {"timeout" if name == "timeout_s" else name: value for name, value in values.items()}
    # An empty list says nothing in a form; an empty text does.
    return {**form, **({"tags": ",".join(values["tags"])} if "tags" in values else {}), "include_script": True}


def _scripts(client: RegionClient) -> list[Values]:
    return [row for row in client.get("scripts/", include_script=True) if not row["default"]]


def _lines(text: str) -> str:
    """Lookup plugins cut off the end of the last line."""
    return text.rstrip("\n") + "\n"


ZONE = Kind("zone", "zones/", "zones/{id}/", {"description": ""}, wish=_named)
POOL = Kind("resource pool", "resourcepools/", "resourcepool/{id}/", {"description": ""}, wish=_named)
FABRIC = Kind("fabric", "fabrics/", "fabrics/{id}/", {"description": "", "class_type": ""}, view=_fabric, wish=_named)
SPACE = Kind("space", "spaces/", "spaces/{id}/", {"description": ""}, view=_space, wish=_space_wish)
PACKAGE_REPOSITORY = Kind(
    "package repository",
    "package-repositories/",
    "package-repositories/{id}/",
    {
        "url": None,
        "distributions": [],
        "components": [],
        "arches": list(ARCHES),
        "key": "",
        "enabled": True,
        "disable_sources": True,
    },
    required=("url",),
    form=_repository_form,
    wish=_repository_wish,
)
SCRIPT = Kind(
    "script",
    "scripts/",
    "scripts/{id}",
    dict.fromkeys(
        (
            "script",
            "title",
            "description",
            "tags",
            "script_type",
            "hardware_type",
            "parallel",
            "timeout_s",
            "destructive",
        )
    ),
    required=("script",),
    view=_script,
    form=_script_form,
    wish=_script_wish,
    rows=_scripts,
)
# A ttl of 0 is the default.
DOMAIN = Kind(
    "domain",
    "domains/",
    "domains/{id}/",
    {"ttl": 0, "authoritative": True},
    view=_domain,
    form=_domain_form,
    wish=_domain_name,
    operations={"default": "set_default"},
)
NOTIFICATION = Kind(
    "notification",
    "notifications/",
    "notifications/{id}/",
    {
        "content": None,
        "context": {},
        "category": "info",
        "user": "",
        "users": False,
        "admins": False,
        "dismissable": True,
    },
    key=("ident",),
    required=("content",),
    view=_notification,
    form=_notification_form,
    wish=_notification_wish,
    rows=lambda client: client.get("notifications/", all=True),
)
RACK_CONTROLLER = Kind(
    "rack controller",
    "rackcontrollers/",
    "rackcontrollers/{id}/",
    {"zone": None},
    id_field="system_id",
    made_by="enrol it with playbook rackyard.metal.rack, which has a token made by a region",
    key=("hostname",),
    view=_controller,
)
REGION_CONTROLLER = Kind(
    "region controller",
    "regioncontrollers/",
    "regioncontrollers/{id}/",
    {"zone": None},
    id_field="system_id",
    made_by="install it with playbook rackyard.metal.region",
    key=("hostname",),
    view=_controller,
)
