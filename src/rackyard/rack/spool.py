# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports waiting on disk for a region: in order, across restarts, each removed only when a region has taken it.

A directory of small files whose names sort by time, written and sent by the agent.
Regions know each report by its key (or job id), so sending one twice is harmless.
When the disk is full, the agent keeps the results of jobs in memory: regions wait for them.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rackyard.daemons import files

# Machines cause events, so they could fill the disk with them; results and leases are bounded by what the rack does.
MAX_EVENT_FILES = 20_000
MAX_BATCH = 200
MAX_REJECTED = 1000
# What may wait in memory while the disk is full. Evidence may not: it stays in the journal until there is room.
_KEPT_KINDS = frozenset({"result", "applied"})
_MAX_KEPT = 10_000


class SpoolFull(OSError):
    """The disk takes no more; the report was not kept."""


@dataclass(frozen=True)
class Batch:
    """Consecutive reports of one kind, and the entries (file names) that they came from."""

    kind: str
    items: tuple[dict[str, Any], ...]
    names: tuple[str, ...]


class Spool:
    """Writer and reader of one spool directory. ``keeps`` is for the process that also sends."""

    def __init__(self, directory: Path, now_ns: Callable[[], int] = time.time_ns, *, keeps: bool = False) -> None:
        self._directory = directory
        self._rejected = directory / "rejected"
        self._now_ns = now_ns
        self._keeps = keeps
        self._lock = threading.Lock()
        self._last_ns = 0
        self._kept: dict[str, dict[str, Any]] = {}
        self.trouble = ""
        self.written = threading.Event()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in self._names():
            self._last_ns = max(self._last_ns, int(name.split("-", 1)[0]))

    def append(self, kind: str, items: Sequence[dict[str, Any]]) -> bool:
        """Keep reports of one kind as one entry; safe when this returns. False when events are too many.

        Raises SpoolFull when the disk takes nothing and the report may not wait in memory.
        """
        if not items:
            return True
        if kind == "events" and len(self._names()) >= MAX_EVENT_FILES:
            return False
        with self._lock:
            # A clock that steps back must not reorder what this process writes.
            self._last_ns = max(self._last_ns + 1, self._now_ns())
            name = f"{self._last_ns:020d}-{os.getpid()}.json"
        entry = {"kind": kind, "items": list(items)}
        try:
            files.replace(self._directory / name, json.dumps(entry, separators=(",", ":")).encode(), 0o600)
            self.trouble = ""
        except OSError as reason:
            self.trouble = f"{self._directory} takes no reports: {reason.strerror or reason}"
            if not self._keeps or kind not in _KEPT_KINDS or len(self._kept) >= _MAX_KEPT:
                raise SpoolFull(self.trouble) from reason
            with self._lock:
                self._kept[name] = entry
        self.written.set()
        return True

    def batches(self) -> Iterator[Batch]:
        """What waits, oldest first, consecutive reports of one kind together."""
        kind = ""
        items: list[dict[str, Any]] = []
        names: list[str] = []
        for name in self._names():
            entry = self._read(name)
            if entry is None:
                continue
            if names and (entry["kind"] != kind or len(items) + len(entry["items"]) > MAX_BATCH):
                yield Batch(kind, tuple(items), tuple(names))
                items, names = [], []
            kind = entry["kind"]
            items.extend(entry["items"])
            names.append(name)
        if names:
            yield Batch(kind, tuple(items), tuple(names))

    def waiting(self, kind: str) -> Iterator[dict[str, Any]]:
        """The reports of one kind that wait."""
        for batch in self.batches():
            if batch.kind == kind:
                yield from batch.items

    def done(self, batch: Batch) -> None:
        """A region has taken the batch, or will never take what is left of it."""
        for name in batch.names:
            with self._lock:
                self._kept.pop(name, None)
            (self._directory / name).unlink(missing_ok=True)

    def reject(self, kind: str, item: dict[str, Any], reason: str) -> None:
        """A region will never take this report: put it aside with the region's words, for people to look at."""
        content = json.dumps({"kind": kind, "items": [item], "reason": reason}, separators=(",", ":")).encode()
        with self._lock:
            self._last_ns = max(self._last_ns + 1, self._now_ns())
            name = f"{self._last_ns:020d}-{os.getpid()}.json"
        try:
            self._rejected.mkdir(exist_ok=True, mode=0o700)
            files.replace(self._rejected / name, content, 0o600)
            for old in sorted(self._rejected.iterdir())[:-MAX_REJECTED]:
                old.unlink(missing_ok=True)
        except OSError as trouble:
            # It is in the log, and what comes after it must not be held up.
            self.trouble = f"{self._rejected} takes no reports: {trouble.strerror or trouble}"

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        found = {name for name in os.listdir(self._directory) if name.endswith(".json") and name[:20].isdigit()}
        with self._lock:
            found.update(self._kept)
        return sorted(found)

    def _read(self, name: str) -> dict[str, Any] | None:
        with self._lock:
            kept = self._kept.get(name)
        if kept is not None:
            return kept
        path = self._directory / name
        try:
            entry = json.loads(path.read_bytes())
            if isinstance(entry["kind"], str) and isinstance(entry["items"], list):
                return dict(entry)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            pass
        # Damaged by a full or failing disk: nothing can be saved, and nothing else may wait for it.
        path.replace(path.with_suffix(".damaged"))
        return None
