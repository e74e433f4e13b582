#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dhcp_snippet
short_description: Declare lines of your own in the racks' DHCP configuration
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a DHCP snippet, which is lines of C(dhcpd.conf) for everything, a subnet, an IP range or a machine.
  - Before the region keeps it, the dhcpd of a rack judges the whole configuration with it. What dhcpd would not take is refused
    with its own words, and so is everything while no rack is alive.
  - In check mode dhcpd is not asked.
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
    description: Whether there shall be such a snippet.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the snippet, which stands in a comment before its lines.
    type: str
    required: true
  value:
    description:
      - The lines. Needed for a new snippet. Braces must be balanced.
      - What would take from a rack what is its own is refused, such as C(include), C(execute), C(log), C(on commit), C(failover) and C(omapi-port).
    type: str
  description:
    description: Free text. Without this option it is left alone.
    type: str
  enabled:
    description: Whether racks use it. V(true) if not given for a new one. One that is switched off is judged all the same when its lines change.
    type: bool
  node:
    description: Host name of the machine that it is for. dhcpd knows it by the MAC addresses of its network cards, in IPv4 alone.
    type: str
  subnet:
    description: Name or CIDR of the subnet that it is for.
    type: str
  ip_range:
    description: First address of the dynamic IP range that it is for.
    type: str
  global_snippet:
    description:
      - Set to V(true) to have it for everything, in IPv4 and in IPv6.
      - Without this option, O(node), O(subnet) and O(ip_range), a new snippet is for everything, and what an existing one is for is left alone.
    type: bool
"""

EXAMPLES = r"""
- name: Tell machines of a subnet where to log
  rackyard.metal.dhcp_snippet:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: log servers
    subnet: boot
    value: |
      option log-servers 198.51.100.14;
  delegate_to: localhost

- name: Let one machine boot another file
  rackyard.metal.dhcp_snippet:
    name: old loader
    node: node1
    value: filename "old.efi";
  delegate_to: localhost

- name: Switch a snippet off
  rackyard.metal.dhcp_snippet:
    name: log servers
    enabled: false
  delegate_to: localhost

- name: Remove a snippet
  rackyard.metal.dhcp_snippet:
    name: old loader
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
dhcp_snippet:
  description: The snippet as the region's API shows it, what it is for by name, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    id: 1
    name: log servers
    value: option log-servers 198.51.100.14;
    description: ""
    enabled: true
    node: ""
    subnet: boot
    ip_range: ""
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create DHCP snippet log servers"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from ..module_utils import region_module
from ..module_utils.rackyard_core import dhcp_snippets


def main() -> None:
    region_module.declare(
        "dhcp_snippet",
        dhcp_snippets.dhcp_snippet_kind,
        one_of=(*dhcp_snippets.SCOPES, "global_snippet"),
        name={"type": "str", "required": True},
        value={"type": "str"},
        description={"type": "str"},
        enabled={"type": "bool"},
        node={"type": "str"},
        subnet={"type": "str"},
        ip_range={"type": "str"},
        global_snippet={"type": "bool"},
    )


if __name__ == "__main__":
    main()
