# SPDX-License-Identifier: GPL-3.0-or-later
"""The region's own daemons: who may ask for names, zones, proxy clients, who may ask for time and send logs."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from rackyard.daemons import dns, engine
from rackyard.daemons.supervisor import Supervisor
from rackyard.daemons.tiers import REGION, SHARED
from rackyard.region.context import Context
from rackyard.region.services.racks import desired
from rackyard.region.services.site import journal

ROOT = Path("/var/lib/rackyard")
_log = logging.getLogger(__name__)


class OwnDaemons:
    """Applies the region's document to the daemons of this host that Ansible has set up."""

    def __init__(self, ctx: Context, supervisor: Supervisor, root: Path = ROOT) -> None:
        self._ctx = ctx
        self._supervisor = supervisor
        self._root = root
        # Which of them refused, in the checker's words.
        self.refused: dict[str, str] = {}

    def apply(self) -> dict[str, engine.Outcome]:
        """One pass; a new refusal becomes an event with the checker's words.

        A worker that is left on a host that is no region any more has none: a rack's agent has them now."""
        if REGION not in self._ctx.config.tiers:
            return {}
        document = desired.for_region(self._ctx).body
        sections = {name: document[name] for name in sorted(SHARED) if (self._root / name).is_dir()}
        if "dns" in sections:
            sections["dns"] = self._with_zones(sections["dns"])
        outcomes = engine.apply(sections, self._root, self._supervisor)
        for name, outcome in outcomes.items():
            if outcome.changed:
                _log.info("%s has a new configuration", name)
            if outcome.ok:
                self.refused.pop(name, None)
            elif self.refused.get(name) != outcome.message:
                self.refused[name] = outcome.message
                self._tell(name, outcome.message)
        return outcomes

    def _with_zones(self, section: dict[str, Any]) -> dict[str, Any]:
        """The same with the place of the zones, which are made when they are missing: named loads no zone
        without a file. Without the place, as an older role leaves the host, there are none."""
        folder = self._root / dns.ZONES
        if not folder.is_dir():
            return {**section, "reverse": [], "domains": []}
        dns.make_zones(folder, [*section["reverse"], *section["domains"]], self._ctx.config.domain)
        return {**section, "zones": str(folder)}

    def _tell(self, name: str, message: str) -> None:
        text = f"{name} on region {self._ctx.config.name} refused its new configuration: {message}"
        _log.error("%s", text)
        with self._ctx.db.transaction() as tx:
            journal.record(tx, self._ctx.clock.now(), "DAEMON_REFUSED", text, level=journal.ERROR)


def beat(ctx: Context) -> None:
    """Tell racks (when they register) that this region lives."""
    with ctx.db.transaction() as tx:
        for port in ctx.config.rpc_ports:
            tx.run(
                "site.processes.beat", name=ctx.config.name, pid=os.getpid(), address=ctx.config.addresses[0],
                port=port,
            )  # fmt: skip
