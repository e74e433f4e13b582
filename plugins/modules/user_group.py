#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: user_group
short_description: Declare a group of users with what they may do
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a group of users, puts accounts in it, and gives them roles together.
  - The key given as O(api_key) must be an administrator's.
  - The region refuses accounts and resource pools that are not there. Check mode does not foretell that, because tasks before this one may be to make them.
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
    description: Whether there shall be such a group. When it goes, its members stay, and lose what they had by it.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the group.
    type: str
    required: true
  description:
    description: Free text. Without this option it is left alone.
    type: str
  members:
    description:
      - Names of all accounts that shall be in the group; others leave it.
      - Without this option the members are left alone. An empty list is for a group without any.
    type: list
    elements: str
  grants:
    description:
      - All roles that members shall have by this group; others are taken from it.
      - Without this option the roles are left alone. An empty list is for a group without any.
    type: list
    elements: dict
    suboptions:
      role:
        description: What they are.
        type: str
        choices: [operator]
        default: operator
      pool:
        description: Name of the resource pool of which they are that, V(*) for all of them.
        type: str
        required: true
seealso:
  - module: rackyard.metal.user
  - module: rackyard.metal.resource_pool
"""

EXAMPLES = r"""
- name: Let two people operate the machines of a pool
  rackyard.metal.user_group:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: web-team
    members: [ann, ben]
    grants:
      - pool: web
  delegate_to: localhost

- name: Remove a group
  rackyard.metal.user_group:
    name: old-team
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
user_group:
  description: The group with its roles in words, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    name: web-team
    description: ""
    members: [ann, ben]
    grants: ["operator of web"]
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create user group web-team", "add ann, ben to user group web-team", "grant operator of web to user group web-team"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import rights
from ..module_utils.rackyard_core.client import RegionClient


def ensure(client: RegionClient, options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, decide, and act outside check mode."""
    wish = rights.GroupWish.from_options(options)
    view = rights.group_view(rights.find_group(client, wish.name))
    plan = rights.plan_absent(view, wish.name) if options["state"] == "absent" else rights.plan_present(view, wish)
    after = plan.after if check_mode else rights.group_view(rights.carry_out(client, wish.name, plan))
    return {**plan.result(), "user_group": dict(after)}


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            name={"type": "str", "required": True},
            description={"type": "str"},
            members={"type": "list", "elements": "str"},
            grants=region_module.GRANTS,
        ),
        supports_check_mode=True,
    )
    region_module.run(module, lambda client: ensure(client, module.params, module.check_mode))


if __name__ == "__main__":
    main()
