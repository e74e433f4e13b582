#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drift_info
short_description: Tell what differs between declared and found
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Reads in what machines, as their last commissioning found them, differ from what O(rackyard.metal.machine#module:expect) declares of
    them, and which daemons of which racks do not serve the configuration that the region wants of them.
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
    support: full
    details:
      - One diff for each machine and rack that differs, from found to declared. Ansible shows it when the task is changed, which this
        module's never is by itself; see the example.
  idempotent:
    support: full
    details:
      - This module does not modify state.
options:
  hostnames:
    description:
      - Names of the machines to look at, all of them by default.
      - A name that the region does not know is an error.
    type: list
    elements: str
  racks:
    description: Whether to look at racks.
    type: bool
    default: true
seealso:
  - module: rackyard.metal.machine
  - module: rackyard.metal.machine_commission
"""

EXAMPLES = r"""
- name: Show what differs
  rackyard.metal.drift_info:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
  delegate_to: localhost
  register: drift
  changed_when: drift.differs
  diff: true

- name: Fail when something is not as declared
  ansible.builtin.assert:
    that: not drift.differs
    fail_msg: "{{ drift.summary | join('\n') }}"
"""

RETURN = r"""
differs:
  description: Whether something differs, or is not known though it is declared.
  returned: success
  type: bool
machines:
  description:
    - The machines by host name. Their C(state) is V(same), V(differs), V(unknown) for one that was never commissioned, or
      V(undeclared) for one of which nothing is declared. C(differences) is null for the last two.
  returned: success
  type: list
  elements: dict
  sample:
    - hostname: web-01
      system_id: a3kx7b
      state: differs
      found_at: "2026-01-31T12:00:00+00:00"
      differences:
        - what: disks[0]
          declared: {count: 2, kind: ssd, size_gb: 480}
          found: {count: 1}
racks:
  description:
    - The racks by host name. Their C(state) is V(same), V(differs), or V(unknown) for one that is not heard of. Each of the
      C(differences) names a daemon, the generation of the configuration that it shall serve and the one that it serves, null when it
      refused that one, with its checker's words.
  returned: when O(racks=true)
  type: list
  elements: dict
  sample:
    - hostname: rack1
      system_id: c9dedz
      state: same
      last_seen_at: "2026-01-31T12:00:00+00:00"
      differences: []
summary:
  description: How many are as declared, and each difference, in lines of text.
  returned: success
  type: list
  elements: str
  sample: ["machines: 39 as declared, 1 different", "machine web-01: cpu_count: declared 16, found 8"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 404
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import drift
from ..module_utils.rackyard_core.client import RegionClient


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            hostnames={"type": "list", "elements": "str"},
            racks={"type": "bool", "default": True},
        ),
        supports_check_mode=True,
    )

    def work(client: RegionClient) -> dict[str, Any]:
        racks = {"racks": drift.of_racks(client)} if module.params["racks"] else {}
        return drift.result(machines=drift.of_machines(client, module.params["hostnames"]), **racks)

    region_module.run(module, work)


if __name__ == "__main__":
    main()
