#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: settings
short_description: Set settings of the site
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Sets settings that the region keeps, such as how long a commissioning may stand still. Others are left alone.
  - C(rackyard-region setting) on a region host lists them with their values.
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
  settings:
    description: Values by name. Names that MAAS has for the same, such as V(node_timeout), are taken too.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Give machines more time, and keep fewer boots
  rackyard.metal.settings:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    settings:
      commissioning_timeout_s: 3600
      keep_boots: 5
  delegate_to: localhost
"""

RETURN = r"""
settings:
  description: The settings that were named, with their values. In check mode as they would be.
  returned: success
  type: dict
  sample:
    commissioning_timeout_s: 3600
    keep_boots: 5
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["set keep_boots"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import settings
from ..module_utils.rackyard_core.client import RegionClient


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(settings={"type": "dict", "required": True}),
        supports_check_mode=True,
    )

    def work(client: RegionClient) -> dict[str, Any]:
        plan = settings.ensure(client, module.params["settings"], module.check_mode)
        return {**plan.result(), "settings": dict(plan.after)}

    region_module.run(module, work)


if __name__ == "__main__":
    main()
