#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_domain
short_description: Declare a domain that the regions serve
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a domain. The name server of each region answers for it, and so does each rack's, which asks a region.
  - The internal domain, in which racks and machines are, is the region's own and is not declared.
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
    description: Whether there shall be such a domain. One that has names is not removed.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the domain, such as V(lab.example.org).
    type: str
    required: true
  ttl:
    description: Time to live of its records in seconds, where a record says nothing else; V(0) is the region's default, 30 s.
    type: int
  authoritative:
    description: Whether the regions serve it. A new domain is served unless this says otherwise.
    type: bool
  default:
    description:
      - Whether new machines and devices that name no domain are in it. It ends when it is said of another one, the internal domain among them.
      - The default domain cannot be removed.
    type: bool
seealso:
  - module: rackyard.metal.dns_record
"""

EXAMPLES = r"""
- name: Serve a domain
  rackyard.metal.dns_domain:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: lab.example.org
    ttl: 300
  delegate_to: localhost

- name: Have new machines in it
  rackyard.metal.dns_domain:
    name: lab.example.org
    default: true
  delegate_to: localhost

- name: Remove a domain
  rackyard.metal.dns_domain:
    name: lab.example.org
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
dns_domain:
  description: The domain as the region's API shows it, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    id: 1
    name: lab.example.org
    ttl: 300
    authoritative: true
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create domain lab.example.org"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from ..module_utils import region_module
from ..module_utils.rackyard_core import kinds


def main() -> None:
    region_module.declare(
        "dns_domain",
        lambda client: kinds.DOMAIN,
        name={"type": "str", "required": True},
        ttl={"type": "int"},
        authoritative={"type": "bool"},
        default={"type": "bool"},
    )


if __name__ == "__main__":
    main()
