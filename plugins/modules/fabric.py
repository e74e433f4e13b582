#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fabric
short_description: Declare a fabric
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a fabric, which is a set of switches in which VLAN numbers mean the same. A new one has its untagged VLAN.
  - M(rackyard.metal.subnet) makes the fabric that it names; this module is for what that leaves out, and for removing one.
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
    description: Whether there shall be such a fabric. One with subnets cannot be removed.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the fabric, not of digits alone.
    type: str
    required: true
  description:
    description: Free text. Without this option it is left alone.
    type: str
  class_type:
    description: What kind of network it is, in your own word, such as C(10g). Empty is none; without this option it is left alone.
    type: str
seealso:
  - module: rackyard.metal.subnet
"""

EXAMPLES = r"""
- name: Declare a fabric
  rackyard.metal.fabric:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: dc1
    description: Switches of the first hall
    class_type: 10g
  delegate_to: localhost

- name: Remove a fabric
  rackyard.metal.fabric:
    name: old
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
fabric:
  description: The fabric with its VLANs as the region's API shows it, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    id: 1
    name: dc1
    description: Switches of the first hall
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create fabric dc1"]
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
        "fabric",
        lambda client: kinds.FABRIC,
        name={"type": "str", "required": True},
        description={"type": "str"},
        class_type={"type": "str"},
    )


if __name__ == "__main__":
    main()
