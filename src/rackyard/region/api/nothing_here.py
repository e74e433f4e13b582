# SPDX-License-Identifier: GPL-3.0-or-later
"""What MAAS has lists of and this region has none of, for good: its clients ask for them all the same, and are answered
an empty list. Whatever else they ask there is refused with the words of `not_yet.NEVER`."""

from __future__ import annotations

from typing import Any

from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.not_yet import NEVER

_LISTS = {"vm-hosts": "VmHosts", "pods": "Pods", "boot-sources": "BootSources", "license-keys": "LicenseKeys"}
RESOURCES = [Resource(f"/{place}/", name, NEVER[place]) for place, name in _LISTS.items()]


def _list_none(_call: Call) -> list[Any]:
    """An empty list: this region has none."""
    return []


for _resource in RESOURCES:
    _resource.read()(_list_none)
