# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines a list shows: filters by MAAS's names. Several values of one filter are alternatives, several filters
are conditions that all hold."""

from __future__ import annotations

from rackyard.region.api.params import Params
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.db.machines.registry import MachineFilter
from rackyard.region.services.machines import filters, registry
from rackyard.region.services.site import validation

FILTER: Takes = {
    "id": Kind.TEXTS,
    "not_id": Kind.TEXTS,
    "system_id": Kind.TEXTS,
    "not_system_id": Kind.TEXTS,
    "hostname": Kind.TEXTS,
    "not_hostname": Kind.TEXTS,
    "description": Kind.TEXT,
    "not_description": Kind.TEXT,
    "mac_address": Kind.TEXTS,
    "not_mac_address": Kind.TEXTS,
    "pxe_mac": Kind.TEXTS,
    "not_pxe_mac": Kind.TEXTS,
    "ip_addresses": Kind.TEXTS,
    "not_ip_addresses": Kind.TEXTS,
    "status": Kind.TEXTS,
    "not_status": Kind.TEXTS,
    "simple_status": Kind.TEXTS,
    "not_simple_status": Kind.TEXTS,
    "power_state": Kind.TEXTS,
    "not_power_state": Kind.TEXTS,
    "owner": Kind.TEXTS,
    "not_owner": Kind.TEXTS,
    "arch": Kind.TEXTS,
    "not_arch": Kind.TEXTS,
    "domain": Kind.TEXTS,
    "not_domain": Kind.TEXTS,
    "zone": Kind.TEXTS,
    "not_in_zone": Kind.TEXTS,
    "pool": Kind.TEXTS,
    "not_in_pool": Kind.TEXTS,
    "tags": Kind.WORDS,
    "not_tags": Kind.WORDS,
    "fabrics": Kind.TEXTS,
    "not_fabrics": Kind.TEXTS,
    "fabric_classes": Kind.TEXTS,
    "not_fabric_classes": Kind.TEXTS,
    "vlans": Kind.TEXTS,
    "not_vlans": Kind.TEXTS,
    "subnets": Kind.TEXTS,
    "not_subnets": Kind.TEXTS,
    "spaces": Kind.TEXTS,
    "not_spaces": Kind.TEXTS,
    "workloads": Kind.TEXTS,
    "not_workloads": Kind.TEXTS,
    "cpu_count": Kind.INTEGER,
    "cpu_speed": Kind.INTEGER,
    "mem": Kind.INTEGER,
    "link_speed": Kind.INTEGER,
    "free_text": Kind.TEXT,
    "after": Kind.TEXT,
}


def read(params: Params) -> MachineFilter:
    """The filter that the parameters say. Raises Invalid for a value that no machine can have."""
    return MachineFilter(
        system_ids=_both(params, "id", "system_id"),
        not_system_ids=_both(params, "not_id", "not_system_id") or None,
        hostnames=params.texts("hostname"),
        not_hostnames=_texts(params, "not_hostname"),
        description=_pattern(params.text("description")),
        not_description=_pattern(params.text("not_description")),
        macs=macs(params, "mac_address"),
        not_macs=macs(params, "not_mac_address"),
        boot_macs=macs(params, "pxe_mac"),
        not_boot_macs=macs(params, "not_pxe_mac"),
        ips=_addresses(params, "ip_addresses"),
        not_ips=_addresses(params, "not_ip_addresses"),
        statuses=_statuses(params, "status"),
        not_statuses=_statuses(params, "not_status"),
        simple_statuses=_simple_statuses(params, "simple_status"),
        not_simple_statuses=_simple_statuses(params, "not_simple_status"),
        power_states=_texts(params, "power_state"),
        not_power_states=_texts(params, "not_power_state"),
        owners=_texts(params, "owner"),
        not_owners=_texts(params, "not_owner"),
        architectures=_architectures(params, "arch"),
        not_architectures=_architectures(params, "not_arch"),
        domains=_texts(params, "domain"),
        not_domains=_texts(params, "not_domain"),
        zones=_texts(params, "zone"),
        not_zones=_texts(params, "not_in_zone"),
        pools=_texts(params, "pool"),
        not_pools=_texts(params, "not_in_pool"),
        tags=_each_once(params.words("tags")),
        not_tags=_each_once(params.words("not_tags")),
        fabrics=_texts(params, "fabrics"),
        not_fabrics=_texts(params, "not_fabrics"),
        fabric_classes=_texts(params, "fabric_classes"),
        not_fabric_classes=_texts(params, "not_fabric_classes"),
        vlans=_texts(params, "vlans"),
        not_vlans=_texts(params, "not_vlans"),
        subnets=_texts(params, "subnets"),
        not_subnets=_texts(params, "not_subnets"),
        spaces=_texts(params, "spaces"),
        not_spaces=_texts(params, "not_spaces"),
        workloads=_annotations(params, "workloads"),
        not_workloads=_annotations(params, "not_workloads"),
        min_cpu_count=params.integer("cpu_count"),
        min_cpu_speed_mhz=params.integer("cpu_speed"),
        min_memory_mib=params.integer("mem"),
        min_link_speed_mbps=params.integer("link_speed"),
        free_text=_pattern(params.text("free_text")),
        after=params.text("after") or None,
    )


def _texts(params: Params, name: str) -> list[str] | None:
    return params.texts(name) or None


def _both(params: Params, *names: str) -> list[str] | None:
    """Two names of one thing: what either of them says."""
    given = [params.texts(name) for name in names]
    return None if given == [None] * len(given) else [text for texts in given for text in texts or ()]


def _each_once(names: list[str] | None) -> list[str] | None:
    return list(dict.fromkeys(names)) if names else None


def macs(params: Params, name: str) -> list[str] | None:
    """The MACs that a parameter names, None when it is not given. Raises Invalid for what is none."""
    given = params.texts(name)
    return None if given is None else [validation.mac(name, text) for text in given]


def _addresses(params: Params, name: str) -> list[str] | None:
    given = _texts(params, name)
    return None if given is None else [str(validation.address(name, text)) for text in given]


def _statuses(params: Params, name: str) -> list[int] | None:
    given = params.texts(name)
    return None if given is None else registry.parse_statuses(given, name)


def _architectures(params: Params, name: str) -> list[str] | None:
    given = _texts(params, name)
    return None if given is None else [validation.architecture(name, text) for text in given]


def _simple_statuses(params: Params, name: str) -> list[int] | None:
    given = _texts(params, name)
    return None if given is None else filters.parse_simple_statuses(given, name)


def _annotations(params: Params, name: str) -> list[str] | None:
    """As LIKE takes them, a name and its text parted by a line feed. MAAS: `name:text` is a part of that one's text,
    `text` of any, and after `=` it is all of it."""
    given = _texts(params, name)
    return None if given is None else [_annotation(text) for text in given]


def _annotation(asked: str) -> str:
    key, text = asked.split(":", 1) if ":" in asked else ("", asked)
    value = _quoted(text[1:]) if text.startswith("=") else f"%{_quoted(text)}%"
    return f"{_quoted(key) if key else '%'}\n{value}"


def _pattern(text: str | None) -> str | None:
    """As LIKE takes it: any text with this in it."""
    return f"%{_quoted(text.strip())}%" if text and text.strip() else None


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
