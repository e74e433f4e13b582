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
  - What the hardware is made of M(rackyard.metal.machine_commission) finds out. O(expect) declares what it should be.
extends_documentation_fragment:
  - rackyard.metal.attributes
  - rackyard.metal.attributes.region
  - rackyard.metal.region
  - rackyard.metal.machine
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
seealso:
  - module: rackyard.metal.machines
    description: Registers many machines in one task.
  - module: rackyard.metal.machine_commission
  - module: rackyard.metal.machine_info
  - module: rackyard.metal.drift_info
  - module: rackyard.metal.tag
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

- name: Register a machine that a web server switches
  rackyard.metal.machine:
    hostname: node-07
    mac_addresses: ["00:00:5e:00:53:07"]
    power:
      type: webhook
      parameters:
        power_on_uri: https://192.0.2.150/node-07/on
        power_off_uri: https://192.0.2.150/node-07/off
        power_query_uri: https://192.0.2.150/node-07
      secrets:
        power_token: "{{ switch_token }}"
  delegate_to: localhost

- name: Register a VM of Proxmox VE
  rackyard.metal.machine:
    hostname: vm-101
    mac_addresses: ["00:00:5e:00:53:65"]
    power:
      type: proxmox
      address: pve1.example.org
      user: rackyard@pve
      parameters: {power_vm_name: "101", power_token_name: rack}
      secrets: {power_token_secret: "{{ pve_token_secret }}"}
  delegate_to: localhost

- name: Register a machine whose BMC speaks Redfish and has signed its own certificate
  rackyard.metal.machine:
    hostname: web-02
    mac_addresses: ["00:00:5e:00:53:02"]
    power:
      type: redfish
      address: 192.0.2.142
      user: admin
      password: "{{ web_02_bmc_password }}"
      tls_fingerprint: "{{ web_02_bmc_fingerprint }}"
  delegate_to: localhost

- name: Give the region a BMC's new password
  rackyard.metal.machine:
    hostname: web-01
    update_password: always
    power:
      type: ipmi
      password: "{{ web_01_new_bmc_password }}"
  delegate_to: localhost

- name: Say what a machine is for
  rackyard.metal.machine:
    hostname: web-01
    tags: [ssd, frontend]
    owner_data:
      team: web
    workload_annotations:
      service: shop
  delegate_to: localhost

- name: Say what a machine shall be made of, and forget about it with an empty one
  rackyard.metal.machine:
    hostname: web-01
    expect:
      cpu_count: 16
      memory: 65536
      disks:
        - {count: 2, kind: ssd, size_gb: 480}
      nics:
        - {name: eno1, switch: leaf1, port: swp7, link_speed: 10000}
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
from ..module_utils.rackyard_core import machine_marks, machine_options, machines
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
        machine, view = machines.observe(client, wish.hostname, wish.expect is not None)
        plan = machines.plan_for(view, wish, module.params["state"], module.params["update_password"])
        # Not in check mode: another task may make a tag first.
        if not module.check_mode and module.params["state"] == "present":
            machine_marks.require_tags(client, wish.tags or ())
        after = machines.predicted(machine, plan) if module.check_mode else machines.carry_out(client, machine, plan)
        return {**plan.result(), "machine": after or {}}

    region_module.run(module, work)


if __name__ == "__main__":
    main()
