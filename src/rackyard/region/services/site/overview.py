# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a site and its controllers: the one picture that the command line, the API and playbooks show."""

from __future__ import annotations

from typing import Any

import rackyard
from rackyard.region.context import Context
from rackyard.region.db import migrations
from rackyard.region.db.power import rack_choice
from rackyard.region.db.power.rack_choice import Reach
from rackyard.region.services.machines import registry
from rackyard.region.services.network import picture
from rackyard.region.services.racks import standing, view
from rackyard.region.services.site import database, disk, images, regions, retention, troubles
from rackyard.region.services.site.regions import RegionDetails
from rackyard.region.status import label


def read(ctx: Context) -> dict[str, Any]:
    """The controllers, and what else is on the site: machines by status, history, files and images."""
    return {
        **controllers(ctx),
        "machines": {label(status): count for status, count in registry.count_by_status(ctx).items()},
        "stored": retention.overview(ctx),
        "files": disk.usage(ctx),
        "images": [
            f"{image.name} ({image.arch}{', default' if image.is_default else ''})"
            for image in images.list_all(ctx)
            if image.is_current
        ],
    }


def controllers(ctx: Context) -> dict[str, Any]:
    """Regions, racks and PostgreSQL, how they serve the network, and what is not well, each with the next step."""
    known, racks = picture.read(ctx), view.list_all(ctx)
    with ctx.db.transaction() as tx:
        reach = rack_choice.reach(tx)
        pairs = tx.all("racks.dhcp_pairs.of_vlans")
        serving = tx.all("racks.desired.serving")
        found = regions.load(tx)
    region_of = {each.address: each.name for region in found for each in region.processes}
    shown = [standing.rack(ctx, each, reach.get(each.rack.id, Reach()), region_of) for each in racks]
    facts = {
        "at": ctx.clock.now().isoformat(timespec="seconds"),
        "region": ctx.config.name,
        "version": rackyard.__version__,
        "schema": migrations.current(ctx.db),
        "regions": [_region(ctx, each, shown) for each in found],
        "database": database.members(ctx),
        "racks": shown,
        "dhcp": standing.dhcp(racks, known, pairs),
        "subnets": standing.subnets(ctx, known, serving, found),
    }
    wrong = troubles.find(facts)
    return {**facts, "well": not wrong, "troubles": wrong}


def _region(ctx: Context, details: RegionDetails, racks: list[dict[str, Any]]) -> dict[str, Any]:
    said = details.controller
    end = said.cert_not_after if said else None
    return {
        "name": details.name,
        "system_id": said.system_id if said else None,
        "version": said.version if said else None,
        "alive": details.alive,
        "last_word_s": details.last_word_s,
        "certificate_not_after": end.isoformat() if end else None,
        "certificate_days": standing.days_left(end, ctx.clock.now()),
        "addresses": [f"{each.address} port {each.port}" for each in details.processes],
        "racks": [
            rack["hostname"]
            for rack in racks
            if rack["alive"] and any(each["live"] and each["region"] == details.name for each in rack["channels"] or ())
        ],
        "names_trouble": said.names_trouble if said else "",
        "services": standing.services(details.services),
    }
