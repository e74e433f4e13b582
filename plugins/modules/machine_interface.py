#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_interface
short_description: Declare a network interface, bond, bridge or VLAN of a machine with its addresses
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Corrects, creates or removes a network interface of a machine, and links it to subnets. It is a NIC, or a bond, bridge or VLAN made of others.
  - Racks keep an address of a link for the interface at once. The machine has it from DHCP when it asks the next time (IPv4).
  - The region takes changes while the machine is New, Ready, Failed testing, Allocated or Broken.
extends_documentation_fragment:
  - rackyard.metal.attributes
  - rackyard.metal.attributes.region
  - rackyard.metal.interface.of_machine
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
    description:
      - Whether there shall be such an interface. A NIC that the machine still has is found again by the next commissioning.
      - What others are made of is removed after those.
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
    description:
      - Its MAC address. One that the machine does not have yet is created, as a physical interface.
      - A bond or bridge has that of its first parent if this is not given, a VLAN always.
    type: str
  type:
    description:
      - What it is. Another type than the one that is there is refused.
      - V(bond), V(bridge) and V(vlan) are found by their O(name), and a new one needs its O(parents).
      - V(physical) is what a new one is if this is not given.
    type: str
    choices: [physical, bond, bridge, vlan]
  parents:
    description:
      - Names of the interfaces that it is made of, one for a bridge or VLAN. They stay; to change them, remove it and declare it anew.
      - What becomes part of a bond or bridge loses its own links.
    type: list
    elements: str
  vlan:
    description:
      - The VLAN that it is in, as FABRIC/VID. In another VLAN its links are gone.
      - Needed for a new one of O(type=vlan), which is that VLAN. A bond or bridge is in that of its parents, and takes them along when it moves.
    type: str
  bond_mode:
    description: How a bond uses its NICs. V(active-backup) if not given for a new one.
    type: str
    choices: [balance-rr, active-backup, balance-xor, broadcast, 802.3ad, balance-tlb, balance-alb]
  bond_miimon:
    description: Milliseconds between two looks at the links of a bond. 100 if not given for a new one.
    type: int
  bond_downdelay:
    description: Milliseconds after which a lost link counts. 0 if not given for a new one.
    type: int
  bond_updelay:
    description: Milliseconds after which a link that has come counts. 0 if not given for a new one.
    type: int
  bond_lacp_rate:
    description: How often LACP frames are asked for, with mode V(802.3ad). V(fast), each second, if not given for a new one.
    type: str
    choices: [fast, slow]
  bond_xmit_hash_policy:
    description: By what a bond chooses the NIC for a frame, in modes that balance. V(layer2) if not given for a new one.
    type: str
    choices: [layer2, layer2+3, layer3+4, encap2+3, encap3+4]
  bond_num_grat_arp:
    description: How many gratuitous ARPs follow a change of the active NIC, up to 255. 1 if not given for a new one.
    type: int
  bridge_type:
    description: Whether the bridge is one of Linux or of Open vSwitch. V(standard) if not given for a new one.
    type: str
    choices: [standard, ovs]
  bridge_stp:
    description: Whether the bridge speaks the spanning tree protocol. V(false) if not given for a new one.
    type: bool
  bridge_fd:
    description: Forward delay of the bridge in seconds, up to 255. 15 if not given for a new one.
    type: int
  mtu:
    description: Its MTU, from 552 to 65535, or V(0) for that of its VLAN.
    type: int
  enabled:
    description: Whether it is used. Of one that is not, no address is kept.
    type: bool
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

- name: Join two NICs
  rackyard.metal.machine_interface:
    machine: web-01
    name: bond0
    type: bond
    parents: [eth0, eth1]
    bond_mode: 802.3ad
    bond_xmit_hash_policy: layer3+4
    links:
      - mode: auto
        subnet: boot
        default_gateway: true
  delegate_to: localhost

- name: Give the bond a tagged VLAN
  rackyard.metal.machine_interface:
    machine: web-01
    name: bond0.30
    type: vlan
    parents: [bond0]
    vlan: lab/30
    links:
      - mode: static
        subnet: storage
        ip_address: 203.0.113.10
  delegate_to: localhost
"""

RETURN = r"""
interface:
  description: The interface, empty when it is absent. In check mode as it would be; the region chooses addresses that are not given.
  returned: success
  type: dict
  sample:
    name: front0
    type: physical
    parents: []
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

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import interface_types, machine_interfaces


def main() -> None:
    link = region_module.LINK | {"default_gateway": {"type": "bool", "default": False}}
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            machine={"type": "str", "required": True},
            name={"type": "str"},
            mac_address={"type": "str"},
            type={"type": "str", "choices": list(interface_types.TYPES)},
            parents={"type": "list", "elements": "str"},
            vlan={"type": "str"},
            mtu={"type": "int"},
            enabled={"type": "bool"},
            tags={"type": "list", "elements": "str"},
            links={"type": "list", "elements": "dict", "options": link},
            bond_mode={"type": "str", "choices": list(interface_types.BOND_MODES)},
            bond_miimon={"type": "int"},
            bond_downdelay={"type": "int"},
            bond_updelay={"type": "int"},
            bond_lacp_rate={"type": "str", "choices": ["fast", "slow"]},
            bond_xmit_hash_policy={"type": "str", "choices": list(interface_types.HASHES)},
            bond_num_grat_arp={"type": "int"},
            bridge_type={"type": "str", "choices": ["standard", "ovs"]},
            bridge_stp={"type": "bool"},
            bridge_fd={"type": "int"},
        ),
        required_one_of=[("name", "mac_address")],
        supports_check_mode=True,
    )
    region_module.run(
        module,
        lambda client: machine_interfaces.ensure(client, machine_interfaces.MACHINE, module.params, module.check_mode),
    )


if __name__ == "__main__":
    main()
