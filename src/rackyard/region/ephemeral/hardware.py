# SPDX-License-Identifier: GPL-3.0-or-later
"""The hardware of a machine as commissioning describes it; where it comes from is ``facts.py``'s business."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BootEntry:
    """One boot entry of UEFI firmware; ``path`` is its device path as efibootmgr words it."""

    number: str
    name: str
    active: bool
    path: str


@dataclass(frozen=True, slots=True)
class BootOrder:
    """What UEFI firmware boots (BootCurrent, BootOrder and Boot#### of the UEFI specification, 3.3)."""

    current: str
    order: tuple[str, ...]
    entries: tuple[BootEntry, ...]


@dataclass(frozen=True, slots=True)
class Firmware:
    """Identity of the machine and its firmware (SMBIOS types 0 to 3); unknown texts are empty."""

    system_vendor: str
    system_product: str
    system_version: str
    system_serial: str
    system_uuid: str
    system_family: str
    system_sku: str
    mainboard_vendor: str
    mainboard_product: str
    mainboard_version: str
    mainboard_serial: str
    chassis_vendor: str
    chassis_type: str
    chassis_version: str
    chassis_serial: str
    vendor: str
    version: str
    date: str
    firmware_type: str
    secure_boot: bool
    boot: BootOrder | None


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processors; ``count`` is what the kernel can run on, ``cores`` are physical, ``mhz`` is 0 when unknown."""

    architecture: str
    model: str
    vendor: str
    count: int
    sockets: int
    cores: int
    threads_per_core: int
    mhz: int
    numa_nodes: int


@dataclass(frozen=True, slots=True)
class MemoryModule:
    """One memory module (SMBIOS type 17)."""

    size_mib: int
    locator: str
    kind: str
    speed: str
    manufacturer: str
    part_number: str
    serial: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What the kernel may use and what SMBIOS says is installed, in MiB."""

    kernel_mib: int
    installed_mib: int
    modules: tuple[MemoryModule, ...]

    @property
    def total_mib(self) -> int:
        """What is installed if that is believable (the kernel keeps some back), else what the kernel sees."""
        believable = self.kernel_mib <= self.installed_mib <= self.kernel_mib * 5 // 4 + 512
        return self.installed_mib if believable else self.kernel_mib


@dataclass(frozen=True, slots=True)
class Disk:
    """A whole disk; ``rotary`` is what the kernel believes."""

    name: str
    path: str
    id_path: str
    model: str
    serial: str
    size_bytes: int
    block_size_bytes: int
    rotary: bool
    removable: bool
    transport: str
    firmware_version: str


@dataclass(frozen=True, slots=True)
class Nic:
    """A physical Ethernet port; ``link_speed_mbps`` is 0 without a link or when the driver does not tell."""

    name: str
    mac: str
    driver: str
    vendor: str
    product: str
    firmware_version: str
    link_connected: bool
    link_speed_mbps: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LldpNeighbour:
    """The switch port at the other end of a NIC, learned by ``protocol`` (LLDP, CDPv2, …)."""

    nic: str
    protocol: str
    chassis_name: str
    chassis_id: str
    port_id: str
    port_description: str
    management_addresses: tuple[str, ...]
    vlan: int | None


@dataclass(frozen=True, slots=True)
class BmcFacts:
    """The machine's own BMC as it answers in-band; texts are empty when it did not say."""

    address: str
    netmask: str
    gateway: str
    mac: str
    address_source: str
    channel: int | None
    firmware_version: str
    ipmi_version: str
    manufacturer: str
    product: str


@dataclass(frozen=True, slots=True)
class HardwareFacts:
    """Everything that commissioning learns about a machine. ``boot_mac`` is empty when the loader did not say."""

    firmware: Firmware
    cpu: Cpu
    memory: Memory
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    neighbours: tuple[LldpNeighbour, ...]
    bmc: BmcFacts | None
    boot_mac: str

    @property
    def storage_mb(self) -> int:
        """Capacity of all fixed disks in MB (10^6 bytes)."""
        return sum(disk.size_bytes for disk in self.disks if not disk.removable) // 1_000_000

    def neighbour_of(self, nic: str) -> LldpNeighbour | None:
        """The neighbour of a NIC; with several behind a hub, the first that speaks LLDP."""
        heard = [neighbour for neighbour in self.neighbours if neighbour.nic == nic]
        return next((one for one in heard if one.protocol == "LLDP"), heard[0] if heard else None)
