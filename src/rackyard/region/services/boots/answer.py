# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine boots: the answer to a rack that asks on behalf of a MAC."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from rackyard.region.context import Context
from rackyard.region.db.boots import records
from rackyard.region.db.boots.records import BootOfMac
from rackyard.region.db.network import subnets
from rackyard.region.db.network.subnets import Subnet
from rackyard.region.db.pool import Transaction
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import Conflict, Forbidden, NotFound, TooEarly
from rackyard.region.services.boots import claims, enlisting, kernel_line, steps, timeline
from rackyard.region.services.boots.claims import Claim
from rackyard.region.services.boots.kernel_line import KernelLine
from rackyard.region.services.machines import tags
from rackyard.region.services.racks import names, serving
from rackyard.region.services.site import images, journal, settings

# A screen if there is one, and the first serial line, which is what a BMC shows (the last one is /dev/console).
CONSOLES = ("console=tty0", "console=ttyS0,115200n8")


@dataclass(frozen=True)
class BootQuery:
    """A loader's question as the rack passes it on."""

    mac: str
    arch: str
    firmware: str
    client_ip: str
    local_ip: str


def configuration(ctx: Context, rack: Rack, query: BootQuery) -> dict[str, Any]:
    """Kernel, initrd, root file system and parameters for a machine that boots now, or purpose `local`.

    Raises NotFound for an unknown MAC that may not enlist, and just so for whoever gives the MAC of a machine that
    boots but has not its address (an event is recorded); TooEarly while no lease says whose the address is; Forbidden
    when the rack has no address in the asker's subnet; Conflict when that is not managed."""
    with ctx.db.transaction() as tx:
        boot = records.of_mac(tx, query.mac)
        refusal = serving.of_rack(tx, rack).refusal(query.client_ip)
    if refusal:
        raise Forbidden(refusal)
    if boot is None:
        return _enlisting(ctx, rack, query)
    if boot.id is None or boot.boot_id is None or boot.manifest is None:
        return {"purpose": "local", "hostname": boot.hostname}
    claim = Claim(boot.machine_id, boot.system_id, boot.hostname, query.client_ip, rack)
    holding = claims.settle(ctx, claim)
    if not holding.proved:
        with ctx.db.transaction() as tx:
            claims.note_stranger(ctx, tx, claim, holding, "boot configuration")
        if holding.refuted:
            raise _unknown(query.mac)
        # Its lease may be on the way still: the rack has the loader ask again.
        raise TooEarly(claim.refusal(holding))
    with ctx.db.transaction() as tx:
        again = records.of_mac(tx, query.mac)
        if again is None or again.id != boot.id:
            # It ended while the lease was waited for.
            return {"purpose": "local", "hostname": boot.hostname}
        files, params = images.paths(boot.manifest), line(ctx, tx, boot, query)
        now = ctx.clock.now()
        by_whom = f"{rack.hostname} (boot service)"
        detail = f"{query.firmware} {query.arch} {query.mac} at {query.client_ip}"
        if timeline.record(tx, boot.id, steps.CONFIG_ASKED, by_whom, now, detail):
            journal.record(
                tx, now, "NODE_PXE_REQUEST", f"{by_whom} asked for {detail}", machine_id=boot.machine_id,
                rack_id=rack.id,
            )  # fmt: skip
        tx.run("boots.records.answered", id=boot.id, rack_id=rack.id, client_ip=query.client_ip)
    return {
        "purpose": boot.purpose,
        "boot_id": boot.boot_id,
        "hostname": boot.hostname,
        "kernel": files.kernel,
        "initrd": files.initrd,
        "squashfs": files.squashfs,
        "params": params,
    }


def line(ctx: Context, tx: Transaction, boot: BootOfMac, query: BootQuery) -> list[str]:
    """The kernel parameters of a boot that is under way.

    Raises Conflict when the asker's subnet is not managed, BadRequest when a site's own option cannot be used."""
    assert boot.boot_id is not None
    assert boot.manifest is not None
    subnet = _subnet(tx, boot.hostname, query)
    return kernel_line.build(
        KernelLine(
            boot_id=boot.boot_id,
            mac=query.mac,
            rack_address=query.local_ip,
            subnet_name=names.subnet_name(subnet.cidr, ctx.config.domain),
            squashfs_path=images.paths(boot.manifest).squashfs,
            options=(
                *CONSOLES,
                *str(settings.get(tx, "kernel_options")).split(),
                *tags.kernel_words(tx, boot.machine_id),
            ),
            address6=_address6(subnet.cidr, query.client_ip),
        )
    )


def _enlisting(ctx: Context, rack: Rack, query: BootQuery) -> dict[str, Any]:
    """The answer for a MAC that belongs to nobody. Raises NotFound, TooEarly, BadRequest as above."""
    given = enlisting.offer(ctx, rack, query.mac, query.arch, query.client_ip)
    if given is None:
        raise _unknown(query.mac)
    with ctx.db.transaction() as tx:
        options = (*CONSOLES, *str(settings.get(tx, "kernel_options")).split())
    files = images.paths(given.manifest)
    return {
        "purpose": enlisting.PURPOSE,
        "boot_id": given.boot_id,
        "hostname": None,
        "kernel": files.kernel,
        "initrd": files.initrd,
        "squashfs": files.squashfs,
        "params": kernel_line.build(
            KernelLine(
                boot_id=given.boot_id,
                mac=query.mac,
                rack_address=query.local_ip,
                subnet_name=names.subnet_name(given.cidr, ctx.config.domain),
                squashfs_path=files.squashfs,
                options=options,
                address6=_address6(given.cidr, query.client_ip),
            )
        ),
    }


def _unknown(mac: str) -> NotFound:
    return NotFound(f"no machine has the MAC address {mac}; register it with mac_addresses={mac}")


def _address6(cidr: str, address: str) -> str:
    """An address of IPv6 with the length of its network's prefix; empty for one of IPv4."""
    return f"{address}/{ip_network(cidr).prefixlen}" if ip_address(address).version == 6 else ""


def _subnet(tx: Transaction, hostname: str, query: BootQuery) -> Subnet:
    for address in (query.client_ip, query.local_ip):
        subnet = subnets.containing(tx, address)
        if subnet is not None:
            return subnet
    raise Conflict(
        f"{hostname} boots at {query.client_ip}, which is in no managed subnet; declare that subnet with the playbook "
        "rackyard.metal.network"
    )
