# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter `relayed_last`: an order in which the region takes a site's subnets."""

from __future__ import annotations

from ansible_collections.rackyard.metal.plugins.filter.network import relayed_last

FABRICS = [
    {"name": "far", "vlans": [{"vid": 0, "relay_vlan": "near/0"}, {"vid": 7, "relay_vlan": ""}]},
    {"name": "near", "vlans": [{"vid": 0, "dhcp_on": True}, {"vid": 5}]},
    {"name": "empty"},
]


def test_relays_end_first_and_begin_last_and_else_the_order_stays() -> None:
    subnets = [
        {"name": "a", "fabric": "far"},
        {"name": "b", "fabric": "near", "vid": 5},
        {"name": "c", "fabric": "far", "vid": 7},
        {"name": "d", "fabric": "near"},
        {"name": "e", "fabric": "far", "vid": 0},
    ]
    assert [each["name"] for each in relayed_last(subnets, FABRICS)] == ["c", "b", "d", "a", "e"]
