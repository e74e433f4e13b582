# SPDX-License-Identifier: GPL-3.0-or-later
"""The rack agent: one process that works for all regions until it is told to stop."""

from __future__ import annotations

import json
import os
import threading
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sdnotify import SystemdNotifier

from rackyard import __version__
from rackyard.daemons import Systemd, apply, files, http, own_host
from rackyard.daemons.registry import DAEMONS
from rackyard.daemons.tftp import LoaderError
from rackyard.rack import boot_evidence, dhcp_checks, host, identity, machine_posts
from rackyard.rack.backoff import Backoff, shortened
from rackyard.rack.boot_cache import BootCache
from rackyard.rack.boot_index import BootIndex
from rackyard.rack.boot_keeper import BootKeeper
from rackyard.rack.config import RackConfig
from rackyard.rack.desired import DesiredLoop
from rackyard.rack.errors import RackError, RegionAway, RegionRefused
from rackyard.rack.image_warmer import ImageWarmer
from rackyard.rack.jobs import JobRunner
from rackyard.rack.journal import JournalFollower
from rackyard.rack.log import log
from rackyard.rack.name_warmer import NameWarmer
from rackyard.rack.partners import Partners
from rackyard.rack.polls import JobPolls
from rackyard.rack.regions import Regions
from rackyard.rack.reporter import Reporter
from rackyard.rack.spool import Spool
from rackyard.rack.stop_signals import StopSignals
from rackyard_core.power.pool import PowerPool

_HEARTBEAT_S = 60.0
# A daemon that dies is to be known within five seconds.
_SERVICES_S = 2.0
# A part of the unit's WatchdogSec.
_ALIVE_S = 20.0
# How soon a new identity on disk is noticed.
_FOLLOW_S = 2.0
_RENEWAL_RETRY_S = 60.0
# What a region may count on, and not with an agent of the release before.
_ABILITIES = ["dhcp_pair", dhcp_checks.ABILITY]
# As the contract `services` has it.
_MAX_CHANNELS, _MAX_WORDS = 200, 1000


class Agent:
    """Wires the parts together and runs them as threads."""

    def __init__(self, config: RackConfig) -> None:
        known = identity.read(config.identity)
        if known is None:
            raise RackError("this rack is not enrolled; run `rackyard-rack enroll --token-file FILE`")
        self._config = config
        self._known = known
        self._stamp = identity.stamp(config.identity)
        self._enrolled_anew = threading.Event()
        self._stop = threading.Event()
        self._systemd = Systemd()
        self._spool = Spool(config.spool, keeps=True)
        spread = zlib.crc32(known.system_id.encode())
        self._regions = Regions(config.identity, config.regions_file, config.regions, spread)
        self._pool = PowerPool(config.power_workers)
        self._desired = DesiredLoop(self._regions, self._spool, self._apply, self._stop, config.left_alone)
        self._boot_cache = BootCache(config.boot_cache, config.boot_keys)
        index, images, names = BootIndex(config.boot_index), ImageWarmer(config.door), NameWarmer()
        self._keeper = BootKeeper(self._boot_cache, index, self._regions.call, self._stop, images.warm, names.warm)
        self._jobs = JobRunner(
            self._spool,
            self._pool,
            config.state / "jobs",
            self._keeper.look_now,
            bmc_networks=config.bmc_networks,
        )
        self._dhcp_checks = dhcp_checks.DhcpChecks(self._regions, config.daemons_root)
        self._heartbeat_s = _HEARTBEAT_S
        self._partners = Partners(config.daemons_root)
        self._services: dict[str, Any] = {}
        self._untold = ""

    def run(self) -> None:
        """Until SIGTERM or SIGINT."""
        told_to_stop = StopSignals()
        # What an earlier life said is no longer true.
        self._config.status_file.unlink(missing_ok=True)
        log("info", "agent-started", version=__version__, rack=self._known.system_id, waiting=len(self._spool))
        self._lend_certificate()
        cut_off = self._jobs.report_cut_off()
        if cut_off:
            log("warning", "jobs-cut-off", count=cut_off)
        cursor = self._config.state / "journal.cursor"
        follower = JournalFollower(self._spool, cursor, self._stop, self._keeper.leased)
        parts: dict[str, Callable[[], None]] = {
            "register": self._keep_registered,
            "renew": self._keep_certificate,
            "jobs": JobPolls(self._regions, self._jobs, self._stop, self._dhcp_checks.begin).run,
            "desired": self._desired.run,
            "reports": Reporter(self._spool, self._regions.call, self._stop, self._jobs.delivered).run,
            "journal": follower.run,
            "services": self._watch_services,
            "boot evidence": partial(
                boot_evidence.follow, self._config.boot_evidence, self._spool, self._stop, self._keeper.look_now
            ),
            "boots": self._keeper.run,
        }
        for name, part in parts.items():
            threading.Thread(target=self._guard, args=(name, part), name=name, daemon=True).start()
        # Whoever is frozen does not say this, and is started anew.
        systemd = SystemdNotifier()
        systemd.notify("WATCHDOG=1")
        while not told_to_stop.wait(_ALIVE_S):
            systemd.notify("WATCHDOG=1")
        self._stop.set()
        log("info", "agent-stops")
        self._dhcp_checks.close()
        self._jobs.close()
        self._pool.close()

    def _guard(self, name: str, part: Callable[[], None]) -> None:
        """A part that fails unexpectedly ends the agent: systemd starts it anew, and the journal says why."""
        try:
            part()
        except Exception as reason:
            log("error", "part-failed", part=name, reason=f"{type(reason).__name__}: {reason}")
            os._exit(1)

    def _apply(self, document: dict[str, Any]) -> Any:
        def fetch(path: str, size_bytes: int) -> bytes:
            return self._regions.download(path, size_bytes + 1, LoaderError)

        self._keeper.registered(document.get("dhcp", {}).get("hosts", []))
        return apply(document, self._config.daemons_root, self._systemd, fetch=fetch)

    def _keep_registered(self) -> None:
        backoff = Backoff()
        while not self._stop.is_set():
            wait_s = shortened(self._heartbeat_s)
            self._enrolled_anew.clear()
            try:
                known = {"interfaces": host.interfaces(), "host": own_host.facts()}
                body = {"version": __version__, "abilities": _ABILITIES, **known}
                answer = self._regions.call("POST", "register", body)
                self._heartbeat_s = float(answer["settings"].get("heartbeat_s") or _HEARTBEAT_S)
                backoff.reset()
                self._regions.update(answer["regions"])
            except (RegionAway, RegionRefused, RackError) as reason:
                log("warning", "register-failed", reason=reason)
                wait_s = backoff.next_s()
            except OSError as reason:
                log("warning", "regions-not-kept", reason=reason)
            self._enrolled_anew.wait(wait_s)

    def _keep_certificate(self) -> None:
        """Renew at two thirds of the certificate's life; try again every minute when it does not work."""
        quiet_until = 0.0
        while not self._stop.wait(_FOLLOW_S):
            self._follow_identity()
            if identity.due_in_s(self._known, datetime.now(UTC)) > 0 or time.monotonic() < quiet_until:
                continue
            try:
                key = (self._config.identity / identity.KEY).read_bytes()
                answer = self._regions.call("POST", "renew", {"csr": identity.request_for(key, self._known.system_id)})
                identity.renew(self._config.identity, answer["certificate"])
                self._known = identity.read(self._config.identity) or self._known
                log("info", "certificate-renewed", not_after=self._known.not_after.isoformat())
            except (RegionAway, RegionRefused, RackError, OSError) as reason:
                log("error", "renewal-failed", reason=reason, not_after=self._known.not_after.isoformat())
                quiet_until = time.monotonic() + _RENEWAL_RETRY_S

    def _follow_identity(self) -> None:
        """`rackyard-rack enroll --force` writes a new identity while this agent runs: it goes on as that rack."""
        stamp = identity.stamp(self._config.identity)
        if stamp == self._stamp:
            return
        try:
            found = identity.read(self._config.identity)
        except RackError as reason:
            log("error", "identity-unusable", reason=reason)
            return
        self._stamp = stamp
        if found is None or found == self._known:
            return
        log("info", "identity-changed", rack=found.system_id, not_after=found.not_after.isoformat())
        self._known = found
        self._enrolled_anew.set()

    def _watch_services(self) -> None:
        """Report the daemons' states when they change and with every heartbeat; keep the status file fresh."""
        quiet_s = self._heartbeat_s
        while not self._stop.is_set():
            try:
                states = host.services(self._has_work())
                partners = self._partners.look(states)
            except RackError as reason:
                log("error", "services-unknown", reason=reason)
                self._stop.wait(_SERVICES_S)
                continue
            states.append(host.agent(self._troubles()))
            quiet_s += _SERVICES_S
            waiting = self._waiting()
            report: dict[str, Any] = {
                "services": partners.seen_in(states),
                "channels": self._channels(),
                "waiting": {name: waiting[name] for name in ("reports", "posts", "posts_refused")},
            }
            if partners.states is not None:
                report["dhcp_pairs"] = partners.states
            if report != self._services or quiet_s >= self._heartbeat_s:
                try:
                    self._regions.call("POST", "services", report)
                    self._services, quiet_s = report, 0.0
                except (RegionAway, RegionRefused, RackError) as reason:
                    log("warning", "services-not-reported", reason=reason)
            self._lend_certificate()
            try:
                self._write_status(states, partners.states or [], waiting)
                self._untold = ""
            except OSError as reason:
                self._untold = f"{self._config.status_file} cannot be written: {reason.strerror or reason}"
                log("error", "status-not-written", reason=reason)
            self._stop.wait(_SERVICES_S)

    def _lend_certificate(self) -> None:
        """nginx passes metadata on with the rack's certificate; it learns of a new one here."""
        try:
            trouble = http.follow_identity(self._config.identity, self._config.daemons_root, self._systemd)
        except OSError as reason:
            trouble = f"{self._config.daemons_root}/{http.IDENTITY_PATH} cannot be written: {reason.strerror or reason}"
        if trouble is not None:
            log("error" if trouble else "info", "certificate-lent-to-nginx", reason=trouble or None)

    def _troubles(self) -> list[str]:
        """What keeps this agent from its work, in words; empty when all is well."""
        parts = (self._ended(), self._spool.trouble, self._desired.trouble, self._keeper.trouble, self._untold)
        return [words for words in parts if words]

    def _ended(self) -> str:
        end = self._known.not_after
        if end > datetime.now(UTC):
            return ""
        words = f"its certificate has ended at {end:%Y-%m-%d %H:%M} UTC, and regions refuse it"
        return f"{words}: enrol it again with `playbooks/rack.yml --limit {self._config.name}`"

    def _channels(self) -> dict[str, str]:
        """This rack's channel to each region, in words that fit into a report."""
        found = self._regions.status()
        return {url: words[:_MAX_WORDS] for url, words in list(found.items())[:_MAX_CHANNELS]}

    def _waiting(self) -> dict[str, Any]:
        """What waits here for a region: numbers, and why the last posts of machines were refused."""
        posts = machine_posts.summary(self._config.machine_posts)
        counts = {"reports": len(self._spool), "posts": posts["waiting"], "posts_refused": posts["refused"]}
        return {**counts, "reasons": posts["reasons"]}

    def _has_work(self) -> dict[str, bool]:
        return {
            daemon.name: daemon.should_run(files.read(self._config.daemons_root / daemon.path) or b"")
            for daemon in DAEMONS
        }

    def _write_status(
        self, services: list[dict[str, str]], pairs: list[dict[str, str]], waiting: dict[str, Any]
    ) -> None:
        status = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "name": self._config.name,
            "system_id": self._known.system_id,
            "version": __version__,
            "certificate_until": self._known.not_after.isoformat(),
            "regions": self._regions.status(),
            "generation": self._desired.generation,
            "daemons": {name: outcome.report() for name, outcome in self._desired.outcomes.items()},
            "services": {service["name"]: service["state"] for service in services},
            "dhcp_pairs": {pair["name"]: f"{pair['own']}, partner {pair['partner']}" for pair in pairs},
            "reports_waiting": waiting["reports"],
            "boots_kept": len(self._boot_cache),
            "machine_posts": {
                "waiting": waiting["posts"],
                "refused": waiting["posts_refused"],
                "reasons": waiting["reasons"],
            },
            "power_workers": self._config.power_workers,
            "left_alone": sorted(self._config.left_alone),
            "troubles": self._troubles(),
        }
        files.replace(self._config.status_file, json.dumps(status, indent=2).encode(), 0o644)


def main(config: RackConfig) -> None:
    """Run the agent. Threads in a long poll would hold up a normal exit."""
    Agent(config).run()
    os._exit(0)
