#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_key
short_description: Declare an SSH key of an account in the region
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Adds a public SSH key to the account that O(api_key) belongs to, or removes it. Nobody changes the keys of others.
  - A key is found by its type and body. One that is there with another comment is left as it is.
  - The region checks that a key is a whole one of a type that it knows; check mode only that it has the form of one.
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
    description: Whether the account has the key.
    type: str
    choices: [present, absent]
    default: present
  key:
    description: Public key, the one line of a C(.pub) file.
    type: str
    required: true
seealso:
  - module: rackyard.metal.user
"""

EXAMPLES = r"""
- name: Add a key to one's account
  rackyard.metal.ssh_key:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ ann_api_key }}"
    key: "{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"
  delegate_to: localhost

- name: Remove a key that was lost
  rackyard.metal.ssh_key:
    key: "{{ lookup('ansible.builtin.file', 'lost_laptop.pub') }}"
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
ssh_key:
  description: The key as the region's API shows it, empty when it is absent. In check mode a new one has no id yet.
  returned: success
  type: dict
  sample:
    id: 3
    key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMo+9BHWzjF8JkD2crhjL3OxxtO+V1aaQQGGjqyamTs8 ann@laptop
    keysource: ""
    resource_uri: /MAAS/api/2.0/account/prefs/sshkeys/3/
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create SSH key ann@laptop"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import ssh_keys
from ..module_utils.rackyard_core.client import RegionClient


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            key={"type": "str", "required": True, "no_log": False},
        ),
        supports_check_mode=True,
    )

    def work(client: RegionClient) -> dict[str, Any]:
        wanted = ssh_keys.PublicKey.parse(module.params["key"])
        current = ssh_keys.find_key(client.get(ssh_keys.PATH), wanted)
        plan = ssh_keys.plan_for(current, wanted, module.params["state"])
        if not module.check_mode:
            after = ssh_keys.carry_out(client, current, plan)
        else:
            after = {**(current or {"keysource": ""}), **plan.after} if plan.after else None
        return {**plan.result(), "ssh_key": after or {}}

    region_module.run(module, work)


if __name__ == "__main__":
    main()
