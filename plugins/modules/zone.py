#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: zone
short_description: Declare a zone
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a zone. Machines in one zone fail together, such as a room, a row of racks, a power feed.
  - Which machines are in it is said by option O(rackyard.metal.machine#module:zone) of M(rackyard.metal.machine).
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
    description: Whether there shall be such a zone. Its machines go to the default zone. The default one cannot be removed.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the zone. Letters, digits, spaces, V(_) and V(-), and not digits alone.
    type: str
    required: true
  description:
    description: Free text. Without this option it is left alone.
    type: str
seealso:
  - module: rackyard.metal.machine
"""

EXAMPLES = r"""
- name: Declare a zone
  rackyard.metal.zone:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: east
    description: The east wing
  delegate_to: localhost

- name: Remove a zone
  rackyard.metal.zone:
    name: east
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
zone:
  description: The zone as the region's API shows it, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    id: 2
    name: east
    description: The east wing
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create zone east"]
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
        "zone",
        lambda client: kinds.ZONE,
        name={"type": "str", "required": True},
        description={"type": "str"},
    )


if __name__ == "__main__":
    main()
