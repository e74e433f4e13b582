#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_power
short_description: Switch a machine on or off through the region
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Asks the machine's BMC for its state, through the region and a rack that reaches the BMC, and changes it only if it differs.
  - Waits until the BMC itself reports the wanted state.
extends_documentation_fragment:
  - rackyard.metal.attributes
  - rackyard.metal.attributes.region
  - rackyard.metal.region
attributes:
  check_mode:
    support: full
    details:
      - The BMC is asked for its state in check mode, too.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - O(state) is idempotent, O(action) always changes.
options:
  hostname:
    description: Name of the machine.
    type: str
    required: true
  state:
    description: The state that the machine shall be in. Exactly one of O(state) and O(action) must be given.
    type: str
    choices: ["on", "off"]
  action:
    description: What to do whatever the state. V(cycle) switches the machine off and on; one that is off is switched on.
    type: str
    choices: [cycle]
  timeout_s:
    description: Seconds until the BMC must report each new state.
    type: float
    default: 120.0
  poll_interval_s:
    description: Seconds between two questions to the BMC.
    type: float
    default: 2.0
seealso:
  - module: rackyard.metal.ipmi_power
"""

EXAMPLES = r"""
- name: Switch a machine off
  rackyard.metal.machine_power:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    hostname: web-01
    state: "off"
  delegate_to: localhost

- name: Power a machine off and on
  rackyard.metal.machine_power:
    hostname: web-01
    action: cycle
  delegate_to: localhost
"""

RETURN = r"""
power_state:
  description: What the BMC reported last. In check mode the state that would be reached.
  returned: success
  type: str
  sample: "off"
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["power off machine web-01"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer or the state was not reached in time.
  returned: failure
  type: int
  sample: 409
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import machine_power
from ..module_utils.rackyard_core.client import RegionClient
from ..module_utils.rackyard_core.machine_lookup import get_machine
from ..module_utils.rackyard_core.patience import Patience


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            hostname={"type": "str", "required": True},
            state={"type": "str", "choices": ["on", "off"]},
            action={"type": "str", "choices": ["cycle"]},
            timeout_s={"type": "float", "default": 120.0},
            poll_interval_s={"type": "float", "default": 2.0},
        ),
        mutually_exclusive=[("state", "action")],
        required_one_of=[("state", "action")],
        supports_check_mode=True,
    )
    patience = Patience(module.params["timeout_s"], module.params["poll_interval_s"])

    def work(client: RegionClient) -> dict[str, Any]:
        machine = get_machine(client, module.params["hostname"])
        wanted = module.params["state"] or module.params["action"]
        plan = machine_power.plan_power(machine["hostname"], machine_power.query(client, machine), wanted)
        if module.check_mode:
            state = plan.after["power_state"]
        else:
            state = machine_power.carry_out(client, machine, plan, patience)
        return {**plan.result(), "power_state": state}

    region_module.run(module, work)


if __name__ == "__main__":
    main()
