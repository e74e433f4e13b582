# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON of a machine, with every field of MAAS's DISPLAYED_MACHINE_FIELDS and of gomaasapi's strict schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from ipaddress import ip_address
from itertools import islice, repeat
from json.encoder import encode_basestring_ascii
from typing import Any

from rackyard.region.api import shapes
from rackyard.region.api.shapes import ROOT, moment
from rackyard.region.db.machines.groups import Group
from rackyard.region.db.machines.registry import BlockDevice, Interface, Link, Listing
from rackyard.region.db.network.domains import Domain
from rackyard.region.db.network.picture import Subnet
from rackyard.region.services.boots import steps
from rackyard.region.services.machines.registry import MachineDetails, Parts
from rackyard.region.services.network.domains import DomainDetails
from rackyard.region.status import FAILURES, Status, label

DEFAULT_MTU = 1500
# JSON without spaces. One encoder for all: to make one takes longer than to encode a name.
encoded = json.JSONEncoder(separators=(",", ":")).encode

_UNTESTED: dict[str, Any] = {
    "testing_status": -1,
    "testing_status_name": "",
    **{f"{part}_test_status": -1 for part in ("cpu", "memory", "network", "storage", "other", "interface")},
    **{f"{part}_test_status_name": "" for part in ("cpu", "memory", "network", "storage", "other", "interface")},
}
# Of what is neither commissioned nor tested.
NO_TESTS: dict[str, Any] = {"commissioning_status": -1, "commissioning_status_name": "", **_UNTESTED}
# What MAAS has and Rackyard does not (yet): present, empty, and of the right type.
_ABSENT: dict[str, Any] = {
    "cache_sets": [],
    "bcaches": [],
    "min_hwe_kernel": "",
    "hwe_kernel": "",
    "swap_size": None,
    "osystem": "",
    "distro_series": "",
    "ephemeral_deploy": False,
    "address_ttl": None,
    "disable_ipv4": False,
    "constraints_by_type": {},
    "virtualblockdevice_set": [],
    "volume_groups": [],
    "raids": [],
    "special_filesystems": [],
    "parent": None,
    "current_testing_result_id": None,
    "current_installation_result_id": None,
    **_UNTESTED,
    "numanode_set": [],
    "last_sync": None,
    "sync_interval": None,
    "next_sync": None,
    "enable_hw_sync": False,
    "enable_kernel_crash_dump": False,
    "is_dpu": False,
}

# Script set status of the last commissioning, by the machine's status (MAAS SCRIPT_STATUS).
_COMMISSIONING_STATUS: Mapping[int, tuple[int, str]] = {
    Status.COMMISSIONING: (1, "Running"),
    Status.READY: (2, "Passed"),
    Status.FAILED_COMMISSIONING: (3, "Failed"),
}
# The same of tests that it was asked for; that a machine has passed some is not kept.
_TESTING_STATUS: Mapping[int, tuple[int, str]] = {
    Status.TESTING: (1, "Running"),
    Status.FAILED_TESTING: (3, "Failed"),
}
_TROUBLED = frozenset({Status.BROKEN, *FAILURES.values()})
_HARDWARE_KEYS = (
    "system_vendor",
    "system_product",
    "system_family",
    "system_version",
    "system_sku",
    "system_serial",
    "cpu_model",
    "mainboard_vendor",
    "mainboard_product",
    "mainboard_serial",
    "mainboard_version",
    "mainboard_firmware_vendor",
    "mainboard_firmware_date",
    "mainboard_firmware_version",
    "chassis_vendor",
    "chassis_type",
    "chassis_serial",
    "chassis_version",
)


class _View:
    """One machine on its way to JSON; what several fields need is made once, and only when one of them is wanted."""

    def __init__(self, details: MachineDetails, domain: str) -> None:
        self.details = details
        self.known = details.machine
        self.domain = domain

    @cached_property
    def interfaces(self) -> list[dict[str, Any]]:
        return [interface(self.known.system_id, nic, self.details) for nic in self.details.interfaces]

    @cached_property
    def disks(self) -> list[dict[str, Any]]:
        return [block_device(self.known.system_id, disk) for disk in self.details.disks]

    @property
    def commissioning(self) -> bool:
        return self.known.status == Status.COMMISSIONING

    @property
    def error(self) -> str:
        return self.known.status_message if self.known.status in _TROUBLED else ""

    @property
    def step(self) -> dict[str, Any] | None:
        step = self.known.last_step if self.commissioning else None
        return {"step": step, "title": steps.RULES[step].title} if step else None


def _as_it_is(_domain: str, value: Any) -> Any:
    return value


@dataclass(frozen=True)
class _Plain:
    """A field that follows from some columns of a machine (and from the name of the domain). A list reads these only,
    and writes what it has written already as it was: machines have much in common, but for texts that are `varied`."""

    columns: tuple[str, ...]
    value: Callable[..., Any] = _as_it_is
    varied: bool = False

    def texts(self, columns: Mapping[str, Sequence[Any]], domain: str) -> Iterator[str]:
        """The JSON of this field for one machine after the other."""
        read = [columns[name] for name in self.columns]
        if self.varied:
            values = read[0] if self.value is _as_it_is else map(partial(self.value, domain), *read)
            return map(encode_basestring_ascii, values)
        known = _Texts(lambda each: encoded(self.value(domain, *each)))
        return map(known.__getitem__, zip(*read, strict=True) if read else repeat(()))


class _Texts(dict[Any, str]):
    """Texts by what they are made of, each made once."""

    def __init__(self, made: Callable[[Any], str]) -> None:
        super().__init__()
        self._made = made

    def __missing__(self, key: Any) -> str:
        text = self[key] = self._made(key)
        return text


def _domain(
    internal: str,
    domain_id: int | None,
    name: str,
    ttl: int | None,
    authoritative: bool,
    record_count: int,
    is_default: bool,
    another_is_default: bool,
) -> dict[str, Any]:
    if domain_id is None:
        return shapes.internal_domain(internal, is_default=not another_is_default)
    return shapes.domain(DomainDetails(Domain(domain_id, name, ttl, authoritative), record_count, is_default))


# What both one machine and lists have from the same columns (of the query machines.registry.few).
_PLAIN: dict[str, _Plain] = {
    "system_id": _Plain(("system_id",), varied=True),
    "hostname": _Plain(("hostname",), varied=True),
    "fqdn": _Plain(
        ("hostname", "domain_name"), lambda internal, hostname, own: f"{hostname}.{own or internal}", varied=True
    ),
    "domain": _Plain(
        (
            "domain_id", "domain_name", "domain_ttl", "domain_authoritative", "domain_record_count",
            "domain_is_default", "another_is_default",
        ),
        _domain,
    ),
    "description": _Plain(("description",), varied=True),
    "architecture": _Plain(("architecture",)),
    "owner": _Plain(("owner",)),
    "zone": _Plain(
        ("zone_id", "zone_name", "zone_description"), lambda _domain, *known: shapes.zone(Group(*known))
    ),
    "pool": _Plain(
        ("pool_id", "pool_name", "pool_description"), lambda _domain, *known: shapes.pool(Group(*known))
    ),
    "status": _Plain(("status",)),
    "status_name": _Plain(("status",), lambda _domain, status: label(status)),
    "status_message": _Plain(("status_message",), varied=True),
    "power_type": _Plain(("power_type",)),
    "power_state": _Plain(("power_state",)),
    "cpu_count": _Plain(("cpu_count",)),
    "memory": _Plain(("memory_mib",)),
    "locked": _Plain(("locked",)),
    "resource_uri": _Plain(("system_id",), lambda _domain, system_id: f"{ROOT}/machines/{system_id}/", varied=True),
}  # fmt: skip

# Memory in MiB, storage in MB, block devices in bytes, as MAAS has them.
_KNOWN: dict[str, Callable[[_View], Any]] = {
    "status_action": lambda view: "",
    "error_description": lambda view: view.error,
    "node_type": lambda view: 0,
    "node_type_name": lambda view: "Machine",
    "netboot": lambda view: True,
    "bios_boot_method": lambda view: view.known.firmware_type or None,
    "cpu_speed": lambda view: view.known.cpu_speed_mhz,
    "storage": lambda view: float(view.known.storage_mb),
    "hardware_uuid": lambda view: view.known.hardware.get("hardware_uuid"),
    "hardware_info": lambda view: hardware_info(view.known.hardware, view.known.cpu_model),
    "tag_names": lambda view: view.known.tag_names,
    "owner_data": lambda view: view.known.owner_data,
    "workload_annotations": lambda view: view.known.workload_annotations,
    "ip_addresses": lambda view: sorted({ip for nic in view.details.interfaces for ip in nic.addresses}),
    "default_gateways": lambda view: _default_gateways(view.details),
    "interface_set": lambda view: view.interfaces,
    "boot_interface": lambda view: next((shown for shown in view.interfaces if shown["is_boot"]), None),
    "blockdevice_set": lambda view: view.disks,
    "physicalblockdevice_set": lambda view: view.disks,
    "boot_disk": lambda view: view.disks[0] if view.disks else None,
    "current_commissioning_result_id": lambda view: view.known.boot_id,
    "commissioning_status": lambda view: _COMMISSIONING_STATUS.get(view.known.status, (-1, ""))[0],
    "commissioning_status_name": lambda view: _COMMISSIONING_STATUS.get(view.known.status, (-1, ""))[1],
    "testing_status": lambda view: _TESTING_STATUS.get(view.known.status, (-1, ""))[0],
    "testing_status_name": lambda view: _TESTING_STATUS.get(view.known.status, (-1, ""))[1],
}
# Fields that MAAS does not have.
_OURS: dict[str, Callable[[_View], Any]] = {
    "commissioning_suite": lambda view: view.known.commissioning_suite,
    "secure_boot": lambda view: view.known.secure_boot,
    "boot_order": lambda view: view.known.hardware.get("boot_order"),
    "power_state_at": lambda view: moment(view.known.power_state_at),
    "power_error": lambda view: view.known.power_error,
    "status_changed_at": lambda view: moment(view.known.status_changed_at),
    "commissioned_at": lambda view: moment(view.known.commissioned_at),
    "deadline": lambda view: moment(view.known.deadline_at),
    "current_step": lambda view: view.step,
    "created_at": lambda view: moment(view.known.created_at),
    "updated_at": lambda view: moment(view.known.updated_at),
}


def _plain(field: _Plain) -> Callable[[_View], Any]:
    return lambda view: field.value(view.domain, *[getattr(view.known, name) for name in field.columns])


def _constant(value: Any) -> Callable[[_View], Any]:
    return lambda view: value


# Those that are shown only to whoever asks for them by name.
_ASKED: dict[str, Callable[[_View], Any]] = {"expect": lambda view: view.known.expect}

FIELDS: Mapping[str, Callable[[_View], Any]] = {
    **{name: _constant(value) for name, value in _ABSENT.items()},
    **{name: _plain(field) for name, field in _PLAIN.items()},
    **_KNOWN,
    **_OURS,
}
ALL_FIELDS: Mapping[str, Callable[[_View], Any]] = {**FIELDS, **_ASKED}
# What has to be read for some fields only; everything else is in the machine's own row.
_FROM_INTERFACES = {"ip_addresses", "default_gateways", "interface_set", "boot_interface"}
_FROM_DISKS = {"blockdevice_set", "physicalblockdevice_set", "boot_disk"}
_FROM_HARDWARE = {"boot_order", "hardware_info", "hardware_uuid"}
_FROM_LABELS = {"tag_names", "owner_data", "workload_annotations"}


def machine(details: MachineDetails, domain: str, fields: Iterable[str] = FIELDS) -> dict[str, Any]:
    """One machine, with all of its fields or some."""
    view = _View(details, domain)
    return {name: ALL_FIELDS[name](view) for name in fields}


def columns_for(fields: Collection[str]) -> list[str] | None:
    """The columns that these fields follow from; None when there is more to read than columns."""
    if not _PLAIN.keys() >= set(fields):
        return None
    return sorted({column for name in fields for column in _PLAIN[name].columns})


def texts(machines: Iterable[MachineDetails], domain: str, fields: Collection[str]) -> Iterator[str]:
    """The JSON of each machine, with these fields. What all have alike is written once."""
    alike = encoded({name: _ABSENT[name] for name in fields if name in _ABSENT})[1:-1]
    own = [name for name in fields if name not in _ABSENT]
    for details in machines:
        yield "{" + ",".join(filter(None, (alike, encoded(machine(details, domain, own))[1:-1]))) + "}"


def short_texts(listing: Listing, domain: str, fields: Sequence[str]) -> Iterator[str]:
    """The same of a list that has the columns for these fields."""
    values = [islice(_PLAIN[name].texts(listing.columns, domain), len(listing.ids)) for name in fields]
    template = "{" + ",".join(f"{encoded(name)}:%s" for name in fields) + "}"
    return map(template.__mod__, zip(*values, strict=True))


def parts_for(fields: Collection[str]) -> Parts:
    """What has to be read to show these fields."""
    wanted = set(fields)
    return Parts(
        interfaces=not wanted.isdisjoint(_FROM_INTERFACES),
        disks=not wanted.isdisjoint(_FROM_DISKS),
        hardware=not wanted.isdisjoint(_FROM_HARDWARE),
        steps="current_step" in wanted,
        labels=not wanted.isdisjoint(_FROM_LABELS),
        expect="expect" in wanted,
    )


def hardware_info(known: Mapping[str, Any], cpu_model: str) -> dict[str, str]:
    """Strings only, as gomaasapi insists; what is not known is "Unknown", as MAAS says."""
    found = {name: str(known.get(name) or "Unknown") for name in _HARDWARE_KEYS}
    extra = {name: str(value) for name, value in known.items() if isinstance(value, str | int | float)}
    return {**found, **extra, "cpu_model": cpu_model or "Unknown"}


def _default_gateways(details: MachineDetails) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {f"ipv{version}": {"gateway_ip": None, "link_id": None} for version in (4, 6)}
    for link in (link for nic in details.interfaces for link in nic.links if link.is_gateway and link.ip):
        subnet = details.subnet(link.subnet_id)
        if subnet is not None:
            version = ip_address(str(link.ip)).version
            found[f"ipv{version}"] = {"gateway_ip": subnet.gateway_ip, "link_id": link.id}
    return found


def _on(subnet: Subnet | None, details: MachineDetails) -> dict[str, Any]:
    """gomaasapi takes an address without a subnet, and none with null."""
    return {"subnet": shapes.subnet(subnet, details.vlans[subnet.vlan_id])} if subnet else {}


def _link(known: Link, details: MachineDetails) -> dict[str, Any]:
    address = {"ip_address": known.ip} if known.ip else {}
    return {"id": known.id, "mode": known.mode, **address, **_on(details.subnet(known.subnet_id), details)}


def interface(system_id: str, nic: Interface, details: MachineDetails) -> dict[str, Any]:
    """One NIC. `links` is how people want it, `discovered` what it leases; `is_boot`, `driver` and `lldp` are ours."""
    vlan = details.vlans.get(nic.vlan_id) if nic.vlan_id else None
    return {
        "system_id": system_id,
        "id": nic.id,
        "name": nic.name,
        "type": nic.type,
        "vlan": shapes.vlan(vlan) if vlan else None,
        "mac_address": nic.mac,
        "parents": nic.parents,
        "children": nic.children,
        "tags": nic.tags,
        "enabled": nic.enabled,
        "links": [_link(link, details) for link in nic.links],
        "params": nic.params | ({} if nic.mtu is None else {"mtu": nic.mtu}) or "",
        "discovered": [{"ip_address": nic.ip, **_on(details.subnet_of(nic), details)}] if nic.ip else [],
        "effective_mtu": nic.mtu or (vlan.mtu if vlan else DEFAULT_MTU),
        "vendor": nic.vendor or None,
        "product": nic.product or None,
        "firmware_version": nic.firmware_version or None,
        "link_connected": nic.link_connected,
        "interface_speed": nic.link_speed_mbps or 0,
        "link_speed": nic.link_speed_mbps or 0,
        "numa_node": 0,
        "sriov_max_vf": 0,
        "is_boot": nic.is_boot,
        "driver": nic.driver or None,
        "lldp": nic.lldp,
        "resource_uri": f"{ROOT}/nodes/{system_id}/interfaces/{nic.id}/",
    }


def block_device(system_id: str, disk: BlockDevice) -> dict[str, Any]:
    """One disk, sizes in bytes."""
    return {
        "system_id": system_id,
        "id": disk.id,
        "name": disk.name,
        "uuid": None,
        "type": "physical",
        "path": disk.path or f"/dev/disk/by-dname/{disk.name}",
        "id_path": disk.id_path or None,
        "model": disk.model,
        "serial": disk.serial,
        "size": disk.size_bytes,
        "block_size": disk.block_size_bytes,
        "available_size": disk.size_bytes,
        "used_size": 0,
        "used_for": "Unused",
        "tags": [] if disk.rotary is None else ["rotary"] if disk.rotary else ["ssd"],
        "filesystem": None,
        "partition_table_type": None,
        "partitions": [],
        "firmware_version": disk.firmware_version or None,
        "storage_pool": None,
        "numa_node": 0,
        "resource_uri": f"{ROOT}/nodes/{system_id}/blockdevices/{disk.id}/",
    }
