#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: dns_record
short_description: Declare what a name has in a domain that the regions serve
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Makes the records of one type that a name has exactly those that are given, or removes them. Records of other types are left alone.
  - The regions' name servers answer so within a second. Addresses in managed subnets lead back to their names as well.
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
    description: Whether the name shall have such records.
    type: str
    choices: [present, absent]
    default: present
  fqdn:
    description: The full name, in a domain that M(rackyard.metal.dns_domain) has declared. The first label may be V(*).
    type: str
    required: true
  type:
    description: Type of the records.
    type: str
    choices: [A, AAAA, CNAME, MX, NS, SRV, SSHFP, TXT]
    required: true
  values:
    description:
      - The data, as in a zone file; names that do not end with a dot are in the domain. A V(TXT) may be given without quotes.
      - All of the type; others are removed. Needed for O(state=present).
    type: list
    elements: str
  ttl:
    description:
      - Time to live in seconds; V(0) is the domain's. Without this option it is left alone.
      - V(A) and V(AAAA) of a name share one.
    type: int
seealso:
  - module: rackyard.metal.dns_domain
"""

EXAMPLES = r"""
- name: Give two servers one name
  rackyard.metal.dns_record:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    fqdn: www.lab.example.org
    type: A
    values: [198.51.100.80, 198.51.100.81]
  delegate_to: localhost

- name: Say where mail goes
  rackyard.metal.dns_record:
    fqdn: lab.example.org
    type: MX
    values: ["10 mail.example.org."]
    ttl: 3600
  delegate_to: localhost

- name: Remove an alias
  rackyard.metal.dns_record:
    fqdn: old.lab.example.org
    type: CNAME
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
dns_record:
  description: The records, empty when there are none. In check mode as they would be. A C(ttl) of 0 is the domain's.
  returned: success
  type: dict
  sample:
    fqdn: www.lab.example.org
    type: A
    values: [198.51.100.80, 198.51.100.81]
    ttl: 0
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create A of www.lab.example.org"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import dns
from ..module_utils.rackyard_core.client import RegionClient


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            fqdn={"type": "str", "required": True},
            type={"type": "str", "choices": list(dns.TYPES), "required": True},
            values={"type": "list", "elements": "str"},
            ttl={"type": "int"},
        ),
        required_if=[("state", "present", ("values",))],
        supports_check_mode=True,
    )

    def work(client: RegionClient) -> dict[str, Any]:
        plan = dns.ensure_records(client, dns.RecordsWish.from_options(module.params), module.check_mode)
        return {**plan.result(), "dns_record": dict(plan.after)}

    region_module.run(module, work)


if __name__ == "__main__":
    main()
