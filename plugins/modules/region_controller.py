#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: region_controller
short_description: Declare the zone of a region
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Puts a region that has told about itself in a zone.
  - Playbook C(rackyard.metal.region) makes a region and C(rackyard.metal.remove) takes one away.
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
    description: That it is there, which this module does not bring about; it says so where it is not.
    type: str
    choices: [present]
    default: present
  hostname:
    description: Name of the region.
    type: str
    required: true
  zone:
    description: Name of the zone that it is in, which M(rackyard.metal.zone) declares. Without this option it is left alone.
    type: str
seealso:
  - module: rackyard.metal.zone
"""

EXAMPLES = r"""
- name: Have the region fail together with the machines of its hall
  rackyard.metal.region_controller:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    hostname: region1
    zone: hall1
  delegate_to: localhost
"""

RETURN = r"""
region_controller:
  description: The region as the region's API shows it, its zone by name. In check mode as it would be.
  returned: success
  type: dict
  sample:
    hostname: region1
    system_id: 4y3h7n
    zone: hall1
    alive: true
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["update region controller region1"]
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
        "region_controller",
        lambda client: kinds.REGION_CONTROLLER,
        states=("present",),
        hostname={"type": "str", "required": True},
        zone={"type": "str"},
    )


if __name__ == "__main__":
    main()
