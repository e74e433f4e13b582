#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: machines
short_description: Register many machines with the region
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a list of machines in one task. It does for each what M(rackyard.metal.machine) does, but what the region
    knows is read once, and several machines are written at the same time.
  - Everything is decided before anything is done. An entry that cannot be meant, such as a malformed MAC address, a name or a MAC
    address or a BMC that is declared twice, or a MAC address that another machine has, fails the task before the first change.
  - When the region refuses a machine nevertheless, the others are gone on with, and the failure names the machine and what was done.
    When the region cannot be reached any more, nothing further is tried.
  - Machines that the region knows and that are not in the list are left alone.
extends_documentation_fragment:
  - rackyard.metal.attributes
  - rackyard.metal.attributes.region
  - rackyard.metal.region
  - rackyard.metal.machine.entries
attributes:
  check_mode:
    support: full
    details:
      - What only the region can judge, such as whether a machine outside the list has the BMC, is not foreseen.
  diff_mode:
    support: full
    details:
      - One diff for each machine that changes.
options:
  machines:
    description: The machines, each as in M(rackyard.metal.machine).
    type: list
    elements: dict
    required: true
seealso:
  - module: rackyard.metal.machine
  - module: rackyard.metal.machine_info
"""

EXAMPLES = r"""
- name: Register the machines
  rackyard.metal.machines:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    machines:
      - hostname: web-01
        mac_addresses: ["00:00:5e:00:53:01"]
        power: {type: ipmi, address: 192.0.2.141, user: admin, password: "{{ bmc_password }}"}
      - hostname: web-02
        mac_addresses: ["00:00:5e:00:53:02"]
        power: {type: ipmi, address: 192.0.2.142, user: admin, password: "{{ bmc_password }}", boot_type: efi}
      - hostname: web-00
        state: absent
  delegate_to: localhost

- name: See what would change
  rackyard.metal.machines:
    machines: "{{ rackyard_machines }}"
  check_mode: true
  diff: true
  delegate_to: localhost
"""

RETURN = r"""
machines:
  description:
    - The machines of the list, in its order, with what was done to each, or would be in check mode.
    - After a failure only those that are as declared.
  returned: when everything was decided
  type: list
  elements: dict
  contains:
    hostname:
      description: Its name.
      type: str
      returned: always
      sample: web-01
    system_id:
      description: The region's name for it, empty when it is not there.
      type: str
      returned: always
      sample: a3kx7b
    status_name:
      description: Its status, empty when it is not there.
      type: str
      returned: always
      sample: New
    changed:
      description: Whether it was, or would be, changed.
      type: bool
      returned: always
    actions:
      description: What was done.
      type: list
      elements: str
      returned: always
      sample: ["create machine web-01"]
actions:
  description: What was done, or would be in check mode.
  returned: when everything was decided
  type: list
  elements: str
  sample: ["create machine web-01"]
failures:
  description: The machines that the region refused, with its words and the HTTP status.
  returned: when it refused some
  type: list
  elements: dict
  sample:
    - hostname: web-02
      msg: "mac_addresses: MAC 00:00:5e:00:53:02 already belongs to machine db-01 (b7wq2c)"
      status: 400
untried:
  description: Names of the machines that were not tried because the region could not be reached any more.
  returned: when some failed
  type: list
  elements: str
  sample: []
status:
  description: HTTP status of the region's first refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import machine_list, machine_options
from ..module_utils.rackyard_core.client import RegionClient


def main() -> None:
    one = {**machine_options.machine_options(), "update_password": machine_options.update_password_option()}
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            machines={"type": "list", "elements": "dict", "required": True, "options": one},
            update_password=machine_options.update_password_option(default="on_create"),
        ),
        supports_check_mode=True,
    )

    entries = module.params["machines"]
    # Ansible returns the options too, and searches all that it returns for each password: the names are enough.
    module.params["machines"] = [entry["hostname"] for entry in entries]

    def work(client: RegionClient) -> dict[str, Any]:
        orders = machine_list.orders_from(entries, module.params["update_password"])
        decisions = machine_list.decide(client, orders)
        if module.check_mode:
            return machine_list.results(decisions, {one.hostname: one.machine for one in decisions})
        machine_list.require_tags(client, orders)
        outcome = machine_list.carry_out_all(client, decisions)
        if outcome.failed:
            raise machine_list.SomeFailed(decisions, outcome)
        return machine_list.results(decisions, outcome.done)

    region_module.run(module, work)


if __name__ == "__main__":
    main()
