#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: package_repository
short_description: Declare a package repository that machines have
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Creates, corrects or removes a repository of Debian packages. Machines have it, beside what their image has, from their next commissioning on.
  - They reach it through the proxy of their racks, as everything else, and only where that goes.
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
    description: Whether there shall be such a repository.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the repository.
    type: str
    required: true
  url:
    description: Where it is, C(http://) or C(https://), without a password. Needed for a new one.
    type: str
  distributions:
    description:
      - Releases of it that machines use. An empty list, as a new one has, is the release that a machine boots.
      - One with a slash at its end, such as V(./), is the place of a repository without releases and components.
    type: list
    elements: str
  components:
    description: Components of it that machines use. An empty list, as a new one has, is V(main).
    type: list
    elements: str
  arches:
    description: Architectures whose machines have it. An empty list is both, as a new one has.
    type: list
    elements: str
    choices: [amd64, arm64]
  key:
    description:
      - Public key of whoever signs it, as C(gpg --armor --export KEY) prints it.
      - Without one, which is an empty text, a key counts that the image trusts already.
    type: str
  enabled:
    description: Whether machines have it. V(true) if not given for a new one.
    type: bool
  disable_sources:
    description: Whether sources of packages (C(deb-src)) are left out. V(true) if not given for a new one.
    type: bool
"""

EXAMPLES = r"""
- name: Give machines the packages of a vendor's tools
  rackyard.metal.package_repository:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: vendor
    url: https://packages.example.org/debian
    components: [main, tools]
    arches: [amd64]
    key: "{{ lookup('ansible.builtin.file', 'vendor.asc') }}"
  delegate_to: localhost

- name: Remove a repository
  rackyard.metal.package_repository:
    name: old
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
package_repository:
  description: The repository as the region's API shows it, empty when it is absent. In check mode as it would be.
  returned: success
  type: dict
  sample:
    id: 1
    name: vendor
    url: https://packages.example.org/debian
    distributions: []
    components: [main, tools]
    arches: [amd64]
    key: ""
    enabled: true
    disable_sources: true
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["create package repository vendor"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from ..module_utils import region_module
from ..module_utils.rackyard_core import kinds


def main() -> None:
    words = {"type": "list", "elements": "str"}
    region_module.declare(
        "package_repository",
        lambda client: kinds.PACKAGE_REPOSITORY,
        name={"type": "str", "required": True},
        url={"type": "str"},
        distributions=words,
        components=words,
        arches={**words, "choices": list(kinds.ARCHES)},
        key={"type": "str", "no_log": False},
        enabled={"type": "bool"},
        disable_sources={"type": "bool"},
    )


if __name__ == "__main__":
    main()
