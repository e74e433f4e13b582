#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: file
short_description: Declare a file that the region keeps for an account
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Stores, replaces or removes a file of the account that O(api_key) belongs to. The region keeps it as it is and makes nothing of it.
  - Whoever knows the address that C(anon_resource_uri) of the result tells can read it without an account. Keep no secrets there.
  - Settings C(file_max_mib) and C(files_max_mib) say how large a file, and all of an account, may be.
extends_documentation_fragment:
  - rackyard.metal.attributes
  - rackyard.metal.attributes.region
  - rackyard.metal.region
attributes:
  check_mode:
    support: full
  diff_mode:
    support: partial
    details:
      - It shows the size and the hash of what is in a file, and no line of it.
  idempotent:
    support: full
options:
  state:
    description: Whether the account has such a file.
    type: str
    choices: [present, absent]
    default: present
  filename:
    description: Name of the file, of up to 255 letters, digits and C(. _ + @ = , -) characters. It begins with a letter or digit.
    type: str
    required: true
  content:
    description: The text that shall be in it. Either this or O(src) has to be given for O(state=present).
    type: str
  src:
    description: Path of a file, on the host that runs the module, that shall be in it, byte for byte.
    type: path
seealso:
  - module: rackyard.metal.resource_info
  - module: rackyard.metal.settings
"""

EXAMPLES = r"""
- name: Keep a text for whoever installs machines
  rackyard.metal.file:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    filename: motd.txt
    content: |
      Racks 1 to 4, hall east
  delegate_to: localhost
  register: kept

- name: Read it as a machine would, without an account
  ansible.builtin.uri:
    url: "http://region1.example.org:5240{{ kept.file.anon_resource_uri }}"
    return_content: true
  delegate_to: localhost

- name: Remove a file
  rackyard.metal.file:
    filename: old.bin
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
file:
  description: The file without what is in it, empty when it is absent. In check mode as it would be; a new one has no address yet.
  returned: success
  type: dict
  sample:
    filename: motd.txt
    sha256: 3f2f6d4e4f5f1f4ff5f0ae7a4ddb6ad0c13c9a0dbb8d25d0cb2e0d8a90ab3b4c
    size: 24
    anon_resource_uri: /MAAS/api/2.0/files/?op=get_by_key&key=R8v2kQpL0sXa7dTn4BhZ9eWm1JcYuGf3
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create file motd.txt"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import stored_files
from ..module_utils.rackyard_core.client import RegionClient


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            filename={"type": "str", "required": True},
            content={"type": "str"},
            src={"type": "path"},
        ),
        required_if=[("state", "present", ("content", "src"), True)],
        mutually_exclusive=[("content", "src")],
        supports_check_mode=True,
    )
    filename = module.params["filename"]

    def work(client: RegionClient) -> dict[str, Any]:
        content = stored_files.wished(module.params)
        plan = stored_files.plan_for(stored_files.view_of(stored_files.read(client, filename)), filename, content)
        after = dict(plan.after)
        if plan.changed and not module.check_mode:
            stored_files.carry_out(client, filename, plan)
            after = stored_files.view_of(stored_files.read(client, filename))
        return {**plan.result(), "file": after}

    region_module.run(module, work)


if __name__ == "__main__":
    main()
