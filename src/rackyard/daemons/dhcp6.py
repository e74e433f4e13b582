# SPDX-License-Identifier: GPL-3.0-or-later
"""ISC dhcpd for IPv6: networks, pools, and which boot file UEFI is told by its architecture and by what it is after.

UEFI that boots by HTTP looks for a URL and for `HTTPClient` in the answer. There is no failover of DHCP for IPv6: racks
that share a subnet have pools of their own. Source: dhcpd.conf(5), dhcp-options(5); RFC 5970 (bootfile-url,
client-arch-type), UEFI 2.10, 24.7.3.1.
"""

from __future__ import annotations

from functools import partial
from ipaddress import IPv6Address, IPv6Network

from rackyard.daemons import dhcp_networks, dhcp_snippets, values
from rackyard.daemons.model import Daemon, Section, comment

_RACK_HTTP_PORT = 5248
# dhcpd does not know the first, and the second as an encapsulation, in which no text can be given. Whoever sends that
# one has a number, at which firmware does not look.
_OPTIONS = [
    "option dhcp6.user-class code 15 = string;",
    "option dhcp6.vendor-class code 16 = { integer 32, integer 16, string };",
]
_HTTP_CLIENT = "HTTPClient"
_LOADERS = {"00:10": "bootx64.efi", "00:13": "bootaa64.efi"}


def render(section: Section) -> bytes:
    """The networks this rack serves; empty bytes when there are none."""
    lines = dhcp_networks.shared_networks(section, "dhcp6", lambda subnet, _network: _subnet(subnet))
    return comment([*_OPTIONS, *dhcp_snippets.rendered(section, "dhcp6"), *lines]) if lines else b""


def _subnet(subnet: Section) -> tuple[IPv6Network, list[str]]:
    cidr = values.network6(subnet.get("cidr"), "dhcp6 subnet cidr")
    what = f"dhcp6 subnet {cidr}"
    rack = values.address6(subnet.get("server"), f"{what} server")
    lines = [f"subnet6 {cidr} {{"]
    for option, key in (("name-servers", "dns_servers"), ("sntp-servers", "ntp_servers")):
        found = values.addresses6(subnet, key, what)
        lines += [f"  option dhcp6.{option} {values.joined(found)};"] if found else []
    if subnet.get("domain_name"):
        domain = values.domain(subnet["domain_name"], f"{what} domain_name")
        lines += [f'  option dhcp6.domain-search "{domain}";']
    lines += [f"  {line}" for line in [*_boot_files(rack), *dhcp_snippets.rendered(subnet, what)]]
    for pool in values.mappings(subnet, "pools", what):
        start, end = dhcp_networks.pool_range(pool, cidr, values.address6, what)
        own = [f"    {line}" for line in dhcp_snippets.rendered(pool, what)]
        lines += ["  pool6 {", *own, f"    range6 {start} {end};", "  }"] if own else []
        lines += [] if own else [f"  pool6 {{ range6 {start} {end}; }}"]
    return cidr, [*lines, "}"]


def _boot_files(rack: IPv6Address) -> list[str]:
    base = f"http://{values.host_in_url(rack)}:{_RACK_HTTP_PORT}"
    lines = [
        # iPXE first: it has the architecture option as well. What is before its name is the length of that.
        'if exists dhcp6.user-class and substring(option dhcp6.user-class, 2, 4) = "iPXE" {',
        f'  option dhcp6.bootfile-url "{base}/ipxe.cfg";',
    ]
    for architecture, loader in _LOADERS.items():
        lines += [
            f"}} elsif substring(option dhcp6.client-arch-type, 0, 2) = {architecture} {{",
            f'  option dhcp6.bootfile-url "{base}/boot/{loader}";',
            f'  option dhcp6.vendor-class 0 {len(_HTTP_CLIENT)} "{_HTTP_CLIENT}";',
        ]
    return [*lines, "}"]


DAEMON = Daemon(
    "dhcp6", "isc-dhcp-server6", "dhcp/dhcpd6.conf", render, partial(dhcp_networks.check, 6),
    verb="restart", empty_means_stopped=True,
)  # fmt: skip
