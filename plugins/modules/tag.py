#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tag
short_description: Declare a tag with the machines that have it
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a tag, and gives it to machines or takes it from them.
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
    description: Whether there shall be such a tag. Removing it takes it from all machines.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the tag, of letters, digits, hyphens and underscores.
    type: str
    required: true
  comment:
    description: Free text.
    type: str
  kernel_opts:
    description:
      - Words for the kernel line of the ephemeral system, for the machines that have the tag. They come after those of the setting C(kernel_options).
      - A machine with several tags has those of all of them, in the order of the tags' names.
    type: str
  definition:
    description:
      - XPath 1.0 expression over what C(lshw -xml) says of a machine when it is commissioned. Machines that it describes have the tag, soon after
        it is declared and from then on; others lose it.
      - An empty one leaves the tag where it is, to be given by hand.
      - Without this option the tag keeps the definition that it has. It cannot be given together with O(machines), unless it is empty.
    type: str
  machines:
    description:
      - Host names or system_ids of all machines that shall have the tag; others lose it, unless O(purge=false).
      - Without this option the tag stays where it is. An empty list takes it from all machines.
      - The region refuses to give a tag that has a definition.
    type: list
    elements: str
  purge:
    description: Whether machines that O(machines) does not name lose the tag. With V(false) the named ones get it and nobody loses it.
    type: bool
    default: true
seealso:
  - module: rackyard.metal.machine
"""

EXAMPLES = r"""
- name: Mark the machines with an accelerator
  rackyard.metal.tag:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: gpu
    comment: has an accelerator
    kernel_opts: iommu=pt
    machines: [web-01, web-02]
  delegate_to: localhost

- name: Mark the machines with an NVIDIA accelerator, whichever these are
  rackyard.metal.tag:
    name: nvidia
    definition: //node[@class='display']/vendor[contains(., 'NVIDIA')]
  delegate_to: localhost

- name: Mark one machine more
  rackyard.metal.tag:
    name: gpu
    machines: [web-03]
    purge: false
  delegate_to: localhost

- name: Forget a tag
  rackyard.metal.tag:
    name: old
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
tag:
  description:
    - The tag with the host names of its machines, empty when it is absent. In check mode as it would be.
    - Machines that a definition describes get the tag within seconds, so that they may be missing when it is new.
    - C(definition_fault) says why the definition is not evaluated any more, for example because it takes too long; empty when all is well.
  returned: success
  type: dict
  sample:
    name: gpu
    comment: has an accelerator
    definition: ""
    definition_fault: ""
    kernel_opts: iommu=pt
    machines: [web-01, web-02]
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create tag gpu", "give tag gpu to web-01, web-02"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 404
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import tags
from ..module_utils.rackyard_core.client import RegionClient


def ensure(client: RegionClient, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Decide, then act unless in check mode."""
    wish = tags.TagWish.from_options(options)
    view = tags.observe(client, wish.name)
    if options["state"] == "absent":
        plan = tags.plan_absent(view, wish.name)
    else:
        wished = None if wish.machines is None else tags.find_members(client, wish.machines)
        plan = tags.plan_present(view, wish, wished, purge=options["purge"])
    after = dict(plan.after)
    if plan.changed and not check_mode:
        tags.carry_out(client, wish.name, plan)
        after = tags.observe(client, wish.name).shown()
    return {**plan.result(), "tag": after}


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            name={"type": "str", "required": True},
            comment={"type": "str"},
            definition={"type": "str"},
            kernel_opts={"type": "str"},
            machines={"type": "list", "elements": "str"},
            purge={"type": "bool", "default": True},
        ),
        supports_check_mode=True,
    )
    region_module.run(module, lambda client: ensure(client, module.params, module.check_mode))


if __name__ == "__main__":
    main()
