# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at racks: who is enrolled, alive, and how their services are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.racks import view as rows
from rackyard.region.db.racks.view import RackController, RackInterface, RackReport, RackService
from rackyard.region.db.site.hosts import Host, HostInterface
from rackyard.region.services.network import picture
from rackyard.region.services.network.network import Network
from rackyard.region.services.racks import enrolment


@dataclass(frozen=True)
class RackDetails:
    """A rack with its addresses and services, and what its agent says of itself (None: one of the release before)."""

    rack: RackController
    interfaces: Sequence[RackInterface]
    services: Sequence[RackService]
    network: Network
    report: RackReport | None

    @property
    def host(self) -> Host:
        """What the rack's host is made of; of one of the release before its addresses are known only."""
        if self.rack.host is not None:
            return self.rack.host
        nics: dict[tuple[str, str | None], list[str]] = {}
        for interface in self.interfaces:
            nics.setdefault((interface.name, interface.mac), []).append(interface.address)
        return Host(interfaces=[HostInterface(name, mac, addresses) for (name, mac), addresses in nics.items()])


def list_all(ctx: Context) -> list[RackDetails]:
    """Every enrolled rack."""
    with ctx.db.transaction() as tx:
        known = picture.load(tx)
        interfaces, services, reports = rows.interfaces(tx), rows.services(tx), rows.reports(tx)
        return [
            RackDetails(
                rack,
                [interface for interface in interfaces if interface.rack_id == rack.id],
                [service for service in services if service.rack_id == rack.id],
                known,
                reports.get(rack.id),
            )
            for rack in rows.all_racks(tx)
        ]


def read(ctx: Context, system_id: str) -> RackDetails:
    """One rack. Raises NotFound."""
    for details in list_all(ctx):
        if details.rack.system_id == system_id:
            return details
    raise enrolment.not_enrolled(system_id)
