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
  - With O(source), the region fetches all keys that somebody publishes. Check mode does not ask it to; it foretells a change only where none
    was imported from there yet.
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
    description: Public key, the one line of a C(.pub) file. Either this or O(source) has to be given.
    type: str
  source:
    description:
      - Where the keys are published, C(gh:NAME) for GitHub or C(lp:NAME) for Launchpad. The region has to reach it, or the server of the site
        that is named in its place (C(region_service_github_url), C(region_service_launchpad_url)).
      - Keys that the account has stay as they are. One that is published no more is not removed.
      - With O(state=absent), all keys that were imported from there are removed.
    type: str
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

- name: Add all keys that ann has at GitHub
  rackyard.metal.ssh_key:
    source: gh:ann
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
  returned: with O(key)
  type: dict
  sample:
    id: 3
    key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMo+9BHWzjF8JkD2crhjL3OxxtO+V1aaQQGGjqyamTs8 ann@laptop
    keysource: ""
    resource_uri: /MAAS/api/2.0/account/prefs/sshkeys/3/
ssh_keys:
  description: The account's keys that O(source) publishes, in check mode those that were imported before; none when they are absent.
  returned: with O(source)
  type: list
  elements: dict
  sample:
    - id: 4
      key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMo+9BHWzjF8JkD2crhjL3OxxtO+V1aaQQGGjqyamTs8
      keysource: gh:ann
      resource_uri: /MAAS/api/2.0/account/prefs/sshkeys/4/
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


def ensure_key(client: RegionClient, text: str, state: str, check_mode: bool) -> dict[str, Any]:
    """One key, by its line."""
    wanted = ssh_keys.PublicKey.parse(text)
    current = ssh_keys.find_key(client.get(ssh_keys.PATH), wanted)
    plan = ssh_keys.plan_for(current, wanted, state)
    if not check_mode:
        after = ssh_keys.carry_out(client, current, plan)
    else:
        after = {**(current or {"keysource": ""}), **plan.after} if plan.after else None
    return {**plan.result(), "ssh_key": after or {}}


def ensure_source(client: RegionClient, source: str, state: str, check_mode: bool) -> dict[str, Any]:
    """All keys of a source."""
    known = client.get(ssh_keys.PATH)
    plan, keys = ssh_keys.plan_for_source(known, source, state), ssh_keys.of_source(known, source)
    if state == "absent":
        keys = []
    if not check_mode and state == "absent":
        ssh_keys.carry_out(client, None, plan)
    elif not check_mode:
        plan, keys = ssh_keys.import_from(client, known, source)
    return {**plan.result(), "ssh_keys": keys}


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            key={"type": "str", "no_log": False},
            source={"type": "str"},
        ),
        mutually_exclusive=[("key", "source")],
        required_one_of=[("key", "source")],
        supports_check_mode=True,
    )
    key, source, state = (module.params[name] for name in ("key", "source", "state"))

    def work(client: RegionClient) -> dict[str, Any]:
        if source is not None:
            return ensure_source(client, source, state, module.check_mode)
        return ensure_key(client, key, state, module.check_mode)

    region_module.run(module, work)


if __name__ == "__main__":
    main()
