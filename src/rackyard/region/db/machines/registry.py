# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines with their interfaces and block devices as rows. The BMC password is never in these."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

from rackyard.region.db.machines.groups import Group
from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Machine:
    """One machine. Memory in MiB, storage in MB (as MAAS), CPU speed in MHz."""

    id: int
    system_id: str
    hostname: str
    description: str
    architecture: str
    owner: str | None
    status: int
    status_message: str
    status_changed_at: datetime
    previous_status: int
    epoch: int
    power_state: str
    power_state_at: datetime | None
    power_error: str
    power_type: str
    deadline_at: datetime | None
    boot_id: int | None
    boot_mac: str | None
    firmware_type: str
    secure_boot: bool | None
    cpu_count: int
    cpu_model: str
    cpu_speed_mhz: int
    memory_mib: int
    storage_mb: int
    hardware: dict[str, Any]
    commissioned_at: datetime | None
    created_at: datetime
    updated_at: datetime
    last_step: int | None
    commissioning_suite: str
    zone_id: int
    zone_name: str
    zone_description: str
    pool_id: int
    pool_name: str
    pool_description: str
    tag_names: list[str]
    locked: bool
    owner_data: dict[str, str]
    workload_annotations: dict[str, str]
    # The domain that the machine is in, all None for the internal one.
    domain_id: int | None
    domain_name: str | None
    domain_ttl: int | None
    domain_authoritative: bool | None
    domain_record_count: int | None
    domain_is_default: bool | None
    another_is_default: bool
    # What it is declared to be made of; None when there is nothing, or it was not read.
    expect: dict[str, Any] | None

    @property
    def zone(self) -> Group:
        """What it fails together with."""
        return Group(self.zone_id, self.zone_name, self.zone_description)

    @property
    def pool(self) -> Group:
        """What it is given out with."""
        return Group(self.pool_id, self.pool_name, self.pool_description)


@dataclass(frozen=True)
class Listing:
    """What lists show of many machines, column by column, for a thousand are read at once: id, hostname, system_id, and
    those of the query `machines.registry.few` that were asked for."""

    columns: Mapping[str, Sequence[Any]]

    @property
    def ids(self) -> Sequence[int]:
        """Of each machine, in the order of the list."""
        return self.columns["id"]

    @property
    def hostnames(self) -> Sequence[str]:
        """Of each machine, in the order of the list."""
        return self.columns["hostname"]

    def first(self, count: int) -> Listing:
        """A part of it."""
        return Listing({name: values[:count] for name, values in self.columns.items()})


class Link(NamedTuple):
    """How a NIC is linked to a subnet: auto, dhcp, link_up or static. `ip` is the address that it is to have, always
    there with auto and static; `is_gateway` says that the machine's default route is that of this subnet."""

    id: int
    mode: str
    subnet_id: int | None
    ip: str | None
    is_gateway: bool


@dataclass(frozen=True)
class Interface:
    """One NIC, or something that is made of NICs (`type`); `ip` is its address by the last lease, if that still holds.
    From `tags` on it is what people say of it; `declared` are those of the other columns that they have set. Parents
    are the names of what it is made of, children those of what is made of it."""

    id: int
    machine_id: int
    name: str
    mac: str
    is_boot: bool
    vlan_id: int | None
    vendor: str
    product: str
    driver: str
    firmware_version: str
    link_connected: bool | None
    link_speed_mbps: int | None
    lldp: dict[str, Any] | None
    discovered: bool
    ip: str | None
    tags: list[str]
    enabled: bool
    mtu: int | None
    declared: list[str]
    links: list[Link]
    type: str
    params: dict[str, Any]
    parents: list[str]
    children: list[str]

    @property
    def addresses(self) -> list[str]:
        """What it is to have and what it leases; the latter is mostly one of the former, where there are any."""
        return [ip for ip in (self.ip, *(link.ip for link in self.links)) if ip]


@dataclass(frozen=True)
class BlockDevice:
    """One disk, sizes in bytes."""

    id: int
    machine_id: int
    name: str
    path: str
    id_path: str
    model: str
    serial: str
    size_bytes: int
    block_size_bytes: int
    rotary: bool | None
    firmware_version: str


@dataclass(frozen=True)
class MachineFilter:
    """Which machines: None means any. At most `limit`, those whose hostname comes after `after`. `tags` and `subnets`
    (ids; each once) are those that a machine has all of; of any other list it has one, of those that begin with `not_`
    none. `domains` are ids, 0 for the internal one. A machine is in the fabrics (names), VLANs (ids) and spaces (names)
    of all its interfaces. `free_text`, `description` and `workloads` are patterns."""

    ids: Sequence[int] | None = None
    system_ids: list[str] | None = None
    not_system_ids: list[str] | None = None
    hostnames: list[str] | None = None
    not_hostnames: list[str] | None = None
    description: str | None = None
    not_description: str | None = None
    macs: list[str] | None = None
    not_macs: list[str] | None = None
    boot_macs: list[str] | None = None
    not_boot_macs: list[str] | None = None
    ips: list[str] | None = None
    not_ips: list[str] | None = None
    statuses: list[int] | None = None
    not_statuses: list[int] | None = None
    simple_statuses: list[int] | None = None
    not_simple_statuses: list[int] | None = None
    power_states: list[str] | None = None
    not_power_states: list[str] | None = None
    owners: list[str] | None = None
    not_owners: list[str] | None = None
    architectures: list[str] | None = None
    not_architectures: list[str] | None = None
    domains: list[str] | None = None
    not_domains: list[str] | None = None
    zones: list[str] | None = None
    not_zones: list[str] | None = None
    pools: list[str] | None = None
    not_pools: list[str] | None = None
    tags: list[str] | None = None
    not_tags: list[str] | None = None
    fabrics: list[str] | None = None
    not_fabrics: list[str] | None = None
    fabric_classes: list[str] | None = None
    not_fabric_classes: list[str] | None = None
    vlans: list[str] | None = None
    not_vlans: list[str] | None = None
    subnets: list[str] | None = None
    not_subnets: list[str] | None = None
    spaces: list[str] | None = None
    not_spaces: list[str] | None = None
    workloads: list[str] | None = None
    not_workloads: list[str] | None = None
    min_cpu_count: int | None = None
    min_cpu_speed_mhz: int | None = None
    min_memory_mib: int | None = None
    min_link_speed_mbps: int | None = None
    free_text: str | None = None
    after: str | None = None
    limit: int | None = None

    @property
    def conditions(self) -> dict[str, Any]:
        """What is asked for, by the name of the condition (`machines.filters.NAME`)."""
        return {name: value for name, value in vars(self).items() if value is not None and name != "limit"}


@dataclass(frozen=True)
class Registration:
    """What an operator says about a machine, apart from power. The internal domain is 0."""

    hostname: str
    description: str
    architecture: str
    commissioning_suite: str
    zone_id: int
    pool_id: int
    domain_id: int


def select(
    tx: Transaction,
    wanted: MachineFilter,
    *,
    with_hardware: bool = True,
    with_steps: bool = True,
    with_labels: bool = True,
    with_expect: bool = False,
) -> list[Machine]:
    """Matching machines by hostname. Without hardware that is `{}`, without steps `last_step` is None, without labels
    a machine has neither tags nor texts: all of them cost."""
    rows = tx.all(
        "machines.registry.select", _names(wanted), **wanted.conditions, limit=wanted.limit,
        with_hardware=with_hardware, with_steps=with_steps, with_labels=with_labels, with_expect=with_expect,
    )  # fmt: skip
    # An empty object costs as much as another: it is text that has to be read as JSON.
    unread: dict[str, Any] = {} if with_hardware else {"hardware": {}}
    unread |= {} if with_labels else {"tag_names": [], "owner_data": {}, "workload_annotations": {}}
    return [Machine(**{**row, **unread}) for row in rows]


def few(tx: Transaction, wanted: MachineFilter, columns: Collection[str]) -> Listing:
    """These columns of matching machines, by hostname."""
    return Listing(
        tx.columns("machines.registry.few", _names(wanted), columns, **wanted.conditions, limit=wanted.limit)
    )


def ids(tx: Transaction, wanted: MachineFilter) -> list[int]:
    """Which machines match, by hostname."""
    return list(tx.columns("machines.registry.ids", _names(wanted), (), **wanted.conditions)["id"])


def _names(wanted: MachineFilter) -> list[str]:
    return [f"machines.filters.{name}" for name in wanted.conditions]


def names(tx: Transaction) -> list[tuple[int, str, str]]:
    """Domain (0 for the internal one), hostname and address of every machine, for each address that it has."""
    return [(row["domain_id"], row["hostname"], row["address"]) for row in tx.all("machines.registry.names")]


def hostnames_in(tx: Transaction, domain_id: int) -> list[str]:
    """The names of the machines in a domain that is not the internal one."""
    return [row["hostname"] for row in tx.all("machines.registry.hostnames_in", domain_id=domain_id)]


def count_by_status(tx: Transaction) -> dict[int, int]:
    """How many machines are in each status."""
    return {row["status"]: row["count"] for row in tx.all("machines.registry.count_by_status")}


def find(tx: Transaction, system_id: str) -> Machine | None:
    """The machine with this system_id."""
    found = select(tx, MachineFilter(system_ids=[system_id]))
    return found[0] if found else None


@dataclass(frozen=True)
class LockedMachine:
    """What is needed of a machine to change it."""

    id: int
    system_id: str
    hostname: str
    status: int
    bmc_id: int | None
    locked: bool
    pool_id: int
    owner_id: int | None


def lock(tx: Transaction, system_id: str) -> LockedMachine | None:
    """The machine, locked until the transaction ends."""
    row = tx.one("machines.registry.lock", system_id=system_id)
    return LockedMachine(**row) if row else None


def add(tx: Transaction, system_id: str, registration: Registration, owner_id: int | None, now: datetime) -> int:
    """A new machine; its id."""
    values = asdict(registration)
    row = tx.one("machines.registry.add", system_id=system_id, owner_id=owner_id, now=now, **values)
    assert row is not None
    return int(row["id"])


def update(tx: Transaction, machine_id: int, registration: Registration, now: datetime) -> None:
    """Write what an operator changed."""
    tx.run("machines.registry.update", machine_id=machine_id, now=now, **asdict(registration))


def declare(tx: Transaction, machine_id: int, expect: Mapping[str, Any]) -> None:
    """What the machine is declared to be made of; nothing when it is empty."""
    if expect:
        tx.run("machines.registry.expect", machine_id=machine_id, expect=dict(expect))
    else:
        tx.run("machines.registry.expect_nothing", machine_id=machine_id)


def delete(tx: Transaction, machine_id: int) -> None:
    """Remove the machine and everything that belongs to it; its events stay."""
    tx.run("machines.registry.delete", machine_id=machine_id)
    tx.run("racks.desired.changed")


def interfaces(tx: Transaction, machine_ids: Sequence[int], now: datetime) -> list[Interface]:
    """The interfaces of these machines, boot interface first."""
    found = tx.all("machines.registry.interfaces", machine_ids=list(machine_ids), now=now)
    return [Interface(**{**row, "links": [Link(*link) for link in row["links"]]}) for row in found]


def block_devices(tx: Transaction, machine_ids: Sequence[int]) -> list[BlockDevice]:
    """The disks of these machines by name."""
    return [BlockDevice(**row) for row in tx.all("machines.registry.block_devices", machine_ids=list(machine_ids))]


@dataclass(frozen=True)
class MacOwner:
    """Whose a MAC is."""

    mac: str
    system_id: str
    hostname: str


def mac_owners(tx: Transaction, macs: Sequence[str]) -> list[MacOwner]:
    """Who has these MACs already."""
    return [MacOwner(**row) for row in tx.all("machines.registry.mac_owners", macs=list(macs))]


def set_macs(tx: Transaction, machine_id: int, macs: Sequence[str]) -> None:
    """Make these the declared interfaces, the first one the boot interface.

    Interfaces that commissioning discovered stay; declared ones that are no longer named go.
    """
    # dhcpd on the racks knows registered machines by their addresses.
    tx.run("racks.desired.changed_by_new_macs", macs=list(macs))
    if tx.run("machines.registry.forget_macs", machine_id=machine_id, macs=list(macs)):
        tx.run("racks.desired.changed")
    tx.run("machines.registry.add_macs", machine_id=machine_id, macs=list(macs))
    tx.run("machines.registry.clear_boot_interface", machine_id=machine_id, mac=macs[0])
    tx.run("machines.registry.set_boot_interface", machine_id=machine_id, mac=macs[0])
    tx.run("machines.registry.set_boot_mac", machine_id=machine_id, mac=macs[0])
