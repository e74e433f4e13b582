#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipmi_power
short_description: Switch a machine on or off at its BMC
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Talks IPMI 2.0 over LAN straight to a BMC, from the host that the task runs on. That is usually a rack (C(delegate_to)), because
    nothing else reaches BMCs.
  - Asks for the state first, changes it only if it differs, and waits until the BMC itself reports the wanted state.
  - The region is not told. Use M(rackyard.metal.machine_power) for machines that it manages.
requirements:
  - pyghmi (Debian package C(python3-pyghmi)) on the host that the task runs on
extends_documentation_fragment:
  - rackyard.metal.attributes
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
  address:
    description: IP address or name of the BMC.
    type: str
    required: true
  port:
    description: UDP port of the BMC.
    type: int
    default: 623
  user:
    description: User name at the BMC.
    type: str
    required: true
  password:
    description: Password at the BMC. It is tried once, so that a wrong one locks nobody out.
    type: str
    required: true
  state:
    description:
      - The state that the machine shall be in. Exactly one of O(state) and O(action) must be given.
      - V(off) cuts the power. V(soft-off) asks the operating system to shut down and waits for it.
    type: str
    choices: ["on", "off", soft-off]
  action:
    description:
      - What to do whatever the state. V(cycle) switches off and on, V(reset) restarts without cutting the power; a machine that is off is
        switched on by both.
    type: str
    choices: [cycle, reset]
  boot_device:
    description:
      - What to boot from, once, if the machine is switched on by this task.
      - A BMC that refuses this gives a warning, because the firmware's own order may be right anyway.
    type: str
    choices: [default, pxe, disk, cdrom, bios]
  timeout_s:
    description: Seconds until the BMC must report the new state. A BMC that does not answer fails in less than 30 seconds.
    type: float
    default: 60.0
seealso:
  - module: rackyard.metal.machine_power
"""

EXAMPLES = r"""
- name: Boot a machine from the network
  rackyard.metal.ipmi_power:
    address: 192.0.2.141
    user: admin
    password: "{{ bmc_password }}"
    state: "on"
    boot_device: pxe
  delegate_to: rack1

- name: Let the operating system shut down
  rackyard.metal.ipmi_power:
    address: 192.0.2.141
    user: admin
    password: "{{ bmc_password }}"
    state: soft-off
    timeout_s: 300
  delegate_to: rack1
"""

RETURN = r"""
power_state:
  description: What the BMC reported last, V(on) or V(off). In check mode the state that would be reached.
  returned: success
  type: str
  sample: "on"
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["on"]
kind:
  description: What went wrong, one of V(auth), V(unreachable), V(refused), V(timeout) and V(protocol).
  returned: failure
  type: str
  sample: auth
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.rackyard_core.power.base import BOOT_DEVICES, PowerError
from ..module_utils.rackyard_core.power.ipmi import DEFAULT_PORT, bmc
from ..module_utils.rackyard_core.power.orders import carry_out, plan_power
from ..module_utils.rackyard_core.power.process import ProcessMachine, machine


def act(module: AnsibleModule, found: ProcessMachine) -> dict[str, object]:
    """Ask, decide, and act outside check mode. Raises PowerError."""
    params = module.params
    wanted = params["state"] or params["action"]
    plan = plan_power(found.state(), wanted)
    state = plan.final
    if plan.changed and not module.check_mode:
        result = carry_out(found, wanted, params["boot_device"], params["timeout_s"])
        state = result.state
        for warning in result.warnings:
            module.warn(warning)
    return {
        "changed": plan.changed,
        "power_state": state,
        "actions": list(plan.actions),
        "diff": {
            "before": {"power_state": plan.current},
            "after": {"power_state": plan.final, "actions": list(plan.actions)},
        },
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": DEFAULT_PORT},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "state": {"type": "str", "choices": ["on", "off", "soft-off"]},
            "action": {"type": "str", "choices": ["cycle", "reset"]},
            "boot_device": {"type": "str", "choices": list(BOOT_DEVICES)},
            "timeout_s": {"type": "float", "default": 60.0},
        },
        mutually_exclusive=[("state", "action")],
        required_one_of=[("state", "action")],
        supports_check_mode=True,
    )
    params = module.params
    try:
        with machine(bmc(params["address"], params["user"], params["password"], params["port"])) as found:
            result = act(module, found)
    except PowerError as error:
        module.fail_json(msg=str(error), kind=error.kind)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
