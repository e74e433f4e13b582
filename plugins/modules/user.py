#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: user
short_description: Declare a person's account in the region
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes the account of a person, who logs in with its password or uses the API with keys of its own.
  - The key given as O(api_key) must be an administrator's.
  - The region refuses to remove the account that the key belongs to, and to take the rights of an administrator from it. It sets
    a password of that account only for whoever knows the one before; C(rackyard-region set-password) on a region host needs none.
  - The region refuses to remove an account that owns machines, devices or reserved addresses, unless O(transfer_resources_to) says who
    gets them. Check mode does not foretell these refusals.
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
      - The region never tells a password. With O(update_password=always) and a password given, it is set each time and the task is
        changed each time.
options:
  state:
    description: Whether the account is there.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the account, up to 150 letters, digits and C(@ . + - _). Upper and lower case differ.
    type: str
    required: true
  email:
    description: Mail address, empty for none. Left alone when not given.
    type: str
  is_superuser:
    description: Whether the account is an administrator. Left alone when not given; a new account is none then.
    type: bool
  grants:
    description:
      - All roles that the account shall have by itself; others are taken from it. What it has by groups, see M(rackyard.metal.user_group), stays.
      - Without this option the roles are left alone. An empty list is for an account without any.
    type: list
    elements: dict
    suboptions:
      role:
        description: What the account is.
        type: str
        choices: [operator]
        default: operator
      pool:
        description: Name of the resource pool of which it is that, V(*) for all of them.
        type: str
        required: true
  password:
    description: Password of 8 to 512 characters. A new account needs one.
    type: str
  update_password:
    description:
      - V(on_create) gives O(password) to a new account only.
      - V(always) sets it each time, so the task is changed each time. Keys of the account go on working.
    type: str
    choices: [on_create, always]
    default: on_create
  transfer_resources_to:
    description: With O(state=absent), name of the account that gets machines, devices and reserved addresses of the removed one.
    type: str
"""

EXAMPLES = r"""
- name: Declare an operator
  rackyard.metal.user:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: ann
    email: ann@example.org
    is_superuser: true
    password: "{{ ann_first_password }}"
  delegate_to: localhost

- name: Have somebody operate the machines of a pool
  rackyard.metal.user:
    name: ben
    grants:
      - pool: web
  delegate_to: localhost

- name: Give somebody a new password
  rackyard.metal.user:
    name: ben
    password: "{{ ben_new_password }}"
    update_password: always
  delegate_to: localhost

- name: Remove the account of somebody who has left
  rackyard.metal.user:
    name: cal
    state: absent
    transfer_resources_to: ann
  delegate_to: localhost
"""

RETURN = r"""
user:
  description: The account as the region's API shows it, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    username: ann
    email: ann@example.org
    is_local: true
    is_superuser: true
    role: administrator
    grants: []
    groups: []
    resource_uri: /MAAS/api/2.0/users/ann/
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create user ann"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import users
from ..module_utils.rackyard_core.client import RegionClient


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            name={"type": "str", "required": True},
            email={"type": "str"},
            is_superuser={"type": "bool"},
            grants=region_module.GRANTS,
            password={"type": "str", "no_log": True},
            update_password={
                "type": "str",
                "choices": ["on_create", "always"],
                "default": "on_create",
                "no_log": False,
            },
            transfer_resources_to={"type": "str"},
        ),
        supports_check_mode=True,
    )

    def work(client: RegionClient) -> dict[str, Any]:
        options = module.params
        wish = users.UserWish.from_options(options)
        user = users.find_user(client, wish.username)
        view = users.user_view(user)
        if options["state"] == "absent":
            plan = users.plan_absent(view, wish.username, options["transfer_resources_to"])
        else:
            plan = users.plan_present(view, wish, options["update_password"])
        after = users.predicted(user, plan) if module.check_mode else users.carry_out(client, wish.username, plan)
        return {**plan.result(), "user": after or {}}

    region_module.run(module, work)


if __name__ == "__main__":
    main()
