# SPDX-License-Identifier: GPL-3.0-or-later
"""The service-owned part of each daemon's configuration: render, check, swap, apply, report.

Used by the rack agent and by the region worker. Every file lives under one root (`/var/lib/rackyard`) and is included
by exactly one line that a role owns.
"""

from rackyard.daemons.engine import Outcome, apply
from rackyard.daemons.model import Refused
from rackyard.daemons.registry import DAEMONS
from rackyard.daemons.supervisor import Supervisor, Systemd

__all__ = ["DAEMONS", "Outcome", "Refused", "Supervisor", "Systemd", "apply"]
