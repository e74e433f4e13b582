#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_abort
short_description: Stop the commissioning or the test of a machine
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Ends the commissioning or test that a machine goes through. It is what it was before then, and is powered off.
  - A machine that goes through nothing is left alone.
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
  hostname:
    description: Name of the machine.
    type: str
    required: true
seealso:
  - module: rackyard.metal.machine_commission
  - module: rackyard.metal.machine_mark
  - module: rackyard.metal.machine_test
"""

EXAMPLES = r"""
- name: Stop a commissioning before the rack is taken out
  rackyard.metal.machine_abort:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    hostname: web-01
  delegate_to: localhost
"""

RETURN = r"""
machine:
  description: The machine as the region's API shows it, in check mode as it is now.
  returned: success
  type: dict
  sample:
    hostname: web-01
    status_name: New
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["abort machine web-01"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 409
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import commissioning
from ..module_utils.rackyard_core.client import RegionClient
from ..module_utils.rackyard_core.machine_lookup import get_machine


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(hostname={"type": "str", "required": True}),
        supports_check_mode=True,
    )

    def work(client: RegionClient) -> dict[str, Any]:
        machine = get_machine(client, module.params["hostname"])
        plan = commissioning.plan_abort(machine)
        if plan.changed and not module.check_mode:
            machine = commissioning.abort(client, machine)
        return {**plan.result(), "machine": machine}

    region_module.run(module, work)


if __name__ == "__main__":
    main()
