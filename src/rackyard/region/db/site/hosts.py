# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host of a rack or a region is made of, as it says itself; kept as one document of its row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from rackyard.region.db.pool import Row


@dataclass(frozen=True)
class HostInterface:
    """A network interface with its addresses and their prefix lengths. What an agent of the release before does not
    tell is as the default."""

    name: str
    mac: str | None
    addresses: Sequence[str]
    type: str = "physical"
    enabled: bool = True
    link_connected: bool | None = None
    link_speed_mbps: int = 0
    mtu: int = 0
    parents: Sequence[str] = ()


@dataclass(frozen=True)
class Host:
    """A host: clock rate in MHz, memory in MiB, swap space in bytes, texts of SMBIOS by MAAS's names. What is not known
    is empty, 0 or None."""

    architecture: str = ""
    cpu_count: int = 0
    cpu_speed_mhz: int = 0
    memory_mib: int = 0
    swap_bytes: int | None = None
    osystem: str = ""
    distro_series: str = ""
    hardware: Mapping[str, str] = field(default_factory=dict)
    interfaces: Sequence[HostInterface] = ()

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Host:
        """Of what the host said; fields that only another release knows are left out."""
        nics = [HostInterface(**_known(HostInterface, nic)) for nic in document.get("interfaces", [])]
        return cls(**{**_known(cls, document), "interfaces": nics})

    def document(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)


def with_host(row: Row) -> dict[str, Any]:
    """A row with its document read."""
    return {**row, "host": None if row["host"] is None else Host.read(row["host"])}


def _known(kind: type, document: Mapping[str, Any]) -> dict[str, Any]:
    return {each.name: document[each.name] for each in fields(kind) if each.name in document}
