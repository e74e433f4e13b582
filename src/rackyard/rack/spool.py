# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports waiting on disk for a region: in order, across restarts, each removed only when a region has taken it.

A directory of small files whose names sort by time. Agent and boot service write to the same one; the agent sends.
Regions know each report by its key (or job id), so sending one twice is harmless.
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


@dataclass(frozen=True)
class Batch:
    """Consecutive reports of one kind, and the files they came from."""

    kind: str
    items: tuple[dict[str, Any], ...]
    paths: tuple[Path, ...]


class Spool:
    """Writer and reader of one spool directory."""

    def __init__(self, directory: Path, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._directory = directory
        self._rejected = directory / "rejected"
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._last_ns = 0
        self.written = threading.Event()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in self._paths():
            self._last_ns = max(self._last_ns, int(path.name.split("-", 1)[0]))

    def append(self, kind: str, items: Sequence[dict[str, Any]]) -> bool:
        """Keep reports of one kind as one file; on disk when this returns. False when events are too many."""
        if not items:
            return True
        if kind == "events" and len(self._paths()) >= MAX_EVENT_FILES:
            return False
        with self._lock:
            # A clock that steps back must not reorder what this process writes.
            self._last_ns = max(self._last_ns + 1, self._now_ns())
            name = f"{self._last_ns:020d}-{os.getpid()}.json"
        content = json.dumps({"kind": kind, "items": list(items)}, separators=(",", ":")).encode()
        files.replace(self._directory / name, content, 0o600)
        self.written.set()
        return True

    def batches(self) -> Iterator[Batch]:
        """What waits, oldest first, consecutive reports of one kind together."""
        kind = ""
        items: list[dict[str, Any]] = []
        paths: list[Path] = []
        for path in self._paths():
            entry = self._read(path)
            if entry is None:
                continue
            if paths and (entry["kind"] != kind or len(items) + len(entry["items"]) > MAX_BATCH):
                yield Batch(kind, tuple(items), tuple(paths))
                items, paths = [], []
            kind = entry["kind"]
            items.extend(entry["items"])
            paths.append(path)
        if paths:
            yield Batch(kind, tuple(items), tuple(paths))

    def done(self, batch: Batch) -> None:
        """A region has taken the batch."""
        for path in batch.paths:
            path.unlink(missing_ok=True)

    def split(self, batch: Batch) -> Iterator[Batch]:
        """The batch as one batch per file, to find the one that a region refuses."""
        for path in batch.paths:
            entry = self._read(path)
            if entry is not None:
                yield Batch(entry["kind"], tuple(entry["items"]), (path,))

    def reject(self, batch: Batch) -> None:
        """A region will never take the batch: put it aside, so that what comes after is not held up."""
        self._rejected.mkdir(exist_ok=True, mode=0o700)
        for path in batch.paths:
            path.replace(self._rejected / path.name)
        for old in sorted(self._rejected.iterdir())[:-1000]:
            old.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._paths())

    def _paths(self) -> list[Path]:
        names = [name for name in os.listdir(self._directory) if name.endswith(".json") and name[:20].isdigit()]
        return [self._directory / name for name in sorted(names)]

    def _read(self, path: Path) -> dict[str, Any] | None:
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
