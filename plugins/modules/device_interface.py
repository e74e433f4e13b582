#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: device_interface
short_description: Declare a network interface of a device with its addresses
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Corrects, creates or removes a network interface of a device, and links it to subnets.
  - Racks keep an address of a link for the interface at once. The device has it from DHCP when it asks the next time (IPv4).
  - Option O(rackyard.metal.device#module:mac_addresses) of M(rackyard.metal.device) is all that the device has. Leave it out, or name those
    that this module declares there too.
extends_documentation_fragment:
  - rackyard.metal.attributes
  - rackyard.metal.attributes.region
  - rackyard.metal.interface
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
    description: Whether there shall be such an interface. The last one of a device stays.
    type: str
    choices: [present, absent]
    default: present
  device:
    description: Host name of the device.
    type: str
    required: true
  name:
    description: Name of the interface. With O(mac_address), the interface gets this name; without, it is found by it.
    type: str
  mac_address:
    description: Its MAC address. One that the device does not have yet is created.
    type: str
  vlan:
    description: The VLAN that it is in, as FABRIC/VID. In another VLAN its links are gone.
    type: str
seealso:
  - module: rackyard.metal.device
  - module: rackyard.metal.machine_interface
  - module: rackyard.metal.subnet
"""

EXAMPLES = r"""
- name: Give a switch an address of its own
  rackyard.metal.device_interface:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    device: sw1
    mac_address: 00:00:5e:00:53:01
    name: mgmt0
    links:
      - mode: static
        subnet: boot
        ip_address: 198.51.100.60
  delegate_to: localhost

- name: Take its second interface away
  rackyard.metal.device_interface:
    device: sw1
    name: mgmt1
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
interface:
  description: The interface, empty when it is absent. In check mode as it would be; the region chooses addresses that are not given.
  returned: success
  type: dict
  sample:
    name: mgmt0
    mac_address: 00:00:5e:00:53:01
    vlan: lab/0
    tags: []
    links:
      - mode: static
        subnet: boot
        ip_address: 198.51.100.60
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["link interface mgmt0 of sw1 (static 198.51.100.60 in boot)"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import machine_interfaces


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            device={"type": "str", "required": True},
            name={"type": "str"},
            mac_address={"type": "str"},
            vlan={"type": "str"},
            tags={"type": "list", "elements": "str"},
            links={"type": "list", "elements": "dict", "options": region_module.LINK},
        ),
        required_one_of=[("name", "mac_address")],
        supports_check_mode=True,
    )
    region_module.run(
        module,
        lambda client: machine_interfaces.ensure(client, machine_interfaces.DEVICE, module.params, module.check_mode),
    )


if __name__ == "__main__":
    main()
