#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_mark
short_description: Mark a machine as broken or fixed, lock or unlock it, overrule its tests
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - A broken machine is given to nobody until somebody says that it is fixed; it is ready again then.
  - A locked machine is not changed until it is unlocked. With both options the lock is taken off first and put on last.
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
  hostname:
    description: Name of the machine.
    type: str
    required: true
  broken:
    description:
      - Whether the machine shall be marked as broken. At least one of O(broken), O(locked) and O(override_failed_testing) must be given.
    type: bool
  locked:
    description: Whether the machine shall be locked.
    type: bool
  override_failed_testing:
    description: Whether a machine that is C(Failed testing) shall be used all the same; it is C(Ready) then. Others are left alone.
    type: bool
  comment:
    description:
      - Why; the region keeps it with what was done, and shows that of a broken machine as its C(error_description).
      - A machine that is as wished keeps the comment that it has.
    type: str
    default: ""
seealso:
  - module: rackyard.metal.machine
"""

EXAMPLES = r"""
- name: Nobody shall get this machine until its disk is replaced
  rackyard.metal.machine_mark:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    hostname: web-01
    broken: true
    comment: sdb has bad sectors
  delegate_to: localhost

- name: The disk was replaced
  rackyard.metal.machine_mark:
    hostname: web-01
    broken: false
  delegate_to: localhost

- name: The disk that failed its test is good enough for what this machine is for
  rackyard.metal.machine_mark:
    hostname: web-02
    override_failed_testing: true
    comment: scratch space only
  delegate_to: localhost

- name: Nothing about this machine shall be changed by mistake
  rackyard.metal.machine_mark:
    hostname: db-01
    locked: true
  delegate_to: localhost
"""

RETURN = r"""
machine:
  description: The machine as the region's API shows it. In check mode as it is.
  returned: success
  type: dict
  sample:
    hostname: web-01
    status_name: Broken
    error_description: sdb has bad sectors
    locked: false
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["mark_broken machine web-01"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 409
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import machine_marks
from ..module_utils.rackyard_core.client import RegionClient
from ..module_utils.rackyard_core.machine_lookup import get_machine


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            hostname={"type": "str", "required": True},
            broken={"type": "bool"},
            locked={"type": "bool"},
            override_failed_testing={"type": "bool"},
            comment={"type": "str", "default": ""},
        ),
        required_one_of=[("broken", "locked", "override_failed_testing")],
        supports_check_mode=True,
    )

    def work(client: RegionClient) -> dict[str, Any]:
        wished = module.params
        machine = get_machine(client, wished["hostname"])
        plan = machine_marks.plan_marks(
            machine, wished["broken"], wished["locked"], bool(wished["override_failed_testing"])
        )
        if not module.check_mode:
            machine = machine_marks.carry_out_marks(client, machine, plan, wished["comment"])
        return {**plan.result(), "machine": machine}

    region_module.run(module, work)


if __name__ == "__main__":
    main()
