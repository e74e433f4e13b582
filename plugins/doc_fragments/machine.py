# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an operator declares a machine: once for module machine, and for each entry of module machines.

The argument spec of the same options is in rackyard_core.machine_options. In the texts, %(entry)s is what stands before an option
of a machine in O(...)."""

from __future__ import annotations

from textwrap import indent

_MACHINE = """\
state:
  description: Whether the machine shall be known to the region.
  type: str
  choices: [present, absent]
  default: present
hostname:
  description: Name of the machine, unique in the region.
  type: str
  required: true
mac_addresses:
  description:
    - MAC addresses, the one that the machine boots from first. Needed to create a machine.
    - Further ones that commissioning has found are left alone.
  type: list
  elements: str
architecture:
  description:
    - Architecture, optionally with a subarchitecture after a slash. V(amd64) means V(amd64/generic).
    - A new machine is V(amd64/generic) unless this says otherwise.
  type: str
description:
  description: Free text.
  type: str
commissioning_suite:
  description:
    - Debian release of the ephemeral system that the machine boots, if not the region's default. An empty string is the default.
    - An image of that release must be registered; see C(boot_image_more_suites) of role C(boot_image).
  type: str
domain:
  description:
    - Name of the domain in which the machine has its name in DNS, which M(rackyard.metal.dns_domain) declares, or the internal one.
    - A new machine is in the site's default domain, which is the internal one until another is made that.
  type: str
zone:
  description: Name of the zone that the machine is in, which M(rackyard.metal.zone) declares. A new machine is in zone V(default).
  type: str
pool:
  description: Name of the resource pool that the machine is in, which M(rackyard.metal.resource_pool) declares. A new machine is in pool V(default).
  type: str
tags:
  description:
    - All tags that the machine shall have; it loses others. They are there already, as M(rackyard.metal.tag) makes them.
    - Say which machines have a tag either here or with that module's option O(rackyard.metal.tag#module:machines).
  type: list
  elements: str
owner_data:
  description:
    - All texts that shall be kept for the machine's owner, by name; others are removed, those that programs such as Juju keep there too.
    - A value that is no text is written as one.
  type: dict
workload_annotations:
  description: All texts about what runs on the machine, by name, as O(%(entry)sowner_data) otherwise. Lists of machines can be filtered by them.
  type: dict
expect:
  description:
    - What the machine shall be made of. The region tells what its last commissioning found otherwise; M(rackyard.metal.drift_info) shows that.
    - C(cpu_count), C(memory) in MiB, C(architecture) (V(amd64) or V(arm64)), C(bios_boot_method) (V(bios) or V(uefi)), C(secure_boot), and
      C(firmware), the versions C(bios) and C(bmc).
    - C(disks) lists all disks, each entry with C(count) (1), C(kind) (V(ssd), V(hdd), V(nvme)), C(size_gb) in 10^9 bytes with
      C(tolerance_percent) (5), C(model) and C(serial), as far as they matter.
    - C(nics) lists NICs that matter, each found by C(name) or C(mac_address), with C(switch) and C(port) as LLDP tells them, C(link_connected) and
      C(link_speed) in Mbit/s.
    - It is replaced as a whole, and an empty one is removed. Without this option what is declared stays.
  type: dict
power:
  description: How the machine is switched on and off.
  type: dict
  suboptions:
    type:
      description:
        - Kind of power control. With V(manual) somebody pushes the button.
        - With V(webhook) a web server of yours does it, with V(proxmox) Proxmox VE does it for its VMs. Both need a rack that is told which networks
          they may be in, C(rack_service_bmc_networks), and neither can choose the next boot, so that the machine must boot from the network first.
      type: str
      choices: [ipmi, manual, proxmox, redfish, webhook]
      required: true
    address:
      description:
        - IP address of the BMC, which at least one rack must be able to reach. Needed for O(%(entry)spower.type=ipmi) and
          O(%(entry)spower.type=redfish).
        - IP address or name of the Proxmox server, needed for O(%(entry)spower.type=proxmox). A webhook has its URIs in O(%(entry)spower.parameters).
      type: str
    port:
      description: UDP port of the BMC, which the region assumes to be 623, or TCP port of O(%(entry)spower.type=redfish), 443, or of the Proxmox
        server, 8006.
      type: int
    user:
      description: User name at the BMC.
      type: str
    password:
      description: Password at the BMC. The region keeps it encrypted and gives it to nobody but the rack that talks to the BMC.
      type: str
    cipher_suite_id:
      description:
        - Cipher suite of IPMI 2.0 to insist on, when a BMC must not fall back to another.
        - The empty string, which the region assumes, tries 17 (SHA-256) and then 3 (SHA-1).
      type: str
      choices: ["", "3", "17"]
    boot_type:
      description:
        - How the BMC is told to boot from the network, as one of the machine's firmware modes.
        - With V(efi) the BMC gets the flag for UEFI, without which some servers boot the legacy way, or their disk.
        - The region assumes V(auto), which sets no flag.
      type: str
      choices: [auto, efi, legacy]
    off_mode:
      description:
        - How the machine is switched off when an operator asks for it.
        - V(hard) cuts the power; V(soft) asks the operating system by ACPI and waits for it. The region assumes V(hard).
      type: str
      choices: [hard, soft]
    privilege_level:
      description:
        - Privilege level to ask the BMC for. It must not be above what the BMC grants the user.
        - Without it the highest that the BMC gives is taken.
      type: str
      choices: [OPERATOR, ADMIN]
    parameters:
      description:
        - Settings of the power type that have no option here, by the names of the API and of MAAS.
        - For V(webhook) C(power_on_uri), C(power_off_uri) and C(power_query_uri), which are of one web server, C(power_on_regex) and C(power_off_regex).
        - For V(proxmox) C(power_vm_name), the name or number of the VM, and C(power_token_name).
        - C(describe_power_types) of the API lists all.
      type: dict
    secrets:
      description:
        - Secrets of the power type besides O(%(entry)spower.password), by the names of the API and of MAAS; kept and sent as that is.
        - C(k_g) for V(ipmi), C(power_token) for V(webhook), C(power_token_secret) for V(proxmox).
      type: dict
    node_id:
      description:
        - Which system of a BMC with O(%(entry)spower.type=redfish), as its path under C(/redfish/v1/Systems) ends.
        - A BMC with one system only needs none.
      type: str
    verify_ssl:
      description:
        - Whether the certificate of a BMC that is a web server is verified (V(redfish), V(proxmox), V(webhook)). The region assumes V(y).
        - With O(%(entry)spower.tls_fingerprint) that certificate is required, whatever this says.
      type: str
      choices: ["y", "n"]
    tls_fingerprint:
      description: SHA-256 fingerprint of the only certificate that a BMC with O(%(entry)spower.type=redfish) may show, for one that no authority has signed.
      type: str
"""

# Everything about the password that the region never tells.
_PASSWORD = """\
requirements:
  - netaddr
attributes:
  idempotent:
    support: partial
    details:
      - The region never tells a BMC password. With O(update_password=always) and a password given, it is sent each time and the task
        is changed each time.
options:
  update_password:
    description:
      - When O(%(entry)spower.password) and O(%(entry)spower.secrets) are sent to the region, which never tells those it has, so that they cannot be compared.
      - V(on_create) sends it with a new machine, and together with any other change of O(%(entry)spower).
      - V(always) sends it each time, so the task is changed each time.
    type: str
    choices: [on_create, always]
    default: on_create
"""

_ENTRY_PASSWORD = """\
update_password:
  description: As O(update_password), for this machine.
  type: str
  choices: [on_create, always]
"""


class ModuleDocFragment:
    # Annotated, because the sanity tests take plain assignments here for literals.
    DOCUMENTATION: str = (_PASSWORD + indent(_MACHINE, "  ")) % {"entry": ""}

    ENTRIES: str = (_PASSWORD + "  machines:\n    suboptions:\n" + indent(_MACHINE + _ENTRY_PASSWORD, "      ")) % {
        "entry": "machines[]."
    }
