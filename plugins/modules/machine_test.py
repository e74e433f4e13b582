#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_test
short_description: Test the hardware of a machine
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Boots the machine from the network into memory and runs tests there, the region's own and those that were uploaded. It ends powered off, and
    is what it was before. If a test fails, it is C(Failed testing), and so does the task.
  - Waits until that is done, and shows each of the twelve steps when it happens. The region's own tests only read from disks.
  - A machine that is being tested already is only waited for, so an interrupted run can be repeated.
extends_documentation_fragment:
  - rackyard.metal.attributes
  - rackyard.metal.attributes.region
  - rackyard.metal.region
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: partial
    details:
      - On a local connection (C(delegate_to=localhost)) the task runs inside the controller's own process and shows the steps as they
        happen. On any other connection it runs on that host, and the steps go to that host's log instead.
  async:
    description: Supports being used with the C(async) keyword.
    support: none
    details:
      - To test many machines at once give each a host in a play, as playbook C(rackyard.metal.test) does, or use O(wait=false).
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - Who asks for a test wants to know how the machine is now.
options:
  hostname:
    description: Name of the machine.
    type: str
    required: true
  tests:
    description:
      - Names and tags of tests. M(rackyard.metal.resource_info) lists them as V(script).
      - Unless given, those that follow each commissioning (tag C(commissioning)), and the quick ones of the region's own (tag C(quick)).
    type: list
    elements: str
  wait:
    description: Whether to wait until the tests have ended and the machine is off. Without waiting the task succeeds as soon as they have begun.
    type: bool
    default: true
  timeout_s:
    description: Seconds to wait. The task fails then and says how far the machine came; the machine goes on.
    type: float
    default: 3600.0
  poll_interval_s:
    description: Seconds between two looks at the timeline.
    type: float
    default: 2.0
seealso:
  - module: rackyard.metal.script
  - module: rackyard.metal.machine_commission
  - module: rackyard.metal.machine_mark
"""

EXAMPLES = r"""
- name: See whether a machine is well
  rackyard.metal.machine_test:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    hostname: web-01
  delegate_to: localhost

- name: Read every block of its disks, which takes hours
  rackyard.metal.machine_test:
    hostname: web-01
    tests: [badblocks, smartctl-long]
    timeout_s: 100000
  delegate_to: localhost
"""

RETURN = r"""
machine:
  description: The machine afterwards, as the region's API shows it.
  returned: success
  type: dict
  sample:
    hostname: web-01
    status_name: Ready
results:
  description: What each test said, once for each device that it is for. Empty in check mode, and without waiting.
  returned: success
  type: list
  elements: dict
  sample:
    - name: smartctl-validate
      status_name: Passed
      parameters:
        storage: /dev/sda
      exit_status: 0
      runtime: "0:00:01.250000"
timeline:
  description: The twelve steps with who did each, when, how long it took and what came of it. Empty in check mode.
  returned: success, and failure once it has begun
  type: dict
  sample:
    outcome: done
diagnosis:
  description: The region's words on which test failed, or on what did not happen and where to look.
  returned: failure once it has begun
  type: str
  sample: "the testing scripts of web-01 failed: smartctl-validate (/dev/sda) says failed (exit status 0)"
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["test machine web-01"]
status:
  description: HTTP status of the region's refusal, 0 when there was none.
  returned: failure
  type: int
  sample: 409
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import commission_task, region_module


def main() -> None:
    module = AnsibleModule(argument_spec=commission_task.test_spec(), supports_check_mode=True)
    region_module.run(module, lambda client: commission_task.test(client, module.params, module.check_mode, module.log))


if __name__ == "__main__":
    main()
