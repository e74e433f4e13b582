# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices with their interfaces as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from rackyard.region.db.machines.groups import Group
from rackyard.region.db.machines.registry import Link, MacOwner
from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Device:
    """One device. Its domain is 0 when it is the internal one; `parent` is a machine's system_id."""

    id: int
    system_id: str
    hostname: str
    description: str
    domain_id: int
    parent: str | None
    zone_id: int
    zone_name: str
    zone_description: str
    owner: str | None
    owner_data: dict[str, str]
    workload_annotations: dict[str, str]
    tag_names: list[str]

    @property
    def zone(self) -> Group:
        """What it fails together with."""
        return Group(self.zone_id, self.zone_name, self.zone_description)


@dataclass(frozen=True)
class DeviceInterface:
    """One NIC of a device; `ips` are its addresses by the leases that hold, `links` is how people want it."""

    id: int
    device_id: int
    name: str
    mac: str
    vlan_id: int | None
    tags: list[str]
    ips: list[str]
    links: list[Link]


@dataclass(frozen=True)
class DeviceFilter:
    """Which devices: None means any, of a list one has to fit."""

    system_ids: list[str] | None = None
    hostnames: list[str] | None = None
    macs: list[str] | None = None
    domain_ids: list[int] | None = None
    zone_ids: list[int] | None = None
    parents: list[str] | None = None
    tags: list[str] | None = None


@dataclass(frozen=True)
class Registration:
    """What an operator says about a device."""

    hostname: str
    description: str
    domain_id: int
    parent_id: int | None
    zone_id: int


def lock(tx: Transaction) -> None:
    """One change of devices and of names at a time, so that what was checked still holds at the commit."""
    tx.run("machines.devices.lock")


def keep_out(tx: Transaction) -> None:
    """No device gets a name or a MAC until the transaction ends, which gives them to a machine."""
    tx.run("machines.devices.keep_out")


def select(tx: Transaction, wanted: DeviceFilter) -> list[Device]:
    """Matching devices by hostname."""
    return [Device(**row) for row in tx.all("machines.devices.select", **asdict(wanted))]


def find(tx: Transaction, system_id: str) -> Device | None:
    """The device with this system_id."""
    found = select(tx, DeviceFilter(system_ids=[system_id]))
    return found[0] if found else None


def named(tx: Transaction, hostname: str) -> Device | None:
    """The device of that hostname."""
    found = select(tx, DeviceFilter(hostnames=[hostname]))
    return found[0] if found else None


def interfaces(tx: Transaction, device_ids: Sequence[int]) -> list[DeviceInterface]:
    """The interfaces of these devices, oldest first."""
    return [
        DeviceInterface(**{**row, "links": [Link(*each) for each in row["links"]]})
        for row in tx.all("machines.devices.interfaces", device_ids=list(device_ids))
    ]


def mac_owners(tx: Transaction, macs: Sequence[str]) -> list[MacOwner]:
    """Which devices have these MACs already."""
    return [MacOwner(**row) for row in tx.all("machines.devices.mac_owners", macs=list(macs))]


def machine_named(tx: Transaction, hostname: str) -> str | None:
    """The system_id of the machine of that hostname."""
    row = tx.one("machines.devices.machine_named", hostname=hostname)
    return None if row is None else str(row["system_id"])


def machine_id(tx: Transaction, system_id: str) -> int | None:
    """The row of the machine with this system_id."""
    row = tx.one("machines.devices.machine", system_id=system_id)
    return None if row is None else int(row["id"])


def names_in(tx: Transaction, domain_id: int) -> list[str]:
    """The hostnames of all devices in a domain."""
    return [row["hostname"] for row in tx.all("machines.devices.names") if row["domain_id"] == domain_id]


def published(tx: Transaction) -> list[tuple[int, str, str]]:
    """Domain (0 for the internal one), hostname and address of every device, for each address that it has."""
    return [(row["domain_id"], row["hostname"], row["address"]) for row in tx.all("machines.devices.published")]


def add(tx: Transaction, system_id: str, registration: Registration, owner_id: int | None, now: datetime) -> int:
    """A new device; its id."""
    values = asdict(registration)
    row = tx.one("machines.devices.add", system_id=system_id, owner_id=owner_id, now=now, **values)
    assert row is not None
    return int(row["id"])


def update(tx: Transaction, device_id: int, registration: Registration, now: datetime) -> None:
    """Write what an operator changed."""
    tx.run("machines.devices.update", id=device_id, now=now, **asdict(registration))


def delete(tx: Transaction, device_id: int) -> None:
    """Remove a device with its interfaces."""
    tx.run("machines.devices.delete", id=device_id)


def write_texts(tx: Transaction, column: str, device_id: int, texts: Mapping[str, str], now: datetime) -> None:
    """All texts of that kind anew."""
    tx.run(f"machines.devices.write_{column}", id=device_id, texts=dict(texts), now=now)


def add_interface(
    tx: Transaction, device_id: int, name: str, mac: str, vlan_id: int | None, tags: Sequence[str]
) -> int:
    """One more interface; its id."""
    row = tx.one(
        "machines.devices.add_interface", device_id=device_id, name=name, mac=mac, vlan_id=vlan_id, tags=list(tags)
    )
    assert row is not None
    return int(row["id"])


def update_interface(tx: Transaction, nic: DeviceInterface) -> None:
    """Write name, MAC, VLAN and tags."""
    tx.run(
        "machines.devices.update_interface", id=nic.id, name=nic.name, mac=nic.mac, vlan_id=nic.vlan_id, tags=nic.tags
    )


def delete_interface(tx: Transaction, interface_id: int) -> None:
    """Remove one interface."""
    tx.run("machines.devices.delete_interface", id=interface_id)


def add_link(tx: Transaction, interface_id: int, mode: str, subnet_id: int | None, ip: str | None) -> None:
    """A new link of an interface."""
    tx.run("machines.devices.add_link", interface_id=interface_id, mode=mode, subnet_id=subnet_id, ip=ip)
