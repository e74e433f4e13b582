# SPDX-License-Identifier: GPL-3.0-or-later
"""One long poll for the desired state: apply what came, report what became of it, try again what failed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Set
from typing import Any

from rackyard.daemons import Outcome
from rackyard.daemons.registry import UNITS
from rackyard.rack.backoff import Backoff, shortened
from rackyard.rack.errors import RackError, RegionAway, RegionRefused
from rackyard.rack.log import log
from rackyard.rack.regions import Regions, answer_of
from rackyard.rack.spool import Spool, SpoolFull

WAIT_S = 30
_RETRY_S = 15.0
# systemd refuses a unit that is started more than five times in ten seconds; changes often come in bursts.
_BREATH_S = 2.0

Apply = Callable[[dict[str, Any]], dict[str, Outcome]]


class DesiredLoop:
    """One thread. ``apply`` brings the daemons to a document, but for those that are left alone: another process of
    this host applies them."""

    def __init__(
        self, regions: Regions, spool: Spool, apply: Apply, stop: threading.Event, left_alone: Set[str] = frozenset()
    ) -> None:
        self._regions = regions
        self._spool = spool
        self._apply = apply
        self._stop = stop
        self._left_alone = left_alone
        self._sections = f"&sections={','.join(sorted(UNITS.keys() - left_alone))}" if left_alone else ""
        self._etag = ""
        self._document: dict[str, Any] | None = None
        self._reported: object = None
        self._backoff = Backoff()
        self.outcomes: dict[str, Outcome] = {}
        self.trouble = ""

    @property
    def generation(self) -> int | None:
        """Generation of the document that was applied last."""
        return None if self._document is None else int(self._document["generation"])

    def run(self) -> None:
        """Until stopped."""
        while not self._stop.is_set():
            for url in self._regions.live_first():
                if self._poll(url):
                    self._backoff.reset()
                    break
                self._stop.wait(self._backoff.next_s())

    def _poll(self, url: str) -> bool:
        """One long poll at one region; False when it does not answer."""
        failed = any(not outcome.ok for outcome in self.outcomes.values())
        wait_s = int(shortened(WAIT_S if not failed else _RETRY_S))
        headers = {"If-None-Match": self._etag} if self._etag else {}
        try:
            path = f"desired?wait={wait_s}{self._sections}"
            answer = self._regions.call_at(url, "GET", path, headers=headers, timeout_s=wait_s + 15)
            document = answer_of(answer, "desired") if answer.status != 304 else None
        except (RegionAway, RegionRefused, RackError) as reason:
            log("warning", "desired-unavailable", region=url, reason=reason)
            return False
        if document is None:
            if failed and self._document is not None:
                self._bring_about(self._document)
            return True
        # A region of the release before sends all sections.
        document = {name: document[name] for name in document if name not in self._left_alone}
        self._document, self._etag = document, answer.headers.get("etag", "")
        self._bring_about(document)
        return True

    def _bring_about(self, document: dict[str, Any]) -> None:
        try:
            self.outcomes = self._apply(document)
        except OSError as reason:
            # A full disk: the daemons keep what they have, and the document is asked for again.
            log("error", "not-applied", reason=reason)
            self.trouble = f"the desired state cannot be applied: {reason.strerror or reason}"
            self._etag = ""
            self._stop.wait(_RETRY_S)
            return
        self.trouble = ""
        changed = any(outcome.changed for outcome in self.outcomes.values())
        for name, outcome in self.outcomes.items():
            if outcome.changed or not outcome.ok:
                log(
                    "info" if outcome.ok else "error",
                    "applied",
                    daemon=name,
                    ok=outcome.ok,
                    message=outcome.message or None,
                )
        daemons = {name: outcome.report() for name, outcome in self.outcomes.items()}
        report = {"generation": document.get("generation"), "daemons": daemons}
        # A repeated failure is not news.
        if report != self._reported or changed:
            try:
                self._spool.append("applied", [report])
            except SpoolFull as reason:
                # The next document or the next try is reported again.
                log("error", "applied-not-kept", reason=reason)
            else:
                self._reported = report
        if changed:
            self._stop.wait(_BREATH_S)
