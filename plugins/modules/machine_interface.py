#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_interface
short_description: Declare a network interface of a machine with its addresses
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Corrects, creates or removes a network interface of a machine, and links it to subnets.
  - Racks keep an address of a link for the interface at once. The machine has it from DHCP when it asks the next time (IPv4).
  - The region takes changes while the machine is New, Ready, Failed testing, Allocated or Broken.
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
    description: Whether there shall be such an interface. One that the machine still has is found again by the next commissioning.
    type: str
    choices: [present, absent]
    default: present
  machine:
    description: Host name of the machine.
    type: str
    required: true
  name:
    description:
      - Name of the interface. It stays when the machine is commissioned again.
      - With O(mac_address), the interface gets this name; without, it is found by it.
    type: str
  mac_address:
    description: Its MAC address. One that the machine does not have yet is created, as a physical interface.
    type: str
  vlan:
    description: The VLAN that it is in, as FABRIC/VID. In another VLAN its links are gone.
    type: str
  mtu:
    description: Its MTU, from 552 to 65535, or V(0) for that of its VLAN.
    type: int
  enabled:
    description: Whether it is used. Of one that is not, no address is kept.
    type: bool
  tags:
    description: All tags that it shall have; others are taken from it.
    type: list
    elements: str
  links:
    description: All links that it shall have; others are removed. Without this option they stay as they are.
    type: list
    elements: dict
    suboptions:
      mode:
        description:
          - V(static) is O(links[].ip_address), or the lowest free address of the subnet when there is none.
          - V(auto) is the lowest free address of the subnet.
          - V(dhcp) is any address that it leases, V(link_up) none at all.
        type: str
        required: true
        choices: [auto, static, dhcp, link_up]
      subnet:
        description: Name or CIDR of the subnet, needed for V(auto) and V(static).
        type: str
      ip_address:
        description: Its address, outside of all ranges of the subnet.
        type: str
      default_gateway:
        description: Whether the default route of the machine is the gateway of this subnet.
        type: bool
        default: false
seealso:
  - module: rackyard.metal.machine
  - module: rackyard.metal.subnet
"""

EXAMPLES = r"""
- name: Give a machine an address of its own
  rackyard.metal.machine_interface:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    machine: web-01
    mac_address: 00:00:5e:00:53:01
    name: front0
    links:
      - mode: static
        subnet: boot
        ip_address: 198.51.100.50
        default_gateway: true
  delegate_to: localhost

- name: Let the region choose
  rackyard.metal.machine_interface:
    machine: web-02
    name: eth0
    tags: [fast]
    links:
      - mode: auto
        subnet: 198.51.100.0/24
  delegate_to: localhost
"""

RETURN = r"""
interface:
  description: The interface, empty when it is absent. In check mode as it would be; the region chooses addresses that are not given.
  returned: success
  type: dict
  sample:
    name: front0
    mac_address: 00:00:5e:00:53:01
    vlan: lab/0
    mtu: 0
    enabled: true
    tags: []
    links:
      - mode: static
        subnet: boot
        ip_address: 198.51.100.50
        default_gateway: true
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["link interface front0 of web-01 (static 198.51.100.50 in boot)"]
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
from ..module_utils.rackyard_core import machine_interfaces
from ..module_utils.rackyard_core.client import RegionClient


def ensure(client: RegionClient, options: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, decide, and act outside check mode."""
    wish = machine_interfaces.InterfaceWish.from_options(options)
    view = machine_interfaces.InterfaceView.read(client, wish)
    if options["state"] == "absent":
        plan = machine_interfaces.plan_absent(view, wish)
    else:
        view.check(wish, check_mode)
        plan = machine_interfaces.plan_present(view, wish)
    after = dict(plan.after)
    if plan.changed and not check_mode:
        machine_interfaces.carry_out(client, view, plan)
        after = machine_interfaces.InterfaceView.read(client, wish).shown()
    return {**plan.result(), "interface": after}


def main() -> None:
    link = {
        "mode": {"type": "str", "required": True, "choices": ["auto", "static", "dhcp", "link_up"]},
        "subnet": {"type": "str"},
        "ip_address": {"type": "str"},
        "default_gateway": {"type": "bool", "default": False},
    }
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            machine={"type": "str", "required": True},
            name={"type": "str"},
            mac_address={"type": "str"},
            vlan={"type": "str"},
            mtu={"type": "int"},
            enabled={"type": "bool"},
            tags={"type": "list", "elements": "str"},
            links={"type": "list", "elements": "dict", "options": link},
        ),
        required_one_of=[("name", "mac_address")],
        supports_check_mode=True,
    )
    region_module.run(module, lambda client: ensure(client, module.params, module.check_mode))


if __name__ == "__main__":
    main()
