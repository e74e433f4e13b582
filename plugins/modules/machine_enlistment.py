#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_enlistment
short_description: Accept or refuse machines that have enlisted by themselves
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - A machine that nobody has registered and that boots in a subnet with C(enlistment) on (M(rackyard.metal.subnet)) describes itself, and waits as C(New).
    Nobody answers for it by DHCP or DNS until it is accepted.
  - An accepted machine is commissioned if it has a power type. Else it stays C(New), and an event tells why; give it one with M(rackyard.metal.machine) and
    commission it.
  - A refused machine is deleted. It may come again when it boots again, at the earliest ten minutes after it came.
  - Without any option the module changes nothing, and tells who waits.
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
  accept:
    description: Machines to accept, each by its hostname, system_id or the MAC address that it booted from. One that was accepted before is left alone.
    type: list
    elements: str
    default: []
  reject:
    description: Machines to delete, named likewise. One that is gone, or was accepted, is left alone.
    type: list
    elements: str
    default: []
  accept_all:
    description: Whether to accept all that wait, but for those in O(reject). O(subnets), O(vendors) and O(serials) narrow that down.
    type: bool
    default: false
  subnets:
    description: Of O(accept_all), only machines that booted in subnets of these names.
    type: list
    elements: str
    default: []
  vendors:
    description: Of O(accept_all), only machines that say that they are of one of these vendors. A machine can say anything.
    type: list
    elements: str
    default: []
  serials:
    description: Of O(accept_all), only machines that say that they have one of these serial numbers. A machine can say anything.
    type: list
    elements: str
    default: []
seealso:
  - module: rackyard.metal.subnet
  - module: rackyard.metal.machine_commission
"""

EXAMPLES = r"""
- name: See who waits
  rackyard.metal.machine_enlistment:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
  delegate_to: localhost
  register: enlisted

- name: Accept one, and delete another one
  rackyard.metal.machine_enlistment:
    accept: ["52:54:00:20:01:01"]
    reject: [machine-x7k2qm]
  delegate_to: localhost

- name: Accept all that the delivery note lists
  rackyard.metal.machine_enlistment:
    accept_all: true
    subnets: [boot]
    serials: [SN-1001, SN-1002]
  delegate_to: localhost
"""

RETURN = r"""
enlistments:
  description:
    - Before anything was done, all that the region knows of, the oldest first. One that waits has a C(system_id) and no C(accepted_at).
    - C(outcome) is C(running), C(done), C(failed), C(known) (it is a machine that is there) or C(contradiction) (it is like machines that are not one),
      C(detail) says why.
  returned: success
  type: list
  elements: dict
  sample:
    - mac: "52:54:00:20:01:01"
      ip_address: 198.51.100.101
      subnet: boot
      outcome: done
      detail: machine machine-x7k2qm
      system_id: x7k2qm
      hostname: machine-x7k2qm
      vendor: QEMU
      product: Standard PC
      serial: SN-1001
      requested_at: "2025-01-01T12:00:00+00:00"
      ended_at: "2025-01-01T12:01:30+00:00"
      accepted_at: null
accepted:
  description: The machines that were accepted now, as the region's API shows them. Empty in check mode.
  returned: success
  type: list
  elements: dict
  sample: []
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["accept machine machine-x7k2qm"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 409
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import enlistments
from ..module_utils.rackyard_core.client import RegionClient


def main() -> None:
    names = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            accept=names,
            reject=names,
            accept_all={"type": "bool", "default": False},
            subnets=names,
            vendors=names,
            serials=names,
        ),
        supports_check_mode=True,
    )

    def work(client: RegionClient) -> dict[str, Any]:
        given = module.params
        wish = enlistments.Wish(
            given["accept"], given["reject"], given["accept_all"], given["subnets"], given["vendors"], given["serials"]
        )
        queue = client.get("machines/", op="enlistments")
        plan = enlistments.plan(queue, wish)
        taken = [action.values["system_id"] for action in plan.actions if action.verb == "accept"]
        accepted = []
        if not module.check_mode:
            accepted = client.post("machines/", op="accept", machines=taken) if taken else []
            for action in plan.actions:
                if action.verb == "delete":
                    client.delete(f"machines/{action.values['system_id']}/")
        return {**plan.result(), "enlistments": queue, "accepted": accepted}

    region_module.run(module, work)


if __name__ == "__main__":
    main()
