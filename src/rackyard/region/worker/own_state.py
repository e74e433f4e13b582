# SPDX-License-Identifier: GPL-3.0-or-later
"""What this region's worker says of its host, again and again, so that everybody sees who is silent."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from cryptography import x509

from rackyard.daemons import own_host, units
from rackyard.daemons.registry import UNITS
from rackyard.daemons.tiers import SHARED
from rackyard.daemons.units import Service
from rackyard.region.config import Config
from rackyard.region.context import Context
from rackyard.region.db.site.hosts import Host
from rackyard.region.services.racks import identity
from rackyard.region.services.site import regions
from rackyard.region.services.site.regions import SelfReport
from rackyard.region.worker.own_daemons import OwnDaemons
from rackyard.region.worker.own_names import OwnNames

# As it stands in the report.
_MAX_INFO = 1000
# How often the host is looked at: a new address is in no hurry here.
_LOOK_S = 60.0
# Which of two states of the same service counts.
_WORST = ("dead", "degraded", "unknown", "off", "running")

_log = logging.getLogger(__name__)


class OwnState:
    """Looks at the units of this host, and tells."""

    def __init__(self, ctx: Context, daemons: OwnDaemons, names: OwnNames, root: Path) -> None:
        self._ctx = ctx
        self._daemons = daemons
        self._names = names
        self._root = root
        self._known, self._look_at = Host(), 0.0

    def tell(self) -> None:
        """One pass."""
        names = self._names
        regions.tell(
            self._ctx,
            SelfReport(
                self._services(),
                certificate_end(self._ctx.config),
                names.held,
                names.trouble,
                host=self._host(),
                dns_serial=names.serial,
            ),
        )

    def _host(self) -> Host:
        """What the host is made of, looked at now and then."""
        if time.monotonic() >= self._look_at:
            try:
                nics = own_host.interfaces()
            except own_host.HostUnknown as reason:
                _log.warning("interfaces are not known: %s", reason)
                nics = []
            self._known, self._look_at = Host.read({**own_host.facts(), "interfaces": nics}), time.monotonic() + _LOOK_S
        return self._known

    def _services(self) -> list[Service]:
        watched = unit_names(self._ctx.config, (name for name in sorted(SHARED) if (self._root / name).is_dir()))
        try:
            found = units.look(watched, {}, "region")
        except units.UnitsUnknown as reason:
            found = [{"name": name, "state": "unknown", "info": str(reason)} for name in watched]
        # Whoever speaks runs.
        degraded = self._daemons.refused | clock_words(self._ctx.db.time.ahead().total_seconds())
        return [*merged(found, degraded), {"name": "worker", "state": "running", "info": ""}]


def clock_words(behind_s: float) -> dict[str, str]:
    """What is wrong with this host's clock, by the service that keeps it; nothing when it agrees with PostgreSQL's."""
    if not behind_s:
        return {}
    how = "behind" if behind_s > 0 else "ahead of"
    return {"ntp": f"the clock is {abs(behind_s):.0f} s {how} PostgreSQL's, which counts; see `chronyc tracking`"}


def unit_names(config: Config, daemons: Iterable[str]) -> dict[str, str]:
    """The units of a region host by service; those of the RPC by port as well."""
    ports = {
        f"{kind}@{port}": f"rackyard-region-{kind}@{port}" for kind in ("rpc", "polls") for port in config.rpc_ports
    }
    own = {"api": "rackyard-region", "metadata": "rackyard-region-metadata", **ports}
    return own | {name: UNITS[name] for name in ("http", *daemons)}


def merged(found: Iterable[Service], refused: Mapping[str, str]) -> list[Service]:
    """One line for each service: of several ports the worst; a daemon that refused its configuration is degraded."""
    lines: dict[str, Service] = {}
    for each in found:
        name, words = each["name"].partition("@")[0], refused.get(each["name"], "")
        line = {**each, "name": name}
        if words and each["state"] == "running":
            line = {"name": name, "state": "degraded", "info": words[:_MAX_INFO]}
        if name not in lines or _WORST.index(line["state"]) < _WORST.index(lines[name]["state"]):
            lines[name] = line
    return list(lines.values())


def certificate_end(config: Config) -> datetime | None:
    """Until when the region's certificate is good; None when it cannot be read."""
    try:
        return identity.ends_at(x509.load_pem_x509_certificate(config.tls_cert.read_bytes()))
    except (OSError, ValueError):
        return None
