# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between what machines are declared to be and what their last commissioning found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rackyard.region.context import Context
from rackyard.region.db.machines.registry import MachineFilter
from rackyard.region.services.machines import lists, registry
from rackyard.region.services.machines.differences import Difference, Found, compare
from rackyard.region.services.machines.registry import MachineDetails, Parts

_PARTS = Parts(interfaces=True, disks=True, hardware=True, steps=False, labels=False, expect=True)
SAME, DIFFERS, UNKNOWN, UNDECLARED = "same", "differs", "unknown", "undeclared"


@dataclass(frozen=True)
class Drift:
    """One machine: `unknown` is one that was never commissioned, `undeclared` one of which nothing is declared. Both
    have None in place of differences."""

    system_id: str
    hostname: str
    state: str
    found_at: datetime | None
    differences: Sequence[Difference] | None


def read(ctx: Context, system_id: str) -> Drift:
    """One machine. Raises NotFound."""
    for drift in find_all(ctx, MachineFilter(system_ids=[system_id])):
        return drift
    raise registry.not_found(system_id)


def find_all(ctx: Context, wanted: MachineFilter) -> Iterator[Drift]:
    """Matching machines by hostname, read in portions. Raises Invalid for what there is not."""
    for portion in lists.detailed(ctx, wanted, _PARTS):
        yield from map(_drift, portion.found.machines)


def _drift(details: MachineDetails) -> Drift:
    machine = details.machine
    differences = None
    if not machine.expect:
        state = UNDECLARED
    elif machine.commissioned_at is None:
        state = UNKNOWN
    else:
        differences = compare(machine.expect, _found(details))
        state = DIFFERS if differences else SAME
    return Drift(machine.system_id, machine.hostname, state, machine.commissioned_at, differences)


def _found(details: MachineDetails) -> Found:
    machine, hardware = details.machine, details.machine.hardware
    # A machine that the release before commissioned has no such list.
    there = hardware.get("macs", [nic.mac for nic in details.interfaces if nic.link_connected is not None])
    nics = [nic for nic in details.interfaces if nic.type == "physical" and nic.mac in there]
    return Found(
        cpu_count=machine.cpu_count,
        memory_mib=machine.memory_mib,
        machine=(hardware.get("cpu") or {}).get("architecture", ""),
        firmware_type=machine.firmware_type,
        secure_boot=machine.secure_boot,
        bios_version=hardware.get("mainboard_firmware_version", ""),
        bmc_version=(hardware.get("bmc") or {}).get("firmware_version", ""),
        disks=details.disks,
        nics=nics,
        neighbours={nic.name: nic.lldp for nic in nics if nic.lldp},
    )
