#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: static_route
short_description: Declare a route from a subnet to another one
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a route that machines of a subnet are told of by DHCP, besides the default one through its gateway.
  - Machines hear of it with their next lease or renewal. DHCP has such routes for IPv4 only.
extends_documentation_fragment:
  - rackyard.metal.attributes
  - rackyard.metal.attributes.region
  - rackyard.metal.region
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description: Whether there shall be such a route.
    type: str
    choices: [present, absent]
    default: present
  source:
    description: Name or CIDR of the subnet whose machines are told of it.
    type: str
    required: true
  destination:
    description: Name or CIDR of the subnet that they reach by it.
    type: str
    required: true
  gateway_ip:
    description:
      - Address of the router in O(source). Needed for O(state=present).
      - The only route between the two subnets is changed when it leads through another one; of several the one through this address is meant.
    type: str
  metric:
    description: Of several routes between the same subnets, machines are told of the one with the lowest metric. V(0) if not given for a new one.
    type: int
"""

EXAMPLES = r"""
- name: Let machines reach the storage network by its own router
  rackyard.metal.static_route:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    source: boot
    destination: 203.0.113.0/24
    gateway_ip: 198.51.100.2
  delegate_to: localhost

- name: Remove a route
  rackyard.metal.static_route:
    source: boot
    destination: old
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
static_route:
  description: The route as the region's API shows it, its subnets by name, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    id: 1
    source: boot
    destination: storage
    gateway_ip: 198.51.100.2
    metric: 0
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create route from boot to storage"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from ..module_utils import region_module
from ..module_utils.rackyard_core import static_routes


def main() -> None:
    region_module.declare(
        "static_route",
        static_routes.static_route_kind,
        needed=("gateway_ip",),
        source={"type": "str", "required": True},
        destination={"type": "str", "required": True},
        gateway_ip={"type": "str"},
        metric={"type": "int"},
    )


if __name__ == "__main__":
    main()
