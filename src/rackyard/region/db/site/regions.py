# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions as rows: what their workers say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.machines.groups import Group
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site.hosts import Host, with_host


@dataclass(frozen=True)
class RegionController:
    """A region, as its worker last described it. `names` has the addresses that its name server has for a subnet."""

    id: int
    system_id: str
    name: str
    version: str
    seen_at: datetime
    cert_not_after: datetime | None
    names: Mapping[str, Sequence[str]]
    names_trouble: str
    last_word_s: float
    zone_id: int
    zone_name: str
    zone_description: str
    # None before it has said so.
    host: Host | None
    tag_names: list[str]

    @property
    def zone(self) -> Group:
        """What it fails together with."""
        return Group(self.zone_id, self.zone_name, self.zone_description)


@dataclass(frozen=True)
class RegionService:
    """How one of a region's services is, and why and when it last was dead."""

    region_id: int
    name: str
    state: str
    info: str
    failure: str
    failed_at: datetime | None


@dataclass(frozen=True)
class RegionProcess:
    """A port on which racks reach a region, and how long ago the region said so (s)."""

    name: str
    address: str
    port: int
    last_word_s: float


def all_regions(tx: Transaction) -> list[RegionController]:
    """Every region by name."""
    return [RegionController(**with_host(row)) for row in tx.all("site.regions.all")]


def services(tx: Transaction) -> list[RegionService]:
    """Every service of every region."""
    return [RegionService(**row) for row in tx.all("site.regions.services")]


def processes(tx: Transaction) -> list[RegionProcess]:
    """Every port of every region that was heard within a day."""
    return [RegionProcess(**row) for row in tx.all("site.regions.processes")]
