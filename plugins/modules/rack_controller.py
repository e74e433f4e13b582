#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rack_controller
short_description: Declare the zone of a rack, or revoke it
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Puts a rack that is enrolled in a zone, or revokes it.
  - A rack is enrolled by playbook C(rackyard.metal.rack), because its key is made on the rack and does not leave it, and the token for that on a region host.
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
    description:
      - V(absent) revokes it, so that its certificate opens nothing from then on, which cannot be undone. The rack's own files stay; playbook
        C(rackyard.metal.remove) takes away a rack that is there, and revokes it as well.
      - V(present) does not enrol one that is not there, and says so.
    type: str
    choices: [present, absent]
    default: present
  hostname:
    description: Name of the rack.
    type: str
    required: true
  zone:
    description: Name of the zone that it is in, which M(rackyard.metal.zone) declares. Without this option it is left alone.
    type: str
seealso:
  - module: rackyard.metal.zone
"""

EXAMPLES = r"""
- name: Have the rack fail together with the machines of its hall
  rackyard.metal.rack_controller:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    hostname: rack1
    zone: hall1
  delegate_to: localhost

- name: Revoke a rack that is lost
  rackyard.metal.rack_controller:
    hostname: rack9
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
rack_controller:
  description: The rack as the region's API shows it, its zone by name, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    hostname: rack1
    system_id: 4y3h7n
    zone: hall1
    alive: true
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["update rack controller rack1"]
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
        "rack_controller",
        lambda client: kinds.RACK_CONTROLLER,
        hostname={"type": "str", "required": True},
        zone={"type": "str"},
    )


if __name__ == "__main__":
    main()
