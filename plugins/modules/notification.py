#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: notification
short_description: Declare a notification to people
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes what people who use the site are told, which C(notifications/) of the API lists for them.
  - Whoever had dismissed it sees it again when it changes, and only then.
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
    description: Whether there shall be such a notification.
    type: str
    choices: [present, absent]
    default: present
  ident:
    description: What it is found again by, up to 40 characters, which are letters, digits, dots, colons, C(_) and C(-).
    type: str
    required: true
  content:
    description:
      - What it says, the C(message) of the API. Needed for a new one. Names in braces stand for what O(context) says; C({{) and C(}}) are braces.
      - In a template, write C({{ '{name}' }}), because Ansible has braces for its own.
    type: str
  context:
    description: Texts and numbers by the names that O(content) has in braces.
    type: dict
  category:
    description: How much it matters. V(info) if not given for a new one.
    type: str
    choices: [error, warning, success, info]
  user:
    description: Name of the account that it is for, an empty string for none.
    type: str
  users:
    description: Whether it is for all who are no administrators. A new one needs O(user), O(users) or O(admins).
    type: bool
  admins:
    description: Whether it is for all administrators.
    type: bool
  dismissable:
    description: Whether people can dismiss it. V(true) if not given for a new one.
    type: bool
"""

EXAMPLES = r"""
- name: Tell everybody when the site is away
  rackyard.metal.notification:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    ident: maintenance
    content: On Saturday from 8 to 10 no machine can be commissioned
    category: warning
    users: true
    admins: true
  delegate_to: localhost

- name: It is over
  rackyard.metal.notification:
    ident: maintenance
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
notification:
  description: The notification as the region shows it, its message as C(content), its user by name, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    id: 1
    ident: maintenance
    content: On Saturday from 8 to 10 no machine can be commissioned
    category: warning
    users: true
    admins: true
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create notification maintenance"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from ..module_utils import region_module
from ..module_utils.rackyard_core import kinds


def main() -> None:
    region_module.declare(
        "notification",
        lambda client: kinds.NOTIFICATION,
        ident={"type": "str", "required": True},
        content={"type": "str"},
        context={"type": "dict"},
        category={"type": "str", "choices": ["error", "warning", "success", "info"]},
        user={"type": "str"},
        users={"type": "bool"},
        admins={"type": "bool"},
        dismissable={"type": "bool"},
    )


if __name__ == "__main__":
    main()
