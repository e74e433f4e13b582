# SPDX-License-Identifier: GPL-3.0-or-later
"""Registering, changing, finding and deleting machines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network

from rackyard.region.context import Context
from rackyard.region.db.machines import devices as device_rows
from rackyard.region.db.machines import registry as rows
from rackyard.region.db.machines import state
from rackyard.region.db.machines.registry import (
    BlockDevice,
    Interface,
    LockedMachine,
    Machine,
    MachineFilter,
    Registration,
)
from rackyard.region.db.network import picture as network_rows
from rackyard.region.db.network.picture import Subnet, Vlan
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Invalid, NotFound
from rackyard.region.services.machines import expectation, groups
from rackyard.region.services.machines.groups import POOL, ZONE
from rackyard.region.services.network import domains
from rackyard.region.services.network.domains import HostName
from rackyard.region.services.operations.kinds import require_idle, require_unlocked
from rackyard.region.services.power import bmcs
from rackyard.region.services.power.parameters import PowerWish
from rackyard.region.services.site import identifiers, journal, validation
from rackyard.region.services.site.authorisation import Actor, Permission, Pool, Unknown, authorise
from rackyard.region.services.site.validation import Network
from rackyard.region.status import Status

MAX_INTERFACES = 64


@dataclass(frozen=True)
class MachineDetails:
    """A machine with what belongs to it."""

    machine: Machine
    interfaces: Sequence[Interface]
    disks: Sequence[BlockDevice]
    vlans: dict[int, Vlan]
    # By the id of the VLAN that they are on, and all of them by None.
    subnets: Mapping[int | None, Sequence[tuple[Network, Subnet]]]

    def subnet(self, subnet_id: int | None) -> Subnet | None:
        """The subnet of that id."""
        return next((subnet for _network, subnet in self.subnets.get(None, ()) if subnet.id == subnet_id), None)

    def subnet_of(self, nic: Interface) -> Subnet | None:
        """The subnet that a NIC's address is in, among those of its VLAN if that is known."""
        if not nic.ip:
            return None
        address = ip_address(nic.ip)
        return next((subnet for network, subnet in self.subnets.get(nic.vlan_id, ()) if address in network), None)


@dataclass(frozen=True)
class Wish:
    """What an operator wants a machine to be; None leaves things as they are (or takes the default)."""

    hostname: str | None = None
    description: str | None = None
    architecture: str | None = None
    macs: Sequence[str] | None = None
    power: PowerWish | None = None
    commissioning_suite: str | None = None
    zone: str | None = None
    pool: str | None = None
    domain: str | None = None
    # JSON of `expectation`; empty removes it.
    expect: str | None = None


@dataclass(frozen=True)
class Parts:
    """What of machines is read besides their own rows. What is not read is empty in the answer."""

    interfaces: bool = True
    disks: bool = True
    hardware: bool = True
    steps: bool = True
    labels: bool = True
    expect: bool = False


EVERYTHING = Parts()


def select(ctx: Context, tx: Transaction, wanted: MachineFilter, parts: Parts = EVERYTHING) -> list[MachineDetails]:
    """Matching machines by hostname: at most five statements, however many machines there are."""
    found = rows.select(
        tx, wanted, with_hardware=parts.hardware, with_steps=parts.steps, with_labels=parts.labels,
        with_expect=parts.expect,
    )  # fmt: skip
    return _with_details(tx, found, ctx.clock.now(), parts)


def count_by_status(ctx: Context) -> dict[int, int]:
    """How many machines are in each status (by number) that any is in."""
    with ctx.db.transaction() as tx:
        return rows.count_by_status(tx)


def read(ctx: Context, system_id: str, parts: Parts = EVERYTHING) -> MachineDetails:
    """One machine. Raises NotFound."""
    with ctx.db.transaction() as tx:
        found = select(ctx, tx, MachineFilter(system_ids=[system_id]), parts)
    if not found:
        raise not_found(system_id)
    return found[0]


def create(
    ctx: Context, actor: Actor, wish: Wish, also: Callable[[Transaction, str], None] | None = None
) -> MachineDetails:
    """A new machine in status New. Raises Forbidden; Invalid naming the field, what is wrong and the remedy.

    `also` is done with the new machine's system_id in the same transaction: if it fails, there is no machine."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        pool_id = groups.pool_for(tx, actor, wish.pool or str(POOL.default_id))
        if not wish.macs:
            raise Invalid.field(
                "mac_addresses", "One or more MAC addresses is required; give the MAC it boots from first."
            )
        macs = _checked_macs(tx, wish.macs, system_id=None)
        system_id = identifiers.free_system_id(ctx, tx)
        name = _name(ctx, tx, wish.hostname or f"machine-{system_id}", wish.domain)
        registration = Registration(
            hostname=name.hostname,
            description=validation.text("description", wish.description or ""),
            architecture=validation.architecture("architecture", wish.architecture or "amd64"),
            commissioning_suite=validation.suite("commissioning_suite", wish.commissioning_suite or ""),
            zone_id=groups.chosen(tx, ZONE, wish.zone) if wish.zone else ZONE.default_id,
            pool_id=pool_id,
            domain_id=name.domain.id,
        )
        machine_id = rows.add(tx, system_id, registration, actor.account_id, now)
        if wish.power is not None:
            bmcs.give(ctx, tx, machine_id, system_id, wish.power)
            _authorise_bmc(tx, actor, machine_id)
        if wish.expect is not None:
            rows.declare(tx, machine_id, expectation.parsed(wish.expect))
        rows.set_macs(tx, machine_id, macs)
        journal.record(
            tx,
            now,
            "NODE_CREATED",
            f"Machine {registration.hostname} was registered",
            machine_id=machine_id,
            username=actor.username,
        )
        if also is not None:
            also(tx, system_id)
        return _read(tx, system_id, now)


def add_enlisted(ctx: Context, tx: Transaction, architecture: str, mac: str) -> tuple[int, str]:
    """A machine that nobody has registered, in status New; its row and its hostname. Whoever calls has seen to it that
    the MAC is nobody's."""
    now, system_id = ctx.clock.now(), identifiers.free_system_id(ctx, tx)
    name = _name(ctx, tx, f"machine-{system_id}", None)
    registration = Registration(
        hostname=name.hostname,
        description="",
        architecture=validation.architecture("architecture", architecture),
        commissioning_suite="",
        zone_id=ZONE.default_id,
        pool_id=POOL.default_id,
        domain_id=name.domain.id,
    )
    machine_id = rows.add(tx, system_id, registration, None, now)
    rows.set_macs(tx, machine_id, [mac])
    journal.record(tx, now, "NODE_CREATED", f"Machine {name.hostname} has enlisted", machine_id=machine_id)
    return machine_id, name.hostname


def update(ctx: Context, actor: Actor, system_id: str, wish: Wish) -> MachineDetails:
    """Change what is given, leave the rest.

    Raises Forbidden, NotFound, Invalid, Conflict while something is under way or the machine is locked."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        locked = _locked(tx, actor, Permission.EDIT_MACHINE, system_id)
        if wish.power is not None:
            authorise(actor, Permission.SET_POWER_PARAMETERS, locked)
        if wish.macs is not None or wish.power is not None:
            require_idle(locked.hostname, locked.status, "change its MACs or power settings")
        machine = _read(tx, system_id, now).machine
        name = _name(ctx, tx, machine.hostname if wish.hostname is None else wish.hostname, wish.domain, machine)
        registration = Registration(
            hostname=name.hostname,
            description=validation.text(
                "description", machine.description if wish.description is None else wish.description
            ),
            architecture=validation.architecture("architecture", wish.architecture or machine.architecture),
            commissioning_suite=validation.suite(
                "commissioning_suite",
                machine.commissioning_suite if wish.commissioning_suite is None else wish.commissioning_suite,
            ),
            zone_id=groups.chosen(tx, ZONE, wish.zone) if wish.zone else machine.zone_id,
            pool_id=_moved(tx, actor, machine, wish.pool) if wish.pool else machine.pool_id,
            domain_id=name.domain.id,
        )
        rows.update(tx, machine.id, registration, now)
        if wish.expect is not None:
            rows.declare(tx, machine.id, expectation.parsed(wish.expect))
        if wish.power is not None:
            bmcs.change(ctx, tx, machine.id, system_id, wish.power)
            _authorise_bmc(tx, actor, machine.id)
        if wish.macs is not None:
            if not wish.macs:
                raise Invalid.field("mac_addresses", f"Machine {machine.hostname} needs at least one MAC; give one.")
            rows.set_macs(tx, machine.id, _checked_macs(tx, wish.macs, system_id))
        journal.record(
            tx,
            now,
            "NODE_CHANGED",
            f"Machine {registration.hostname} was changed",
            machine_id=machine.id,
            username=actor.username,
        )
        return _read(tx, system_id, now)


def delete(ctx: Context, actor: Actor, system_id: str) -> None:
    """Forget a machine. Raises Forbidden, NotFound, Conflict while something is under way or it is locked."""
    with ctx.db.transaction() as tx:
        locked = _locked(tx, actor, Permission.DELETE_MACHINE, system_id)
        require_idle(locked.hostname, locked.status, "delete it")
        rows.delete(tx, locked.id)
        bmcs.leave(tx, locked.bmc_id)
        text = f"Machine {locked.hostname} ({system_id}) was deleted"
        journal.record(tx, ctx.clock.now(), "NODE_DELETED", text, username=actor.username)


def not_found(system_id: str) -> NotFound:
    """What is raised for a machine that is not there."""
    return NotFound(f"No machine has the system_id {validation.shown(system_id)}; list them with GET machines/.")


def parse_statuses(names: Iterable[str], field: str = "status") -> list[int]:
    """Status numbers from names such as `ready` or `Failed commissioning`. Raises Invalid."""
    known = {status.name.lower(): int(status) for status in Status}
    known |= {str(int(status)): int(status) for status in Status}
    numbers = []
    for name in names:
        key = name.strip().lower().replace(" ", "_")
        if key not in known:
            choices = ", ".join(status.name.lower() for status in Status)
            raise Invalid.field(field, f"{validation.shown(name)} is no status; use one of {choices}.")
        numbers.append(known[key])
    return numbers


def _read(tx: Transaction, system_id: str, now: datetime) -> MachineDetails:
    machine = rows.find(tx, system_id)
    if machine is None:
        raise not_found(system_id)
    return _with_details(tx, [machine], now)[0]


def _with_details(
    tx: Transaction, machines: Sequence[Machine], now: datetime, parts: Parts = EVERYTHING
) -> list[MachineDetails]:
    ids = [machine.id for machine in machines]
    nics: dict[int, list[Interface]] = defaultdict(list)
    disks: dict[int, list[BlockDevice]] = defaultdict(list)
    for interface in rows.interfaces(tx, ids, now) if parts.interfaces else ():
        nics[interface.machine_id].append(interface)
    for disk in rows.block_devices(tx, ids) if parts.disks else ():
        disks[disk.machine_id].append(disk)
    vlans = {vlan.id: vlan for vlan in network_rows.vlans(tx)} if parts.interfaces else {}
    subnets: dict[int | None, list[tuple[Network, Subnet]]] = defaultdict(list)
    for subnet in network_rows.subnets(tx) if parts.interfaces else ():
        for vlan_id in (subnet.vlan_id, None):
            subnets[vlan_id].append((ip_network(subnet.cidr), subnet))
    return [MachineDetails(machine, nics[machine.id], disks[machine.id], vlans, subnets) for machine in machines]


def _locked(tx: Transaction, actor: Actor, permission: Permission, system_id: str) -> LockedMachine:
    locked = rows.lock(tx, system_id)
    authorise(actor, permission, locked or Unknown.MACHINE)
    if locked is None:
        raise not_found(system_id)
    require_unlocked(locked)
    return locked


def _moved(tx: Transaction, actor: Actor, machine: Machine, specifier: str) -> int:
    """The id of the pool that a machine shall be in: another one takes rights over both."""
    if groups.chosen(tx, POOL, specifier) == machine.pool_id:
        return machine.pool_id
    authorise(actor, Permission.REGISTER_MACHINE, Pool(machine.pool_id, machine.pool_name))
    return groups.pool_for(tx, actor, specifier)


def _authorise_bmc(tx: Transaction, actor: Actor, machine_id: int) -> None:
    """A BMC's settings are those of all machines behind it."""
    for machine in state.beside(tx, machine_id):
        authorise(actor, Permission.SET_POWER_PARAMETERS, machine)


def _name(ctx: Context, tx: Transaction, text: str, domain: str | None, known: Machine | None = None) -> HostName:
    """What a new machine shall be called, or one that is there."""
    before = domains.find(ctx, tx, str(known.domain_id or domains.INTERNAL_ID)) if known else None
    name = domains.of_host(ctx, tx, text, domain, before)
    for other in rows.select(tx, MachineFilter(hostnames=[name.hostname])):
        if known is None or other.system_id != known.system_id:
            raise Invalid.field(
                "hostname",
                f"Machine {name.hostname} ({other.system_id}) exists already; "
                "choose another hostname or delete that machine.",
            )
    device_rows.keep_out(tx)
    device = device_rows.named(tx, name.hostname)
    if device is not None:
        raise Invalid.field(
            "hostname", f"Device {name.hostname} ({device.system_id}) exists already; choose another hostname."
        )
    if known is None or (known.hostname, before) != (name.hostname, name.domain):
        domains.require_free(tx, name)
    return name


def _checked_macs(tx: Transaction, given: Sequence[str], system_id: str | None) -> list[str]:
    macs = [validation.mac("mac_addresses", text) for text in given]
    if len(macs) > MAX_INTERFACES:
        raise Invalid.field("mac_addresses", f"A machine has at most {MAX_INTERFACES} interfaces; give fewer MACs.")
    for mac in macs:
        if macs.count(mac) > 1:
            raise Invalid.field("mac_addresses", f"MAC {mac} is given twice; give each MAC once.")
    for owner in rows.mac_owners(tx, macs):
        if owner.system_id != system_id:
            raise Invalid.field(
                "mac_addresses",
                f"MAC {owner.mac} already belongs to machine {owner.hostname} ({owner.system_id}); "
                "give another MAC or delete that machine.",
            )
    device_rows.keep_out(tx)
    for owner in device_rows.mac_owners(tx, macs):
        raise Invalid.field(
            "mac_addresses",
            f"MAC {owner.mac} already belongs to device {owner.hostname} ({owner.system_id}); "
            "give another MAC or delete that device.",
        )
    return macs
