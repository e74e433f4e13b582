#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: space
short_description: Declare a space, a name for VLANs that reach each other
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a space. Its VLANs are put into it with option O(rackyard.metal.subnet#module:space) of M(rackyard.metal.subnet).
  - Rackyard itself does nothing with spaces; other programs that use the API, such as Juju, choose networks by them.
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
    description: Whether there shall be such a space. The VLANs of one that is removed stay, without a space.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the space. V(undefined) is that of VLANs without one, and cannot be changed.
    type: str
    required: true
  description:
    description: Free text.
    type: str
"""

EXAMPLES = r"""
- name: Name the networks that others reach
  rackyard.metal.space:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: dmz
    description: behind the outer firewall
  delegate_to: localhost

- name: Put a subnet's VLAN there
  rackyard.metal.subnet:
    name: web
    cidr: 198.51.100.0/24
    fabric: dc1
    vid: 20
    space: dmz
  delegate_to: localhost

- name: Remove a space
  rackyard.metal.space:
    name: old
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
space:
  description: The space as the region's API shows it, its VLANs as FABRIC/VID, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    id: 1
    name: dmz
    description: behind the outer firewall
    vlans: [dc1/20]
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create space dmz"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from ..module_utils import region_module
from ..module_utils.rackyard_core import kinds


def main() -> None:
    region_module.declare(
        "space",
        lambda client: kinds.SPACE,
        name={"type": "str", "required": True},
        description={"type": "str"},
    )


if __name__ == "__main__":
    main()
