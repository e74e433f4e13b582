# SPDX-License-Identifier: GPL-3.0-or-later
"""What the internal domain should hold now."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from rackyard.region.context import Context
from rackyard.region.services.dns import subnet_label


def wanted(ctx: Context) -> dict[str, frozenset[str]]:
    """Label of each managed subnet → addresses of the live racks in it. A subnet without a live rack has no name."""
    with ctx.db.transaction() as tx:
        racks = [row["address"] for row in tx.all("desired.all_rack_addresses") if row["alive"]]
        subnets = [row["cidr"] for row in tx.all("desired.subnets")]
    names = {}
    for cidr in subnets:
        network = ip_network(cidr)
        addresses = frozenset(each for each in racks if ip_address(each) in network)
        if addresses:
            names[subnet_label(cidr)] = addresses
    return names
