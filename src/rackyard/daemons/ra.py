# SPDX-License-Identifier: GPL-3.0-or-later
"""radvd: router advertisements by a rack that is no router, where none says what machines need to know.

DHCP for IPv6 gives an address and not the network it is in: without an advertisement a machine reaches nobody with it.
Addresses come by DHCP only, since one that nobody leased speaks for no machine. Source: radvd.conf(5), RFC 4861.
"""

from __future__ import annotations

from pathlib import Path

from rackyard.daemons import values
from rackyard.daemons.model import Daemon, Section, comment

# A machine asks for one when its link comes up; this is for those that were there before the rack.
_EVERY_S = 60


def render(section: Section) -> bytes:
    """The interfaces on which this rack advertises; empty bytes when there are none."""
    interfaces = values.mappings(section, "interfaces", "ra")
    lines = [line for each in sorted(interfaces, key=lambda each: str(each.get("name"))) for line in _interface(each)]
    return comment(lines) if lines else b""


def _interface(interface: Section) -> list[str]:
    name = values.interface(interface.get("name"), "ra interface name")
    what = f"ra interface {name}"
    mtu = values.number(interface.get("mtu", 1500), 552, 65535, f"{what} mtu")
    prefixes = sorted(values.network6(each, f"{what}.prefixes") for each in values.items(interface, "prefixes", what))
    dhcp = "on" if interface.get("dhcp") is True else "off"
    return [
        "",
        f"interface {name} {{",
        "  IgnoreIfMissing on;",
        "  AdvSendAdvert on;",
        f"  MaxRtrAdvInterval {_EVERY_S};",
        # Nothing is to be sent to the rack because of this.
        "  AdvDefaultLifetime 0;",
        f"  AdvManagedFlag {dhcp};",
        f"  AdvOtherConfigFlag {dhcp};",
        *([f"  AdvLinkMTU {mtu};"] if mtu != 1500 else []),
        *(f"  prefix {each} {{ AdvOnLink on; AdvAutonomous off; }};" for each in prefixes),
        "};",
    ]


def _check(candidate: Path, workdir: Path) -> list[str]:
    return ["/usr/sbin/radvd", "--logmethod", "stderr_clean", "--configtest", "--config", str(candidate)]


DAEMON = Daemon("ra", "radvd", "dhcp/radvd.conf", render, _check, verb="restart", empty_means_stopped=True)
