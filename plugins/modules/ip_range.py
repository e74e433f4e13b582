#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ip_range
short_description: Declare an IP range of a subnet
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a range of addresses. Its first address tells it from others, and what subnet it belongs to.
  - Option O(rackyard.metal.subnet#module:ranges) of M(rackyard.metal.subnet) is for all ranges of a subnet at once; this module leaves others alone.
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
    description: Whether there shall be such a range.
    type: str
    choices: [present, absent]
    default: present
  start_ip:
    description: First address.
    type: str
    required: true
  end_ip:
    description: Last address. Needed for O(state=present).
    type: str
  type:
    description: V(dynamic) ranges are for DHCP, V(reserved) ones are never given to anybody. Needed for O(state=present).
    type: str
    choices: [dynamic, reserved]
  comment:
    description: Free text.
    type: str
seealso:
  - module: rackyard.metal.subnet
"""

EXAMPLES = r"""
- name: Keep addresses for routers
  rackyard.metal.ip_range:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    start_ip: 198.51.100.1
    end_ip: 198.51.100.9
    type: reserved
    comment: routers
  delegate_to: localhost

- name: Remove a range
  rackyard.metal.ip_range:
    start_ip: 198.51.100.200
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
ip_range:
  description: The range with its subnet as the region's API shows it, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    id: 7
    type: reserved
    start_ip: 198.51.100.1
    end_ip: 198.51.100.9
    comment: routers
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create IP range that begins at 198.51.100.1"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from ..module_utils import region_module
from ..module_utils.rackyard_core import network_kinds


def main() -> None:
    region_module.declare(
        "ip_range",
        lambda client: network_kinds.IP_RANGE,
        needed=("end_ip", "type"),
        start_ip={"type": "str", "required": True},
        end_ip={"type": "str"},
        type={"type": "str", "choices": ["dynamic", "reserved"]},
        comment={"type": "str"},
    )


if __name__ == "__main__":
    main()
