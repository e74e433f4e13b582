# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a site on one page, for `rackyard-region status`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rackyard
from rackyard.region.context import Context
from rackyard.region.db import migrations
from rackyard.region.db.pool import Row
from rackyard.region.db.power import rack_choice
from rackyard.region.db.power.rack_choice import Reach
from rackyard.region.services.machines import registry
from rackyard.region.services.network import picture
from rackyard.region.services.racks import view
from rackyard.region.services.site import disk, images, retention
from rackyard.region.status import label


def read(ctx: Context) -> dict[str, Any]:
    """Version, schema, living regions, racks, machines by status, network, history, files and images."""
    known = picture.read(ctx)
    with ctx.db.transaction() as tx:
        reach = rack_choice.reach(tx)
        live = tx.all("site.processes.addresses")
    return {
        "region": ctx.config.name,
        "version": rackyard.__version__,
        "schema": migrations.current(ctx.db),
        "regions": _regions(live),
        "racks": [_rack(details, reach.get(details.rack.id, Reach())) for details in view.list_all(ctx)],
        "machines": {label(status): count for status, count in registry.count_by_status(ctx).items()},
        "subnets": [f"{subnet.name} ({subnet.cidr})" for subnet in known.subnets],
        "stored": retention.overview(ctx),
        "files": disk.usage(ctx),
        "images": [
            f"{image.name} ({image.arch}{', default' if image.is_default else ''})"
            for image in images.list_all(ctx)
            if image.is_current
        ],
    }


def _regions(live: Sequence[Row]) -> dict[str, list[str]]:
    """Where racks reach each region that lives."""
    found: dict[str, list[str]] = {}
    for row in live:
        found.setdefault(row["name"], []).append(f"{row['address']} port {row['port']}")
    return found


def _rack(details: view.RackDetails, reach: Reach) -> dict[str, Any]:
    rack = details.rack
    return {
        "hostname": rack.hostname,
        "system_id": rack.system_id,
        "alive": rack.alive,
        "last_seen_at": rack.last_seen_at.isoformat() if rack.last_seen_at else None,
        "certificate_not_after": rack.cert_not_after.isoformat() if rack.cert_not_after else None,
        "bmcs": {"reached": reach.reached, "out of reach": reach.unreached},
        "trouble": {one.name: one.info for one in details.services if one.state in ("dead", "degraded")},
    }
