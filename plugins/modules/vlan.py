#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vlan
short_description: Declare a VLAN
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a VLAN of a fabric, with its DHCP and the racks that serve it.
  - M(rackyard.metal.subnet) makes and sets the VLAN that it names; this module is for VLANs with several subnets or none.
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
    description: Whether there shall be such a VLAN. One with subnets cannot be removed, and the untagged one goes with its fabric.
    type: str
    choices: [present, absent]
    default: present
  fabric:
    description: Name of the fabric that it belongs to.
    type: str
    required: true
  vid:
    description: Its number in the fabric, V(0) for the untagged one.
    type: int
    required: true
  name:
    description: Name of the VLAN, for people. The region finds one for a new VLAN without it.
    type: str
  description:
    description: Free text.
    type: str
  mtu:
    description: MTU in bytes.
    type: int
  dhcp_on:
    description: Whether racks answer DHCP. It needs O(primary_rack) and a range of type V(dynamic).
    type: bool
  primary_rack:
    description: Host name of the rack that serves DHCP, an empty string for none.
    type: str
  secondary_rack:
    description: Host name of a second rack that serves DHCP, an empty string for none.
    type: str
  relay_vlan:
    description: VLAN whose racks serve this one through a router, V(FABRIC/VID) or V(VID) for one of the same fabric; an empty string for none.
    type: str
  space:
    description: Name of the space, which M(rackyard.metal.space) declares; an empty string for none.
    type: str
seealso:
  - module: rackyard.metal.subnet
"""

EXAMPLES = r"""
- name: Declare a VLAN for storage
  rackyard.metal.vlan:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    fabric: dc1
    vid: 30
    name: storage
    mtu: 9000
  delegate_to: localhost

- name: Remove a VLAN
  rackyard.metal.vlan:
    fabric: dc1
    vid: 31
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
vlan:
  description: The VLAN as the region's API shows it, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    id: 5003
    fabric: dc1
    vid: 30
    name: storage
    mtu: 9000
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create VLAN 30 of fabric dc1"]
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
        "vlan",
        network_kinds.vlan_kind,
        fabric={"type": "str", "required": True},
        vid={"type": "int", "required": True},
        name={"type": "str"},
        description={"type": "str"},
        mtu={"type": "int"},
        dhcp_on={"type": "bool"},
        primary_rack={"type": "str"},
        secondary_rack={"type": "str"},
        relay_vlan={"type": "str"},
        space={"type": "str"},
    )


if __name__ == "__main__":
    main()
