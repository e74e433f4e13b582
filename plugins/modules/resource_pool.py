#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: resource_pool
short_description: Declare a resource pool
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a resource pool. Machines in one pool are given out together, to a team or for a purpose.
  - Which machines are in it is said by option O(rackyard.metal.machine#module:pool) of M(rackyard.metal.machine).
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
    description: Whether there shall be such a resource pool. A pool that has machines is not removed. The default one cannot be removed.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the resource pool. Letters, digits, spaces, V(_) and V(-), and not digits alone.
    type: str
    required: true
  description:
    description: Free text. Without this option it is left alone.
    type: str
seealso:
  - module: rackyard.metal.machine
"""

EXAMPLES = r"""
- name: Declare a resource pool
  rackyard.metal.resource_pool:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: web
    description: For the web team
  delegate_to: localhost

- name: Remove a resource pool
  rackyard.metal.resource_pool:
    name: web
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
resource_pool:
  description: The resource pool as the region's API shows it, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    id: 2
    name: web
    description: For the web team
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create resource pool web"]
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
        "resource_pool",
        lambda client: kinds.POOL,
        name={"type": "str", "required": True},
        description={"type": "str"},
    )


if __name__ == "__main__":
    main()
