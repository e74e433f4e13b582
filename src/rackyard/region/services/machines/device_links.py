# SPDX-License-Identifier: GPL-3.0-or-later
"""How NICs of devices are linked to subnets: as those of machines are, and racks keep the address for the NIC too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from rackyard.region.context import Context
from rackyard.region.db.machines import devices as rows
from rackyard.region.db.machines import interfaces as interface_rows
from rackyard.region.db.machines.devices import DeviceInterface
from rackyard.region.db.network import picture as network_rows
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Invalid
from rackyard.region.services.machines import devices, link_wishes
from rackyard.region.services.machines.devices import DeviceDetails
from rackyard.region.services.machines.link_wishes import LinkWish
from rackyard.region.services.network import picture
from rackyard.region.services.network.network import Network
from rackyard.region.services.site.authorisation import Actor


@dataclass(frozen=True)
class _Ground:
    tx: Transaction
    network: Network
    now: datetime
    nic: DeviceInterface


def link_subnet(
    ctx: Context, actor: Actor, system_id: str, specifier: str, wish: LinkWish
) -> tuple[DeviceDetails, int]:
    """Link a NIC, by id or name; the device, and the NIC's id. Raises Forbidden, NotFound, Invalid naming what is in
    the way and the remedy."""
    with _changing(ctx, actor, system_id, specifier) as ground:
        nic = ground.nic
        mode = link_wishes.mode_of(wish.mode)
        subnet = link_wishes.subnet_of(ground, mode, wish)
        if wish.default_gateway:
            raise Invalid.field("default_gateway", "Nothing sets up a device's routes from here; leave it out.")
        gone = link_wishes.in_the_way(ground, nic, mode, subnet, force=wish.force)
        interface_rows.delete_links(ground.tx, [link.id for link in gone])
        if subnet is not None and subnet.vlan_id != nic.vlan_id:
            rows.update_interface(ground.tx, replace(nic, vlan_id=subnet.vlan_id))
        ip = link_wishes.address_of(ground, mode, subnet, wish.ip_address)
        rows.add_link(ground.tx, nic.id, mode, subnet.id if subnet else None, ip)
        return devices.read_within(ctx, ground.tx, system_id), nic.id


def unlink_subnet(
    ctx: Context, actor: Actor, system_id: str, specifier: str, link_id: str
) -> tuple[DeviceDetails, int]:
    """Remove one link of a NIC, by id or name; the device, and the NIC's id. Raises Forbidden, NotFound, Invalid."""
    with _changing(ctx, actor, system_id, specifier) as ground:
        interface_rows.delete_links(ground.tx, [link_wishes.link_of(ground.nic, "id", link_id).id])
        return devices.read_within(ctx, ground.tx, system_id), ground.nic.id


@contextmanager
def _changing(ctx: Context, actor: Actor, system_id: str, specifier: str) -> Iterator[_Ground]:
    """A transaction in which nobody else changes devices, nor the network. Raises Forbidden, NotFound."""
    with devices.changing(ctx, actor, system_id) as (tx, device):
        nic = devices.interface_of(device, rows.interfaces(tx, [device.id]), specifier)
        network_rows.lock(tx)
        yield _Ground(tx, picture.load(tx), ctx.clock.now(), nic)
