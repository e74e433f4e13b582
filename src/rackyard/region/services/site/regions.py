# SPDX-License-Identifier: GPL-3.0-or-later
"""The regions of the site: what the worker of each says of its host, and forgetting one that does not come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import rackyard
from rackyard.daemons import units
from rackyard.daemons.units import Service
from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import regions as rows
from rackyard.region.db.site.hosts import Host
from rackyard.region.db.site.regions import RegionController, RegionProcess, RegionService
from rackyard.region.errors import NotFound
from rackyard.region.services.site import identifiers, validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

# A worker speaks every two seconds; one that has not for so long is dead, or cut off from PostgreSQL.
SILENCE_S = 8.0
# A region of the release before tells the ports of its RPC only, every 30 s.
OLD_SILENCE_S = 90.0


@dataclass(frozen=True)
class SelfReport:
    """What a worker says of its host: its services, until when its certificate is good, which addresses its name server
    has for each subnet's name, or why it does not have what it should, the largest serial of its zones, and what the
    host is made of."""

    services: Sequence[Service]
    cert_not_after: datetime | None
    names: Mapping[str, Sequence[str]]
    names_trouble: str
    host: Host
    dns_serial: int | None = None


@dataclass(frozen=True)
class RegionDetails:
    """A region with its services and ports. One of the release before has no `controller`."""

    name: str
    controller: RegionController | None
    services: Sequence[RegionService]
    processes: Sequence[RegionProcess]

    @property
    def last_word_s(self) -> float:
        """How long ago it was last heard."""
        return min(each.last_word_s for each in (self.controller, *self.processes) if each is not None)

    @property
    def alive(self) -> bool:
        """Whether its worker speaks."""
        if self.controller is None:
            return self.last_word_s < OLD_SILENCE_S
        return self.controller.last_word_s < SILENCE_S


def tell(ctx: Context, report: SelfReport) -> None:
    """This region is as the report says."""
    said = {
        "version": rackyard.__version__,
        "cert_not_after": report.cert_not_after,
        "names": {name: list(addresses) for name, addresses in report.names.items()},
        "names_trouble": report.names_trouble,
        "dns_serial": report.dns_serial,
    }
    with ctx.db.transaction() as tx:
        row = tx.one("site.regions.told", name=ctx.config.name, **said)
        if row is None:
            system_id = identifiers.free_system_id(ctx, tx)
            tx.run("site.regions.add", system_id=system_id, name=ctx.config.name)
            row = tx.one("site.regions.told", name=ctx.config.name, **said)
        assert row is not None
        tx.run("site.regions.put_host", region_id=row["id"], host=report.host.document())
        services = [{**each, "failed": units.failed(each["state"], each["info"])} for each in report.services]
        tx.run("site.regions.put_services", region_id=row["id"], said={"services": services})
        names = [service["name"] for service in report.services]
        tx.run("site.regions.drop_other_services", region_id=row["id"], names=names)


def load(tx: Transaction) -> list[RegionDetails]:
    """Every region by name, also one that is silent or of the release before."""
    known = {each.name: each for each in rows.all_regions(tx)}
    services, processes = rows.services(tx), rows.processes(tx)
    return [
        RegionDetails(
            name,
            known.get(name),
            [each for each in services if name in known and each.region_id == known[name].id],
            [each for each in processes if each.name == name],
        )
        for name in sorted({*known, *(each.name for each in processes)})
    ]


def list_all(ctx: Context) -> list[RegionDetails]:
    """The same, for who only looks."""
    with ctx.db.transaction() as tx:
        return load(tx)


def read(ctx: Context, system_id: str) -> RegionDetails:
    """One region. Raises NotFound."""
    for details in list_all(ctx):
        if details.controller and details.controller.system_id == system_id:
            return details
    shown = validation.shown(system_id)
    raise NotFound(f"No region has the system_id {shown}; list them with GET regioncontrollers/.")


def forget(ctx: Context, actor: Actor, name: str) -> None:
    """Forget a region that was taken away. One that still runs comes back with its next word.

    Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_REGIONS)
        gone = tx.run("site.regions.forget", name=name) + tx.run("site.regions.forget_processes", name=name)
        if not gone:
            raise NotFound(f"no region is called {name}; `rackyard-region status` lists them")
