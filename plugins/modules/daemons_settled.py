#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Rackyard contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of daemons_settled; its action plugin does it, and sends the host nothing but a question."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: daemons_settled
short_description: Say whether roles of daemons would find nothing to do
version_added: "0.1.0"
author: Rackyard contributors (@rackyard)
description:
  - Looks at all files, units and packages of several roles of this collection in one step, and runs what proves that their daemons work
    (C(daemon_proofs) of role C(daemon)).
  - Where everything is as wanted, a playbook leaves the roles out, which would each look by themselves. Where anything is not, or cannot be
    told, it runs them.
  - A role's checks of its input are left out with it. Input that gives the files which are in place was checked when they were written.
options:
  roles:
    description: Names of roles of this collection that import role C(daemon). Their variables are those of the host, as when the role runs.
    type: list
    elements: str
    required: true
notes:
  - Packages are compared with what role C(daemon) has found on the host in this run. When it has not looked yet, nothing is settled.
  - It needs pipelining. Without, nothing is settled.
  - Variables that a playbook gives to a role only are not known here.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode. In check mode no proof is run, as in the roles.
  diff_mode:
    support: none
  platform:
    platforms: debian
"""

EXAMPLES = r"""
- name: Look whether there is anything to do
  rackyard.metal.daemons_settled:
    roles: [dns, ntp]
  register: daemons

- name: Run the name server
  ansible.builtin.include_role:
    name: rackyard.metal.dns
  when: not daemons.settled
"""

RETURN = r"""
settled:
  description: Whether each of the roles would change nothing and find its daemon working.
  type: bool
  returned: success
  sample: true
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={"roles": {"type": "list", "elements": "str", "required": True}}, supports_check_mode=True
    )
    module.fail_json(
        msg="daemons_settled is done by its action plugin, which knows the roles; use it as a task of a playbook"
    )


if __name__ == "__main__":
    main()
