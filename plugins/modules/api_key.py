#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: api_key
short_description: Declare an API key of one's own account
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Makes a further API key for the account whose key is used, or ends it. Each program is best given a key of its own, which can be ended by itself.
  - The region keeps no secret of a key. A new one is returned this once, see RV(secret); give the task C(no_log) and keep it, for example in a vault.
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
  state:
    description: Whether there shall be a key of that name. V(absent) ends all that have it.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: What the key is for, as lists show it.
    type: str
    required: true
seealso:
  - module: rackyard.metal.user
"""

EXAMPLES = r"""
- name: Make a key for the monitoring
  rackyard.metal.api_key:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: monitoring
  delegate_to: localhost
  register: key
  no_log: true

- name: End the key of a program that is gone
  rackyard.metal.api_key:
    name: old-cmdb
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
secret:
  description: The new key in its text form C(consumer:token:secret).
  returned: when a key was made
  type: str
  sample: "aXBkQ9...:kT8sGw...:Yd3vLq..."
api_keys:
  description: The account's keys of that name, without their secrets. In check mode as they are.
  returned: success
  type: list
  elements: dict
  sample:
    - name: monitoring
      token: "aXBkQ9...:kT8sGw..."
      last_used_at: null
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create API key monitoring"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import api_keys
from ..module_utils.rackyard_core.client import RegionClient


def ensure(client: RegionClient, options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, decide, and act outside check mode."""
    name = options["name"].strip()
    known = api_keys.keys_of(client, name)
    plan = api_keys.plan_for(known, name, options["state"])
    if check_mode or not plan.changed:
        return {**plan.result(), "api_keys": known}
    secret = api_keys.carry_out(client, plan)
    made = {"secret": secret} if secret else {}
    return {**plan.result(), "api_keys": api_keys.keys_of(client, name), **made}


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            name={"type": "str", "required": True},
        ),
        supports_check_mode=True,
    )
    region_module.run(module, lambda client: ensure(client, module.params, module.check_mode))


if __name__ == "__main__":
    main()
