# SPDX-License-Identifier: GPL-3.0-or-later
"""What the zones of this region's name server hold: the internal domain, operators' domains, and the reverse zones."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from rackyard.daemons import dns
from rackyard.daemons.supervisor import Supervisor
from rackyard.region.context import Context
from rackyard.region.errors import RackyardError, Unavailable
from rackyard.region.services.network import dns_data
from rackyard.region.services.racks import names
from rackyard.region.services.racks.names import Zone
from rackyard.region.worker import dns_update
from rackyard.region.worker.dns_update import Held

# For so long a name server may refuse a zone, as while it loads it.
PATIENCE_S = 10.0
# So often zones are read whole, whatever their serials say.
TRANSFER_EVERY_S = 600.0
_log = logging.getLogger(__name__)


class OwnNames:
    """Compares each zone with what it must hold, and sends what differs."""

    def __init__(self, ctx: Context, supervisor: Supervisor, root: Path) -> None:
        self._ctx = ctx
        self._supervisor = supervisor
        self._zones = root / dns.ZONES
        self._refused_at: dict[str, float] = {}
        self._restarted: set[str] = set()
        # What zones held after the last pass, and when all of them were read anew.
        self._known: Mapping[str, Held] = {}
        self._transferred_at = ctx.clock.monotonic()
        # Addresses of racks by label of the internal domain, as the name server has them, and why it has not what it
        # should.
        self.held: dict[str, list[str]] = {}
        self.trouble = ""
        # The largest serial of its zones, None before one was seen.
        self.serial: int | None = None

    def update(self) -> list[str]:
        """One pass; the names that changed. Raises Unavailable when a zone could not be brought to its state."""
        try:
            changed = self._update()
        except RackyardError as error:
            self.trouble = error.message
            raise
        self.trouble = ""
        return changed

    def _update(self) -> list[str]:
        key = dns_update.read_key(self._ctx.config.tsig_key)
        server = dns_update.Server(self._ctx.config.dns_server, self._ctx.config.dns_port, key)
        changed, refused = [], {}
        known: dict[str, Held] = {}
        now = self._ctx.clock.monotonic()
        if now - self._transferred_at >= TRANSFER_EVERY_S:
            self._known, self._transferred_at = {}, now
        for zone in names.wanted(self._ctx):
            if not self._is_served(zone):
                continue
            try:
                changes, known[zone.name] = dns_update.reconcile(server, zone, self._known.get(zone.name))
            except dns_update.ZoneRefused as error:
                refused[zone.name] = error.message
                continue
            if zone.name == self._ctx.config.domain:
                self.held = {
                    label: sorted(each.split()[2] for each in records)
                    for label, records in zone.labels.items()
                    if names.is_subnet_label(label)
                }
            for change in changes:
                _log.info("%s in %s is now %s", change.label, zone.name, ", ".join(sorted(change.records)) or "gone")
                changed.append(change.label)
        self._known = known
        self.serial = dns_data.latest_serial(held.serial for held in known.values())
        self._mend(refused)
        if refused:
            raise Unavailable("; ".join(refused.values()))
        return changed

    def _is_served(self, zone: Zone) -> bool:
        """Another zone is known to named when it has a file, or will be in a moment."""
        return zone.name == self._ctx.config.domain or dns.zone_file(self._zones, zone.name).exists()

    def _mend(self, refused: Mapping[str, str]) -> None:
        """A zone that is refused for long is damaged, or was never there. Once, named is started anew, before which
        what keeps it from loading a zone is put aside (role dns)."""
        now = self._ctx.clock.monotonic()
        self._restarted &= refused.keys()
        self._refused_at = {name: self._refused_at.get(name, now) for name in refused}
        due = {name for name, at in self._refused_at.items() if now - at >= PATIENCE_S} - self._restarted
        if due:
            _log.warning("named is started anew, because it does not serve %s", ", ".join(sorted(due)))
            self._restarted |= due
            self._supervisor.act("restart", dns.DAEMON.unit)
