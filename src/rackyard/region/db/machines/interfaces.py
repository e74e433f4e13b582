# SPDX-License-Identifier: GPL-3.0-or-later
"""What people say of machines' NICs, as rows. They are read with their machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class NicColumns:
    """What people can change of a NIC; `declared` names those that commissioning leaves alone."""

    name: str
    mac: str
    vlan_id: int | None
    tags: Sequence[str]
    enabled: bool
    mtu: int | None
    link_connected: bool | None
    link_speed_mbps: int | None
    declared: Sequence[str]


def add(tx: Transaction, machine_id: int, columns: NicColumns) -> int:
    """A new NIC; its id."""
    row = tx.one("machines.interfaces.add", machine_id=machine_id, **_values(columns))
    assert row is not None
    # dhcpd on the racks knows registered machines by their addresses.
    tx.run("racks.desired.changed")
    return int(row["id"])


def add_virtual(
    tx: Transaction,
    machine_id: int,
    columns: NicColumns,
    kind: str,
    params: Mapping[str, object],
    parent_ids: Sequence[int],
) -> int:
    """A new bond, bridge or VLAN (`kind`) made of these interfaces; its id."""
    values = _values(columns)
    row = tx.one("machines.interfaces.add_virtual", machine_id=machine_id, type=kind, params=dict(params), **values)
    assert row is not None
    tx.run("machines.interfaces.add_parents", child_id=row["id"], parent_ids=list(parent_ids))
    return int(row["id"])


def set_params(tx: Transaction, nic_id: int, params: Mapping[str, object]) -> None:
    """Write the params of a bond or bridge."""
    tx.run("machines.interfaces.set_params", id=nic_id, params=dict(params))


def follow_mac(tx: Transaction, machine_id: int, before: str, mac: str) -> None:
    """What is made of a NIC and shows its MAC shows its new one."""
    tx.run("machines.interfaces.follow_mac", machine_id=machine_id, before=before, mac=mac)


def update(tx: Transaction, nic_id: int, columns: NicColumns) -> None:
    """Write all of them."""
    tx.run("machines.interfaces.update", id=nic_id, **_values(columns))
    tx.run("racks.desired.changed")


def set_boot_mac(tx: Transaction, machine_id: int, mac: str) -> None:
    """The machine boots from this MAC now."""
    tx.run("machines.interfaces.set_boot_mac", machine_id=machine_id, mac=mac)


def delete(tx: Transaction, nic_id: int) -> None:
    """Remove a NIC with its links."""
    tx.run("machines.interfaces.delete", id=nic_id)
    tx.run("racks.desired.changed")


def add_link(tx: Transaction, nic_id: int, mode: str, subnet_id: int | None, ip: str | None) -> int:
    """A new link; its id."""
    row = tx.one("machines.interfaces.add_link", interface_id=nic_id, mode=mode, subnet_id=subnet_id, ip=ip)
    assert row is not None
    return int(row["id"])


def delete_links(tx: Transaction, link_ids: Sequence[int]) -> None:
    """Remove links; a default route through one of them is gone as well."""
    tx.run("machines.interfaces.delete_links", ids=list(link_ids))


def set_gateway(tx: Transaction, machine_id: int, version: int, link_id: int) -> None:
    """The machine's default route of that version of IP is through this link, and no other."""
    tx.run("machines.interfaces.set_gateway", machine_id=machine_id, family=version, link_id=link_id)


def clear_gateways(tx: Transaction, machine_id: int) -> None:
    """The machine has no default route of its own."""
    tx.run("machines.interfaces.clear_gateways", machine_id=machine_id)


def _values(columns: NicColumns) -> dict[str, object]:
    return {**asdict(columns), "tags": list(columns.tags), "declared": sorted(columns.declared)}
