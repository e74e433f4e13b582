#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_info
short_description: Read machines from the region
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Reads machines with their status, hardware and, if wanted, the timeline of their latest boot.
extends_documentation_fragment:
  - rackyard.metal.attributes
  - rackyard.metal.attributes.region
  - rackyard.metal.region
attributes:
  check_mode:
    support: full
    details:
      - This module does not modify state.
  diff_mode:
    support: N/A
    details:
      - This module does not modify state.
  idempotent:
    support: full
    details:
      - This module does not modify state.
options:
  hostnames:
    description:
      - Names of the machines to read, all of them by default.
      - A name that the region does not know is an error.
    type: list
    elements: str
  fields:
    description:
      - The only fields of each machine to read, such as C(status_name); C(hostname) is always among them. All of them by default.
      - On a large site this is much quicker, because hardware is most of a machine.
    type: list
    elements: str
  timeline:
    description: Whether to read the timeline of each machine's latest boot. It costs one more request for each machine.
    type: bool
    default: false
seealso:
  - module: rackyard.metal.machine
"""

EXAMPLES = r"""
- name: Read all machines
  rackyard.metal.machine_info:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
  delegate_to: localhost
  register: site

- name: Name the machines that are not Ready
  ansible.builtin.debug:
    msg: "{{ site.machines | rejectattr('status_name', 'equalto', 'Ready') | map(attribute='hostname') }}"

- name: Count the machines by status
  rackyard.metal.machine_info:
    fields: [status_name]
  delegate_to: localhost
  register: short

- name: See how far a boot came
  rackyard.metal.machine_info:
    hostnames: [web-01]
    timeline: true
  delegate_to: localhost
"""

RETURN = r"""
machines:
  description:
    - The machines as the region's API shows them, by host name.
    - Each has C(hardware), a short form with units in its names, unless O(fields) was given, and C(timeline) when O(timeline=true).
  returned: success
  type: list
  elements: dict
  sample:
    - hostname: web-01
      status_name: Ready
      hardware:
        cpu_count: 2
        memory_mib: 2048
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 404
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core.client import RegionClient
from ..module_utils.rackyard_core.commissioning import read_timeline
from ..module_utils.rackyard_core.hardware import hardware_of
from ..module_utils.rackyard_core.machine_lookup import select_machines


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            hostnames={"type": "list", "elements": "str"},
            fields={"type": "list", "elements": "str"},
            timeline={"type": "bool", "default": False},
        ),
        supports_check_mode=True,
    )

    def work(client: RegionClient) -> dict[str, Any]:
        fields, timeline = module.params["fields"], module.params["timeline"]
        asked = None if fields is None else {*fields, "hostname", "system_id"}
        found = []
        for machine in select_machines(client, module.params["hostnames"], asked):
            shown = {name: machine[name] for name in machine if fields is None or name in {*fields, "hostname"}}
            hardware = {"hardware": hardware_of(machine)} if fields is None else {}
            told = {"timeline": read_timeline(client, machine)} if timeline else {}
            found.append({**shown, **hardware, **told})
        return {"changed": False, "machines": found}

    region_module.run(module, work)


if __name__ == "__main__":
    main()
