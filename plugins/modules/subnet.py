#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: subnet
short_description: Declare a subnet with its fabric, VLAN, DHCP and ranges
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a subnet and its IP ranges. The fabric and the VLAN that it lies in are created when they are missing.
  - Racks follow within a second; nothing has to be restarted.
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
    description: Whether there shall be such a subnet. Removing it removes its ranges, but neither the fabric nor the VLAN.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the subnet. A subnet that has O(cidr) under another name is renamed.
    type: str
    required: true
  cidr:
    description: The network, for example V(198.51.100.0/24) or V(2001:db8::/64). Needed for O(state=present).
    type: str
  fabric:
    description: Name of the fabric. Needed for O(state=present).
    type: str
  vid:
    description: Number of the VLAN in the fabric, V(0) for the untagged one.
    type: int
    default: 0
  vlan_name:
    description: Name of the VLAN, for people.
    type: str
  mtu:
    description: MTU of the VLAN in bytes.
    type: int
  dhcp_on:
    description: Whether racks answer DHCP on the VLAN. It needs O(primary_rack) and a range of type V(dynamic).
    type: bool
  primary_rack:
    description: Host name of the rack that serves DHCP on the VLAN.
    type: str
  secondary_rack:
    description:
      - Host name of a second rack that serves DHCP on the VLAN, an empty string for none. Both answer, and each goes on when the other dies.
    type: str
  relay_vlan:
    description:
      - VLAN whose racks serve this one, because a router relays its DHCP requests to them. V(FABRIC/VID), or V(VID) for one of the same fabric; an
        empty string for none.
      - DHCP is on there and not here, and each subnet here has a O(gateway_ip) by which machines reach the racks.
    type: str
  space:
    description: Name of the space of the VLAN, which M(rackyard.metal.space) declares; an empty string for none.
    type: str
  gateway_ip:
    description: Address of the router that machines use, an empty string for none.
    type: str
  dns_servers:
    description:
      - DNS servers that machines are told of besides their rack, which comes first because it resolves the internal domain.
    type: list
    elements: str
  allow_dns:
    description: Whether the racks resolve names for this subnet.
    type: bool
  allow_proxy:
    description: Whether the racks' HTTP proxy serves this subnet.
    type: bool
  router_advertisements:
    description:
      - Whether the racks in a subnet of IPv6 send router advertisements, because no router there says that addresses come by DHCP. They name no router.
    type: bool
  managed:
    description: Whether the region hands out addresses in this subnet.
    type: bool
  enlistment:
    description:
      - What becomes of a machine that nobody has registered and that boots from the network here. V(off) is nothing. With V(new) it describes itself and
        waits as V(New) until somebody accepts it (M(rackyard.metal.machine_enlistment)).
      - With V(commission) it is commissioned as soon as it has a power type.
    type: str
    choices: ["off", new, commission]
  description:
    description: Free text.
    type: str
  ranges:
    description:
      - All IP ranges of the subnet; others are removed.
      - Without this option the ranges are left alone.
    type: list
    elements: dict
    suboptions:
      type:
        description: V(dynamic) ranges are for DHCP, V(reserved) ones are never given to anybody.
        type: str
        choices: [dynamic, reserved]
        required: true
      start_ip:
        description: First address.
        type: str
        required: true
      end_ip:
        description: Last address.
        type: str
        required: true
      comment:
        description: Free text.
        type: str
        default: ""
"""

EXAMPLES = r"""
- name: Let rack1 boot machines on a network
  rackyard.metal.subnet:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: boot
    cidr: 198.51.100.0/24
    fabric: dc1
    dhcp_on: true
    primary_rack: rack1
    ranges:
      - type: dynamic
        start_ip: 198.51.100.100
        end_ip: 198.51.100.199
  delegate_to: localhost

- name: Let the same rack serve a network behind a router, which relays DHCP to it
  rackyard.metal.subnet:
    name: far
    cidr: 203.0.113.0/24
    fabric: dc1
    vid: 20
    relay_vlan: dc1/0
    gateway_ip: 203.0.113.1
    ranges:
      - type: dynamic
        start_ip: 203.0.113.100
        end_ip: 203.0.113.199
  delegate_to: localhost

- name: Remove a subnet
  rackyard.metal.subnet:
    name: old
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
subnet:
  description: The subnet with its VLAN's settings and its ranges, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    name: boot
    cidr: 198.51.100.0/24
    fabric: dc1
    vid: 0
    dhcp_on: true
    primary_rack: rack1
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create fabric dc1", "create subnet boot"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import subnets
from ..module_utils.rackyard_core.client import RegionClient
from ..module_utils.rackyard_core.network import NetworkView, carry_out, check_space


def ensure(client: RegionClient, options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, decide, and act outside check mode."""
    view = NetworkView.read(client)
    name = options["name"]
    if options["state"] == "absent":
        row = view.find(name, None)
        current = view.subnet(row)
        wish = subnets.SubnetWish(name, current.get("cidr", ""), current.get("fabric", ""), current.get("vid", 0))
        plan = subnets.plan_absent(current, name)
    else:
        wish = subnets.SubnetWish.from_options(options)
        row = view.find(name, wish.cidr)
        view.check(wish, row)
        plan = subnets.plan_present(view.subnet(row), view.place(wish), wish)
        if not check_mode:
            view.check_relay(wish)
            check_space(client, wish)
    after = dict(plan.after)
    if plan.changed and not check_mode:
        carry_out(client, view, row, wish, plan)
        view = NetworkView.read(client)
        after = subnets.shown(view.subnet(view.find(name, None)))
    return {**plan.result(), "subnet": after}


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            name={"type": "str", "required": True},
            cidr={"type": "str"},
            fabric={"type": "str"},
            vid={"type": "int", "default": 0},
            vlan_name={"type": "str"},
            mtu={"type": "int"},
            dhcp_on={"type": "bool"},
            primary_rack={"type": "str"},
            secondary_rack={"type": "str"},
            relay_vlan={"type": "str"},
            space={"type": "str"},
            gateway_ip={"type": "str"},
            dns_servers={"type": "list", "elements": "str"},
            allow_dns={"type": "bool"},
            allow_proxy={"type": "bool"},
            router_advertisements={"type": "bool"},
            managed={"type": "bool"},
            enlistment={"type": "str", "choices": ["off", "new", "commission"]},
            description={"type": "str"},
            ranges={
                "type": "list",
                "elements": "dict",
                "options": {
                    "type": {"type": "str", "choices": list(subnets.RANGE_TYPES), "required": True},
                    "start_ip": {"type": "str", "required": True},
                    "end_ip": {"type": "str", "required": True},
                    "comment": {"type": "str", "default": ""},
                },
            },
        ),
        required_if=[("state", "present", ("cidr", "fabric"))],
        supports_check_mode=True,
    )
    region_module.run(module, lambda client: ensure(client, module.params, module.check_mode))


if __name__ == "__main__":
    main()
