# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine was found to be, held against what it is declared to be (`expectation`). Nothing is read here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

# What a kernel keeps back of the memory differs from one to the next; a module that is gone is more.
MEMORY_TOLERANCE_PERCENT = 1
# Disks of one printed size differ by that much.
DISK_TOLERANCE_PERCENT = 5
_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


class Disk(Protocol):
    """A disk as commissioning found it."""

    @property
    def name(self) -> str:
        """Of the kernel."""

    @property
    def model(self) -> str:
        """Empty if unknown."""

    @property
    def serial(self) -> str:
        """Empty if unknown."""

    @property
    def size_bytes(self) -> int:
        """As the kernel says."""

    @property
    def rotary(self) -> bool | None:
        """What the kernel believes."""


class Nic(Protocol):
    """A NIC as commissioning found it."""

    @property
    def name(self) -> str:
        """Of the kernel, or of whoever gave it another one."""

    @property
    def mac(self) -> str:
        """In lower case."""

    @property
    def link_connected(self) -> bool | None:
        """Whether there is a link."""

    @property
    def link_speed_mbps(self) -> int | None:
        """0 or None if unknown."""


@dataclass(frozen=True)
class Found:
    """What commissioning found; texts are empty where it found nothing. Memory in MiB; `neighbours` by name of the NIC,
    with the fields of LldpNeighbour."""

    cpu_count: int
    memory_mib: int
    machine: str
    firmware_type: str
    secure_boot: bool | None
    bios_version: str
    bmc_version: str
    disks: Sequence[Disk] = ()
    nics: Sequence[Nic] = ()
    neighbours: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """One thing that is not as declared. `declared` is None for what nothing declares, `found` for what is not there or
    not known."""

    what: str
    declared: Any
    found: Any


def compare(declared: Mapping[str, Any], found: Found) -> list[Difference]:
    """What differs, in the order of the schema. What is not declared is not looked at; `disks` are all that there may
    be, `nics` some."""
    return [
        *_scalars(declared, found),
        *(_disks(declared["disks"], found.disks) if "disks" in declared else ()),
        *(difference for nic in declared.get("nics", ()) for difference in _nic(nic, found)),
    ]


def _scalars(declared: Mapping[str, Any], found: Found) -> Iterator[Difference]:
    memory = declared.get("memory")
    if memory is not None and _within(found.memory_mib, memory, MEMORY_TOLERANCE_PERCENT):
        memory = None
    firmware = declared.get("firmware", {})
    for what, wanted, is_there in (
        ("cpu_count", declared.get("cpu_count"), found.cpu_count),
        ("memory", memory, found.memory_mib),
        ("architecture", declared.get("architecture"), _NAMES.get(found.machine, found.machine) or None),
        ("bios_boot_method", declared.get("bios_boot_method"), found.firmware_type or None),
        ("secure_boot", declared.get("secure_boot"), found.secure_boot),
        ("firmware.bios", firmware.get("bios"), found.bios_version or None),
        ("firmware.bmc", firmware.get("bmc"), found.bmc_version or None),
    ):
        if wanted is not None and wanted != is_there:
            yield Difference(what, wanted, is_there)


def _disks(declared: Sequence[Mapping[str, Any]], disks: Sequence[Disk]) -> Iterator[Difference]:
    """Each disk is counted for one entry only, and so that as many as can be are."""
    fitting = [[at for at, disk in enumerate(disks) if _fits(entry, disk)] for entry in declared]
    takers: dict[int, int] = {}  # by disk, the entry that it counts for

    def give(entry: int, tried: set[int]) -> bool:
        """Find one more disk for an entry; one that has it may have to take another (an augmenting path)."""
        free = next((disk for disk in fitting[entry] if disk not in takers), None)
        if free is not None:
            takers[free] = entry
            return True
        for disk in fitting[entry]:
            if disk not in tried:
                tried.add(disk)
                if give(takers[disk], tried):
                    takers[disk] = entry
                    return True
        return False

    for at, entry in enumerate(declared):
        wanted = entry.get("count", 1)
        # Whoever found none finds none later either.
        count = next((so_many for so_many in range(wanted) if not give(at, set())), wanted)
        if count < wanted:
            yield Difference(f"disks[{at}]", dict(entry), {"count": count})
    for at, disk in enumerate(disks):
        if at not in takers:
            yield Difference("disks", None, _shown(disk))


def _fits(entry: Mapping[str, Any], disk: Disk) -> bool:
    size_gb, tolerance = entry.get("size_gb"), entry.get("tolerance_percent", DISK_TOLERANCE_PERCENT)
    return (
        entry.get("kind") in (None, _kind(disk))
        and entry.get("model") in (None, disk.model)
        and entry.get("serial") in (None, disk.serial)
        and (size_gb is None or _within(disk.size_bytes, size_gb * 10**9, tolerance))
    )


def _kind(disk: Disk) -> str | None:
    if disk.name.startswith("nvme"):
        return "nvme"
    return None if disk.rotary is None else "hdd" if disk.rotary else "ssd"


def _shown(disk: Disk) -> dict[str, Any]:
    known = {"kind": _kind(disk), "model": disk.model, "serial": disk.serial}
    size = {"name": disk.name, "size_gb": round(disk.size_bytes / 10**9, 1)}
    return size | {name: value for name, value in known.items() if value}


def _nic(declared: Mapping[str, Any], found: Found) -> Iterator[Difference]:
    what = f"nics[{declared.get('name', declared.get('mac_address'))}]"
    by_name = [nic for nic in found.nics if nic.name == declared.get("name")]
    by_mac = [nic for nic in found.nics if nic.mac == declared.get("mac_address")]
    nic = next(iter(by_name or by_mac), None)
    if nic is None:
        yield Difference(what, dict(declared), None)
        return
    heard = found.neighbours.get(nic.name, {})
    for key, names in (
        ("name", [nic.name]),
        ("mac_address", [nic.mac]),
        ("switch", [heard.get("chassis_name"), heard.get("chassis_id")]),
        ("port", [heard.get("port_id"), heard.get("port_description")]),
        ("link_connected", [nic.link_connected]),
        ("link_speed", [nic.link_speed_mbps or None]),
    ):
        if key in declared and declared[key] not in names:
            told = [name for name in names if name not in (None, "")]
            yield Difference(f"{what}.{key}", declared[key], told[0] if told else None)


def _within(value: float, wanted: float, tolerance_percent: float) -> bool:
    return abs(value - wanted) * 100 <= wanted * tolerance_percent
