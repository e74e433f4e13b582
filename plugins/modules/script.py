#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: script
short_description: Declare a script that machines run
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Uploads, corrects or removes a script that machines run while they are commissioned, as MAAS has them. Machines have it from their next
    commissioning on. What it was stays in its history at the region.
  - What the script is can stand in its own metadata block, or be said with options. What the block says, an option must not say otherwise.
    Packages, parameters and the hardware that it is for are said in the block alone.
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
    description: Whether there shall be such a script.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the script. Scripts run in the order of their names.
    type: str
    required: true
  script:
    description: Its text, with a line at its top that says what runs it, such as C(#!/bin/sh). Needed for a new one.
    type: str
  title:
    description: A few words for people.
    type: str
  description:
    description: More words for people.
    type: str
  tags:
    description:
      - Words by which scripts are chosen together. An empty list takes all of them.
      - One with the tag V(noauto) runs only when it is asked for, a test with the tag V(commissioning) after each commissioning.
    type: list
    elements: str
  script_type:
    description: Whether it finds out something, or tests what was found. V(testing) if not given for a new one.
    type: str
    choices: [commissioning, testing]
  hardware_type:
    description: What it is about. V(node) if not given for a new one.
    type: str
    choices: [node, cpu, memory, storage, network, gpu]
  parallel:
    description:
      - Whether it runs alone, for all its devices at once (V(instance)), or also beside other scripts (V(any)).
      - V(disabled) if not given for a new one.
    type: str
    choices: [disabled, instance, any]
  timeout_s:
    description: Seconds that one run may take, 3600 if not given for a new one.
    type: int
  destructive:
    description: Whether it overwrites what is on disks. Such a one runs only when it is asked for. V(false) if not given for a new one.
    type: bool
seealso:
  - module: rackyard.metal.machine_commission
  - module: rackyard.metal.resource_info
"""

EXAMPLES = r"""
- name: Upload a script that has its metadata inside
  rackyard.metal.script:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: disk-check
    script: "{{ lookup('ansible.builtin.file', 'disk-check.sh') }}"
  delegate_to: localhost

- name: Upload one that has none
  rackyard.metal.script:
    name: 60-asset-tag
    script: |
      #!/bin/sh
      cat /sys/class/dmi/id/chassis_asset_tag
    script_type: commissioning
    timeout_s: 60
  delegate_to: localhost

- name: Remove a script
  rackyard.metal.script:
    name: old
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
script:
  description: The script as the region's API shows it, with the options above as they are. Empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    id: 1
    name: 60-asset-tag
    script: |
      #!/bin/sh
      cat /sys/class/dmi/id/chassis_asset_tag
    script_type: commissioning
    tags: []
    timeout_s: 60
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create script 60-asset-tag"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from ..module_utils import region_module
from ..module_utils.rackyard_core import kinds


def main() -> None:
    text = {"type": "str"}
    region_module.declare(
        "script",
        lambda client: kinds.SCRIPT,
        name={"type": "str", "required": True},
        script=text,
        title=text,
        description=text,
        tags={"type": "list", "elements": "str"},
        script_type={"type": "str", "choices": ["commissioning", "testing"]},
        hardware_type={"type": "str", "choices": ["node", "cpu", "memory", "storage", "network", "gpu"]},
        parallel={"type": "str", "choices": ["disabled", "instance", "any"]},
        timeout_s={"type": "int"},
        destructive={"type": "bool"},
    )


if __name__ == "__main__":
    main()
