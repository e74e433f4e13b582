#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: device
short_description: Declare a host that others look after
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a device, which is a host that Rackyard does not commission, such as a switch, a PDU or a container.
  - The racks' DHCP servers know it as they know registered machines. In a domain that the regions serve, its name leads to the addresses that are leased to it.
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
    description: Whether there shall be such a device.
    type: str
    choices: [present, absent]
    default: present
  hostname:
    description: Its name without the domain. No machine and no other device has it.
    type: str
    required: true
  mac_addresses:
    description: MAC addresses of its interfaces, all that it shall have. Needed for a new device.
    type: list
    elements: str
  domain:
    description:
      - Its domain, which M(rackyard.metal.dns_domain) has declared. Without this option a new device is in the internal domain.
      - The internal domain holds the names of racks only. A device there has no name in DNS.
    type: str
  parent:
    description: Host name or system_id of the machine that it is part of, with which it goes. An empty text means none.
    type: str
  description:
    description: Free text.
    type: str
  zone:
    description: Name of its zone, V(default) for a new device if not given.
    type: str
  owner_data:
    description: All texts that shall be kept for the device's owner, by name; others are removed. A value that is no text is written as one.
    type: dict
  workload_annotations:
    description: All texts about what runs on the device, by name, as O(owner_data) otherwise.
    type: dict
seealso:
  - module: rackyard.metal.device_interface
  - module: rackyard.metal.dns_domain
  - module: rackyard.metal.machine
  - module: rackyard.metal.zone
"""

EXAMPLES = r"""
- name: Give a switch a name where DHCP puts it
  rackyard.metal.device:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    hostname: sw1
    domain: lab.example.org
    mac_addresses: ["00:00:5e:00:53:01"]
    description: top of rack 4
    owner_data:
      asset: "4711"
  delegate_to: localhost

- name: Declare a container of a machine
  rackyard.metal.device:
    hostname: web-01-lxd-0
    mac_addresses: ["00:00:5e:00:53:02"]
    parent: web-01
  delegate_to: localhost

- name: Forget a device
  rackyard.metal.device:
    hostname: old
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
device:
  description: The device with the system_id of its parent, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    hostname: sw1
    domain: lab.example.org
    mac_addresses: ["00:00:5e:00:53:01"]
    parent: ""
    description: top of rack 4
    zone: default
    owner_data: {asset: "4711"}
    workload_annotations: {}
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create device sw1"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import devices
from ..module_utils.rackyard_core.client import RegionClient


def ensure(client: RegionClient, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, decide, and act outside check mode."""
    wish = devices.DeviceWish.from_options(options)
    row = devices.read(client, wish.hostname)
    view = devices.view_of(row)
    if options["state"] == "absent":
        plan = devices.plan_absent(view, wish.hostname)
    else:
        plan = devices.plan_present(view, wish, devices.resolved(client, wish, is_new=not view))
    after = dict(plan.after)
    if plan.changed and not check_mode:
        devices.carry_out(client, row, plan)
        after = devices.view_of(devices.read(client, wish.hostname))
    return {**plan.result(), "device": after}


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            hostname={"type": "str", "required": True},
            mac_addresses={"type": "list", "elements": "str"},
            domain={"type": "str"},
            parent={"type": "str"},
            description={"type": "str"},
            zone={"type": "str"},
            owner_data={"type": "dict"},
            workload_annotations={"type": "dict"},
        ),
        supports_check_mode=True,
    )
    region_module.run(module, lambda client: ensure(client, module.params, module.check_mode))


if __name__ == "__main__":
    main()
