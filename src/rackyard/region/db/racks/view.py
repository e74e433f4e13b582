# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.machines.groups import Group
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site.hosts import Host, with_host


@dataclass(frozen=True)
class RackController:
    """An enrolled rack."""

    id: int
    system_id: str
    hostname: str
    version: str
    alive: bool
    last_seen_at: datetime | None
    registered_at: datetime | None
    cert_not_after: datetime | None
    desired_generation: int
    # How long ago it was last heard, and desired_generation counted up (s).
    last_word_s: float | None
    desired_s: float | None
    # What all its daemons have got to; None before the first report.
    applied_generation: int | None
    # Out of use until then, while its host is upgraded.
    drained_until: datetime | None
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
class RackInterface:
    """One address of a rack, with its prefix length."""

    rack_id: int
    name: str
    mac: str | None
    address: str
    subnet_id: int | None


@dataclass(frozen=True)
class RackService:
    """How one of a rack's services is: its state, and whether the last desired state was applied; and why and when it
    last was dead."""

    rack_id: int
    name: str
    state: str
    info: str
    failure: str
    failed_at: datetime | None


@dataclass(frozen=True)
class RackReport:
    """What else a rack's agent says of itself: its channel to each region's URL (live, or why not), and what waits."""

    rack_id: int
    channels: Mapping[str, str]
    reports_waiting: int
    posts_waiting: int
    posts_refused: int


def all_racks(tx: Transaction) -> list[RackController]:
    """Every enrolled rack by hostname."""
    return [RackController(**with_host(row)) for row in tx.all("racks.view.racks")]


def interfaces(tx: Transaction) -> list[RackInterface]:
    """Every address of every enrolled rack."""
    return [RackInterface(**row) for row in tx.all("racks.view.interfaces")]


def services(tx: Transaction) -> list[RackService]:
    """Every service of every enrolled rack."""
    return [RackService(**row) for row in tx.all("racks.view.services")]


def reports(tx: Transaction) -> dict[int, RackReport]:
    """What agents say of themselves, by rack; one of the release before says nothing."""
    return {row["rack_id"]: RackReport(**row) for row in tx.all("racks.view.reports")}
