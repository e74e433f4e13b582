# SPDX-License-Identifier: GPL-3.0-or-later
"""A desired state as the region sends it, for tests of renderers and checkers."""

from __future__ import annotations

from typing import Any


def document() -> dict[str, Any]:
    """Everything once, IPv6 where the daemons take it."""
    return {
        "generation": 17,
        "rack": {"system_id": "abc234", "hostname": "rack1"},
        "domain": "rackyard.internal",
        "dhcp": {
            "networks": [
                {
                    "name": "vlan-1",
                    "mtu": 1500,
                    "subnets": [
                        {
                            "cidr": "10.20.0.0/24",
                            "next_server": "10.20.0.2",
                            "routers": [],
                            "dns_servers": ["10.20.0.2"],
                            "ntp_servers": ["10.20.0.2"],
                            "domain_name": "rackyard.internal",
                            "pools": [{"start": "10.20.0.100", "end": "10.20.0.200"}],
                        }
                    ],
                }
            ]
        },
        "dns": {"forwarders": ["10.10.0.11", "fd00::11"], "trusted": ["10.20.0.0/24", "fd00:20::/64"]},
        "http": {"regions": [{"address": "10.10.0.11", "port": 5240}, {"address": "fd00::11", "port": 5240}]},
        "proxy": {
            "parents": [{"address": "10.10.0.11", "port": 8000}, {"address": "fd00::11", "port": 8000}],
            "clients": ["10.20.0.0/24", "10.20.0.0/25", "fd00:20::/64"],
            "forbidden": ["10.30.0.11/32", "10.10.0.11/32"],
        },
        "syslog": {
            "targets": [{"address": "10.10.0.11", "port": 5247}, {"address": "fd00::11", "port": 5247}],
            "clients": ["10.20.0.0/24", "fd00:20::/64"],
        },
        "ntp": {"servers": ["10.10.0.11", "fd00::11"], "clients": ["10.20.0.0/24", "fd00:20::/64"]},
        "tftp": {"loaders": []},
    }


def empty() -> dict[str, Any]:
    """A rack that has nothing to do and knows no region."""
    return {name: {} for name in ("dhcp", "dns", "http", "proxy", "syslog", "ntp", "tftp")}
