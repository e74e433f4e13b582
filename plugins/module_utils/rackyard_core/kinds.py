# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of object that are declared by their name alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .declared import Kind
from .dns import bare

Values = Mapping[str, Any]


def _named(options: Values) -> dict[str, Any]:
    # The region drops spaces at the ends, and would be asked for the same each time.
    return {**options, "name": options["name"].strip()}


def _domain_name(options: Values) -> dict[str, Any]:
    return {**options, "name": bare(options["name"])}


def _domain(row: Values) -> dict[str, Any]:
    return {**row, "ttl": row["ttl"] or 0, "default": row["is_default"]}


def _domain_form(values: Values) -> dict[str, Any]:
    return {**values, **({"ttl": values["ttl"] or ""} if "ttl" in values else {})}


ZONE = Kind("zone", "zones/", "zones/{id}/", {"description": ""}, wish=_named)
POOL = Kind("resource pool", "resourcepools/", "resourcepool/{id}/", {"description": ""}, wish=_named)
FABRIC = Kind("fabric", "fabrics/", "fabrics/{id}/", {"description": ""}, wish=_named)
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
