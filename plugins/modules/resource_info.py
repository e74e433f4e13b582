#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: resource_info
short_description: Read anything that the region lists
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Reads fabrics, subnets, accounts, notifications and whatever else the region's API lists, as the API shows it.
  - M(rackyard.metal.machine_info) reads machines.
extends_documentation_fragment:
  - rackyard.metal.attributes
  - rackyard.metal.attributes.region
  - rackyard.metal.region
attributes:
  check_mode:
    support: full
    details:
      - This module does not modify state.
  diff_mode:
    support: N/A
    details:
      - This module does not modify state.
  idempotent:
    support: full
    details:
      - This module does not modify state.
options:
  resource:
    description:
      - What to read.
      - V(api_key), V(file) and V(ssh_key) are those of the account whose API key is used, V(notification) is what that account is told, or
        with C(all=true) in O(filters) what anybody is, for administrators.
      - V(dns_record) is a name with all it stands for, V(dns_resource_record) each record that is no address.
      - A V(block_device), an V(interface) and a V(script_result), which is what the scripts of a boot said, are read O(of) a machine, interfaces
        of a device too. With C(include_output=true) in O(filters), their words are there in base64.
      - V(subnet_address) is who has which address O(of) a subnet, V(subnet_free) and V(subnet_taken) are stretches of it that are to be had or
        not, and V(subnet_usage) is one object with numbers.
      - V(script) has the region's own scripts too; with C(include_script=true) in O(filters), their text is there in base64.
      - V(event) and V(audit_entry) are the newest ones; O(filters) with C(limit), C(before) and C(after) has others.
      - V(setting) is read by O(name).
    type: str
    required: true
    choices:
      - api_key
      - audit_entry
      - block_device
      - boot_resource
      - device
      - dhcp_snippet
      - dns_record
      - dns_resource_record
      - domain
      - event
      - fabric
      - file
      - interface
      - ip_address
      - ip_range
      - notification
      - package_repository
      - power_type
      - rack_controller
      - region_controller
      - resource_pool
      - script
      - script_result
      - setting
      - space
      - ssh_key
      - static_route
      - subnet
      - subnet_address
      - subnet_free
      - subnet_taken
      - subnet_usage
      - tag
      - user
      - user_group
      - vlan
      - zone
  of:
    description: Host name of the machine or device, or name or CIDR of the subnet, that has what is to be read.
    type: str
  name:
    description:
      - Only what is called so. That is the C(hostname) of controllers and devices and of the machine of an V(event), the C(fqdn) of a V(dns_record),
        the C(username), the C(filename), the C(ident) of a V(notification), the C(start_ip) of an V(ip_range),
        the C(ip) of an V(ip_address) and of a V(subnet_address), the C(start) of a V(subnet_free) and V(subnet_taken).
      - What is not there is no error, and the list is empty then.
      - An V(ssh_key), a V(static_route), a V(script_result) and a V(subnet_usage) have no name.
    type: str
  filters:
    description:
      - Parameters of the list in the region's API, such as C(level) of an V(event). C(openapi.json) of the region tells them all.
      - One that the region does not know is refused with the names of those that it knows. Most lists have none.
    type: dict
    default: {}
  fields:
    description: The only fields of each that are wanted, such as C(id). One that it does not have is an error. All of them by default.
    type: list
    elements: str
    default: []
seealso:
  - module: rackyard.metal.machine_info
"""

EXAMPLES = r"""
- name: Read all subnets
  rackyard.metal.resource_info:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    resource: subnet
    fields: [name, cidr]
  delegate_to: localhost
  register: networks

- name: Name the racks that are not there
  rackyard.metal.resource_info:
    resource: rack_controller
    fields: [hostname, alive]
  delegate_to: localhost
  register: racks
  failed_when: racks.resources | rejectattr('alive') | length > 0

- name: Read what went wrong with a machine last
  rackyard.metal.resource_info:
    resource: event
    name: web-01
    filters:
      level: ERROR
      limit: 5
  delegate_to: localhost

- name: Find room for ten addresses
  rackyard.metal.resource_info:
    resource: subnet_free
    of: boot
  delegate_to: localhost
  register: free
  failed_when: free.resources | selectattr('num_addresses', 'ge', 10) | length == 0

- name: Read what the scripts of a machine's boots said
  rackyard.metal.resource_info:
    resource: script_result
    of: web-01
    filters:
      include_output: true
  delegate_to: localhost

- name: See what a name stands for
  rackyard.metal.resource_info:
    resource: dns_record
    name: www.example.org
  delegate_to: localhost
"""

RETURN = r"""
resources:
  description: What there is, as the region's API shows it and in its order.
  returned: success
  type: list
  elements: dict
  sample:
    - name: boot
      cidr: 198.51.100.0/24
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import resources
from ..module_utils.rackyard_core.client import RegionClient


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            resource={"type": "str", "required": True, "choices": list(resources.RESOURCES)},
            of={"type": "str"},
            name={"type": "str"},
            filters={"type": "dict", "default": {}},
            fields={"type": "list", "elements": "str", "default": []},
        ),
        supports_check_mode=True,
    )

    def work(client: RegionClient) -> dict[str, Any]:
        wanted = (module.params[option] for option in ("resource", "of", "name", "filters", "fields"))
        return {"changed": False, "resources": resources.read(client, *wanted)}

    region_module.run(module, work)


if __name__ == "__main__":
    main()
