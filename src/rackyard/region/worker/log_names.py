# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells this host's rsyslog which machine has which address now, so that no line ends up in the file of another one."""

from __future__ import annotations

import logging
from pathlib import Path

from rackyard.daemons import files, syslog
from rackyard.daemons.model import Refused
from rackyard.daemons.supervisor import Supervisor
from rackyard.daemons.tiers import RACK
from rackyard.region.context import Context
from rackyard.region.services.boots import addresses

_log = logging.getLogger(__name__)


class LogNames:
    """Rewrites the table when a lease has changed it. Without role `syslog` on this host there is nothing to do."""

    def __init__(self, ctx: Context, supervisor: Supervisor, root: Path) -> None:
        self._ctx = ctx
        self._supervisor = supervisor
        self._path = root / syslog.NAMES_PATH
        self._unread = True

    def apply(self) -> bool:
        """One pass; True when rsyslog was told something new."""
        if not self._path.parent.is_dir():
            return False
        try:
            racks = addresses.of_racks(self._ctx) if RACK in self._ctx.config.tiers else set()
            content = syslog.names(addresses.of_machines(self._ctx), racks)
        except Refused as refusal:
            _log.error("machine names for rsyslog: %s", refusal)
            return False
        if files.read(self._path) != content:
            files.replace(self._path, content)
            self._unread = True
        if not self._unread:
            return False
        trouble = self._supervisor.act("reload", syslog.DAEMON.unit)
        if trouble:
            _log.warning("rsyslog does not read which machine has which address: %s", trouble)
        self._unread = bool(trouble)
        return not trouble
