# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a rack does what the region wants of it."""

from __future__ import annotations

from rackyard.region.context import Context
from rackyard.region.errors import NotFound


def troubles(ctx: Context, hostname: str) -> list[str]:
    """What is not as it should be, in words; empty when the rack is alive, its services run, and its daemons run on the
    newest desired state. Raises NotFound."""
    with ctx.db.transaction() as tx:
        daemons = tx.all("racks.health.daemons", hostname=hostname)
        services = tx.all("racks.health.services", hostname=hostname)
    if not daemons:
        raise NotFound(f"no enrolled rack is called {hostname}; `rackyard-region status` lists them")
    found = []
    if not daemons[0]["alive"]:
        found.append(f"{hostname} is not heard of; look at `systemctl status rackyard-rack` there")
    if daemons[0]["name"] is None:
        found.append("its daemons have not taken any desired state yet")
        return found
    for row in daemons:
        if not row["ok"]:
            found.append(f"{row['name']} refuses its configuration: {row['message']}")
        elif row["generation"] != row["wanted"]:
            found.append(f"{row['name']} runs on generation {row['generation']}, not on {row['wanted']}")
    found += [f"service {row['name']} is {row['state']}{': ' + row['info'] if row['info'] else ''}" for row in services]
    return found
