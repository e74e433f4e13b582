#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_commission
short_description: Find out what a machine is made of
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Boots the machine from the network into memory, lets it look at its own hardware, and stores what it found in the region. The machine
    ends powered off and C(Ready). Nothing is written to its disks.
  - Waits until that is done, and shows each of the twelve steps when it happens. A step that is overdue is shown with the region's
    diagnosis.
  - A machine that is C(Ready) is left alone. One that is being commissioned already is only waited for, so an interrupted run can be repeated.
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
      - To do many machines at once give each a host in a play, as playbook C(rackyard.metal.commission) does, or use O(wait=false).
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(force=true) a machine that is C(Ready) is commissioned again each time.
options:
  hostname:
    description: Name of the machine.
    type: str
    required: true
  force:
    description: Whether to commission a machine that is C(Ready) again.
    type: bool
    default: false
  commissioning_scripts:
    description:
      - Names and tags of uploaded scripts that the machine runs besides the region's own. An empty list is none of them.
      - All that do not have the tag C(noauto), unless given.
    type: list
    elements: str
  testing_scripts:
    description:
      - Names and tags of uploaded tests that the machine runs after that. An empty list is none.
      - Those that have the tag C(commissioning), unless given. A test that fails makes the commissioning fail.
    type: list
    elements: str
  wait:
    description: Whether to wait until the machine is C(Ready) and off. Without waiting the task succeeds as soon as it has begun.
    type: bool
    default: true
  timeout_s:
    description:
      - Seconds to wait. The task fails then and says how far the machine came; the machine goes on.
      - The region itself gives up after 20 minutes unless set otherwise, with a diagnosis; so waiting longer than that is best.
    type: float
    default: 1500.0
  poll_interval_s:
    description: Seconds between two looks at the timeline.
    type: float
    default: 2.0
seealso:
  - module: rackyard.metal.machine
  - module: rackyard.metal.machine_info
  - module: rackyard.metal.script
"""

EXAMPLES = r"""
- name: Commission a machine
  rackyard.metal.machine_commission:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    hostname: web-01
  delegate_to: localhost
  register: commissioned

- name: See its disks
  ansible.builtin.debug:
    var: commissioned.hardware.disks

- name: Look at a machine again after somebody has changed its memory
  rackyard.metal.machine_commission:
    hostname: web-01
    force: true
  delegate_to: localhost

- name: Look at a machine again, and test its disks
  rackyard.metal.machine_commission:
    hostname: web-01
    force: true
    testing_scripts: [disk-check]
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
    power_state: "off"
hardware:
  description: What was found, with units in the names.
  returned: success
  type: dict
  sample:
    cpu_count: 2
    memory_mib: 2048
    disks:
      - name: sda
        serial: RYM1D1
        size_bytes: 4294967296
timeline:
  description: The twelve steps with who did each, when, how long it took and what came of it. Empty in check mode.
  returned: success, and failure once it has begun
  type: dict
  sample:
    outcome: done
    steps:
      - step: 1
        title: operator asks
        by: admin
        at: "2025-01-01T12:00:00.000+00:00"
        took_seconds: null
        outcome: done
diagnosis:
  description: The region's words on what did not happen and where to look.
  returned: failure once it has begun
  type: str
  sample: "step 5 (address leased) has not happened 240 s after step 4 (powered on). Look at the console of web-01 …"
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["commission machine web-01"]
status:
  description: HTTP status of the region's refusal, 0 when there was none.
  returned: failure
  type: int
  sample: 409
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import commission_task, region_module


def main() -> None:
    module = AnsibleModule(argument_spec=commission_task.commission_spec(), supports_check_mode=True)
    region_module.run(
        module, lambda client: commission_task.commission(client, module.params, module.check_mode, module.log)
    )


if __name__ == "__main__":
    main()
