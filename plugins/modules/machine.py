#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: machine
short_description: Register a machine with the region
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a machine, found by its host name.
  - What the hardware is made of is not declared; M(rackyard.metal.machine_commission) finds it out.
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
    support: partial
    details:
      - The region never tells a BMC password. With O(update_password=always) and a password given, it is sent each time and the task
        is changed each time.
options:
  state:
    description: Whether the machine shall be known to the region.
    type: str
    choices: [present, absent]
    default: present
  hostname:
    description: Name of the machine, unique in the region.
    type: str
    required: true
  mac_addresses:
    description:
      - MAC addresses, the one that the machine boots from first. Needed to create a machine.
      - Further ones that commissioning has found are left alone.
    type: list
    elements: str
  architecture:
    description:
      - Architecture, optionally with a subarchitecture after a slash. V(amd64) means V(amd64/generic).
      - A new machine is V(amd64/generic) unless this says otherwise.
    type: str
  description:
    description: Free text.
    type: str
  commissioning_suite:
    description:
      - Debian release of the ephemeral system that the machine boots, if not the region's default. An empty string is the default.
      - An image of that release must be registered; see C(boot_image_more_suites) of role C(boot_image).
    type: str
  power:
    description: How the machine is switched on and off.
    type: dict
    suboptions:
      type:
        description: Kind of power control. With V(manual) somebody pushes the button.
        type: str
        choices: [ipmi, manual]
        required: true
      address:
        description: IP address of the BMC, which at least one rack must be able to reach. Needed for O(power.type=ipmi).
        type: str
      port:
        description: UDP port of the BMC. The region assumes 623.
        type: int
      user:
        description: User name at the BMC.
        type: str
      password:
        description: Password at the BMC. The region keeps it encrypted and gives it to nobody but the rack that talks to the BMC.
        type: str
      cipher_suite_id:
        description:
          - Cipher suite of IPMI 2.0 to insist on, when a BMC must not fall back to another.
          - The empty string, which the region assumes, tries 17 (SHA-256) and then 3 (SHA-1).
        type: str
        choices: ["", "3", "17"]
      boot_type:
        description:
          - How the BMC is told to boot from the network, as one of the machine's firmware modes.
          - With V(efi) the BMC gets the flag for UEFI, without which some servers boot the legacy way, or their disk.
          - The region assumes V(auto), which sets no flag.
        type: str
        choices: [auto, efi, legacy]
      off_mode:
        description:
          - How the machine is switched off when an operator asks for it.
          - V(hard) cuts the power; V(soft) asks the operating system by ACPI and waits for it. The region assumes V(hard).
        type: str
        choices: [hard, soft]
      privilege_level:
        description:
          - Privilege level to ask the BMC for. It must not be above what the BMC grants the user.
          - Without it the highest that the BMC gives is taken.
        type: str
        choices: [OPERATOR, ADMIN]
  update_password:
    description:
      - When O(power.password) is sent to the region, which never tells the one it has, so that the two cannot be compared.
      - V(on_create) sends it with a new machine, and together with any other change of O(power).
      - V(always) sends it each time, so the task is changed each time.
    type: str
    choices: [on_create, always]
    default: on_create
requirements:
  - netaddr
seealso:
  - module: rackyard.metal.machines
    description: Registers many machines in one task.
  - module: rackyard.metal.machine_commission
  - module: rackyard.metal.machine_info
"""

EXAMPLES = r"""
- name: Register a machine
  rackyard.metal.machine:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    hostname: web-01
    mac_addresses: ["00:00:5e:00:53:01"]
    power:
      type: ipmi
      address: 192.0.2.141
      user: admin
      password: "{{ web_01_bmc_password }}"
  delegate_to: localhost

- name: Give the region a BMC's new password
  rackyard.metal.machine:
    hostname: web-01
    update_password: always
    power:
      type: ipmi
      password: "{{ web_01_new_bmc_password }}"
  delegate_to: localhost

- name: Forget a machine
  rackyard.metal.machine:
    hostname: web-01
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
machine:
  description:
    - The machine as the region's API shows it, empty when it is absent.
    - In check mode what is known now with the planned values.
  returned: success
  type: dict
  sample:
    hostname: web-01
    status_name: New
    system_id: a3kx7b
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create machine web-01"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 404
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import machine_options, machines
from ..module_utils.rackyard_core.client import RegionClient


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            **machine_options.machine_options(),
            update_password=machine_options.update_password_option(default="on_create"),
        ),
        supports_check_mode=True,
    )

    def work(client: RegionClient) -> dict[str, Any]:
        wish = machines.MachineWish.from_options(module.params)
        machine, view = machines.observe(client, wish.hostname)
        plan = machines.plan_for(view, wish, module.params["state"], module.params["update_password"])
        after = machines.predicted(machine, plan) if module.check_mode else machines.carry_out(client, machine, plan)
        return {**plan.result(), "machine": after or {}}

    region_module.run(module, work)


if __name__ == "__main__":
    main()
