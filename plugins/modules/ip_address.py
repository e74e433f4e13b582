#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ip_address
short_description: Declare an address that nobody else gets
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Reserves an address for the account that O(api_key) belongs to, changes what leads to it, or releases it. Every account may do so.
  - No machine or device gets such an address, and no range may take it. It is for what the region does not know otherwise, such as
    the virtual address of a load balancer.
  - It is found by O(ip), or by O(hostname) in O(subnet). Without O(ip), a new one is the lowest free address of O(subnet).
  - Nobody changes the addresses of others with it.
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
    description: Whether the address is reserved.
    type: str
    choices: [present, absent]
    default: present
  ip:
    description: The address. Needed, unless O(subnet) and O(hostname) say which.
    type: str
  subnet:
    description: Name or CIDR of the subnet that the address is in. With O(ip) the region finds it.
    type: str
  hostname:
    description:
      - Name that leads to the address, and back; with its domain (C(vip.example.org)) or without. An empty text takes it away.
      - Several addresses of an account may have the same name, one of IPv4 and one of IPv6 for example.
    type: str
  domain:
    description: Domain of O(hostname). A new name is in the default domain if none is given.
    type: str
  mac:
    description:
      - MAC to which DHCP gives the address (IPv4). An empty text takes it away.
      - That of a machine or device is refused; M(rackyard.metal.machine_interface) keeps addresses for these.
    type: str
seealso:
  - module: rackyard.metal.ip_range
  - module: rackyard.metal.machine_interface
  - module: rackyard.metal.dns_record
"""

EXAMPLES = r"""
- name: Reserve any address for a load balancer, and have its name lead there
  rackyard.metal.ip_address:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ ann_api_key }}"
    subnet: boot
    hostname: vip.example.org
  delegate_to: localhost
  register: vip

- name: Have DHCP give a printer its address
  rackyard.metal.ip_address:
    ip: 198.51.100.20
    hostname: printer
    mac: 00:00:5e:00:53:01
  delegate_to: localhost

- name: Release the load balancer's address, whichever it is
  rackyard.metal.ip_address:
    subnet: boot
    hostname: vip.example.org
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
ip_address:
  description: The address as the region's API shows it, with the name of its subnet; empty when it is released. In check mode a new one
    that the region chooses has no C(ip) yet.
  returned: success
  type: dict
  sample:
    ip: 198.51.100.10
    subnet: boot
    hostname: vip
    domain: example.org
    mac: ""
    alloc_type_name: User reserved
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create reserved address for vip in boot"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 409
"""

from ..module_utils import region_module
from ..module_utils.rackyard_core import network_kinds


def main() -> None:
    region_module.declare(
        "ip_address",
        network_kinds.ip_address_kind,
        ip={"type": "str"},
        subnet={"type": "str"},
        hostname={"type": "str"},
        domain={"type": "str"},
        mac={"type": "str"},
    )


if __name__ == "__main__":
    main()
