# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What interfaces of machines and of devices have in common: their tags and links."""

from __future__ import annotations

_INTERFACE = """\
options:
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
"""

_GATEWAY = """\
      default_gateway:
        description: Whether the default route of the machine is the gateway of this subnet.
        type: bool
        default: false
"""


class ModuleDocFragment:
    # Annotated, because the sanity tests take plain assignments here for literals.
    DOCUMENTATION: str = _INTERFACE

    OF_MACHINE: str = _INTERFACE + _GATEWAY
