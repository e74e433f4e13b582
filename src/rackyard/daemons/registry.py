# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemons with a service-owned file, in the order in which they are applied.

Names, time and the way to the region come before what machines need when they boot; dhcpd is last, because an answer
of it starts a boot that needs all the others.
"""

from __future__ import annotations

from rackyard.daemons import dhcp, dhcp6, dns, http, ntp, proxy, ra, syslog
from rackyard.daemons.model import Daemon

DAEMONS: tuple[Daemon, ...] = (
    dns.DAEMON, ntp.DAEMON, http.DAEMON, syslog.DAEMON, proxy.DAEMON, dhcp6.DAEMON, ra.DAEMON, dhcp.DAEMON,
)  # fmt: skip
UNITS = {daemon.name: daemon.unit for daemon in DAEMONS} | {"tftp": "tftpd-hpa"}
