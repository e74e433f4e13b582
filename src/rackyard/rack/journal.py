# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows the journal of dhcpd, in.tftpd and nginx. The cursor is stored only after its evidence is in the spool.

So a crash makes lines be read twice, never lost; a region knows a report by its key, which comes from the cursor.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rackyard.daemons import files
from rackyard.rack import evidence
from rackyard.rack.evidence6 import Dhcp6Log
from rackyard.rack.log import log
from rackyard.rack.spool import Spool, SpoolFull

_BATCH_S = 0.25
_BATCH_LINES = 500
_RESTART_S = 2.0
_FULL_S = 5.0
_MAX_LINE_BYTES = 64 * 1024


class JournalFollower:
    """One thread over `journalctl --follow`. ``leased`` hears which address was given to which MAC."""

    def __init__(
        self,
        spool: Spool,
        cursor_file: Path,
        stop: threading.Event,
        leased: Callable[[str, str], None] = lambda _address, _mac: None,
    ) -> None:
        self._spool = spool
        self._cursor_file = cursor_file
        self._stop = stop
        self._leased = leased
        self._macs: dict[str, str] = {}
        self._dhcp6 = Dhcp6Log()

    def run(self) -> None:
        """Until stopped; journalctl is started again when it ends."""
        while not self._stop.is_set():
            began = time.monotonic()
            child = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
            assert child.stdout is not None
            try:
                for lines in _batches(child.stdout.fileno(), self._stop):
                    self.take(lines)
            finally:
                child.kill()
                status = child.wait()
                child.stdout.close()
            if self._stop.is_set():
                return
            log("warning", "journalctl-ended", status=status)
            if time.monotonic() - began < 1.0:
                # The journal was rotated away from under the cursor: read the last minutes again.
                self._cursor_file.unlink(missing_ok=True)
            self._stop.wait(_RESTART_S)

    def command(self) -> list[str]:
        """The command line, from the stored cursor on; without one, from some minutes ago."""
        cursor = files.read(self._cursor_file)
        start = f"--after-cursor={cursor.decode()}" if cursor else "--since=-5min"
        identifiers = [f"--identifier={name}" for name in evidence.IDENTIFIERS]
        fields = "--output-fields=MESSAGE,SYSLOG_IDENTIFIER"
        # Without --merge, --follow shows this boot only: evidence written before a restart of the host would be lost,
        # and in the sandbox of a container, whose /proc has another boot id, everything.
        return [
            *("journalctl", "--follow", "--no-tail", "--merge", "--no-pager", "--output=json"),
            *(fields, *identifiers, start),
        ]

    def take(self, lines: list[bytes]) -> None:
        """Spool the evidence of some journal lines, then store the last cursor."""
        cursor = ""
        runs: list[tuple[str, list[dict[str, object]]]] = []
        for line in lines:
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            cursor = str(entry.get("__CURSOR", cursor))
            found = evidence.from_journal(entry) or self._dhcp6.read(entry)
            if found is None:
                continue
            if not runs or runs[-1][0] != found.kind:
                runs.append((found.kind, []))
            runs[-1][1].append(self._with_mac(found))
        if not all(self._keep(kind, items) for kind, items in runs):
            return
        if cursor:
            try:
                files.replace(self._cursor_file, cursor.encode(), 0o600)
            except OSError as reason:
                # After a restart these lines are read again, and known by their keys.
                log("warning", "cursor-not-kept", reason=reason)

    def _keep(self, kind: str, items: list[dict[str, object]]) -> bool:
        """Spool the evidence. While the disk is full it stays in the journal, and so does all that comes after it.

        False when the agent stops meanwhile."""
        while not self._stop.is_set():
            try:
                if not self._spool.append(kind, items):
                    log("error", "events-dropped", count=len(items), reason="the spool is full; is a region reachable?")
                return True
            except SpoolFull as reason:
                log("error", "evidence-waits", kind=kind, count=len(items), reason=reason)
                self._stop.wait(_FULL_S)
        return False

    def _with_mac(self, found: evidence.Evidence) -> dict[str, object]:
        """Remember who has which address from the leases; it tells who fetched a file."""
        item = found.item
        if found.kind == "leases":
            if item["action"] == "commit":
                self._macs[item["ip"]] = item["mac"]
                self._leased(item["ip"], item["mac"])
                if len(self._macs) > 10_000:
                    self._macs.pop(next(iter(self._macs)))
            else:
                self._macs.pop(item["ip"], None)
            return item
        mac = self._macs.get(item["ip"])
        return item if mac is None else {**item, "mac": mac}


def _batches(descriptor: int, stop: threading.Event) -> Iterator[list[bytes]]:
    """Complete lines as they come, a little collected; ends with the stream or when stopped."""
    rest = b""
    lines: list[bytes] = []
    deadline = 0.0
    while not stop.is_set():
        wait_s = max(0.0, deadline - time.monotonic()) if lines else 0.5
        if select.select([descriptor], [], [], wait_s)[0]:
            chunk = os.read(descriptor, 65536)
            if not chunk:
                break
            *complete, rest = (rest + chunk).split(b"\n")
            if complete and not lines:
                deadline = time.monotonic() + _BATCH_S
            lines.extend(complete)
            # An endless line is nobody's evidence.
            rest = rest if len(rest) <= _MAX_LINE_BYTES else b""
        if lines and (len(lines) >= _BATCH_LINES or time.monotonic() >= deadline):
            yield lines
            lines = []
    if lines:
        yield lines
