# SPDX-License-Identifier: GPL-3.0-or-later
"""What the boot service saw, on its way to the agent: a directory that the one writes and the other empties.

The boot service faces machines and runs as a user of its own. So the agent takes nothing for granted here: it reads
plain files of bounded size, and of what they say only that a boot configuration or metadata was given."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rackyard.daemons import files
from rackyard.rack.log import log
from rackyard.rack.spool import Spool

# Machines cause these files, so they could fill the disk with them.
MAX_FILES = 5000
_MAX_BYTES = 4096
_PASS_S = 0.5
_COMMON = {"key", "at", "type", "ip", "detail", "daemon"}
# Metadata is asked for by address, a boot configuration by MAC.
_FIELDS = {"boot-config": _COMMON | {"mac"}, "metadata": _COMMON}


def write(directory: Path, event: dict[str, str]) -> bool:
    """Keep one event for the agent; on disk when this returns. False when too many wait."""
    if len(os.listdir(directory)) >= MAX_FILES:
        return False
    # Sorted by time; two at the same moment may come in any order.
    name = f"{event['at']}-{uuid.uuid4().hex[:8]}.json"
    files.replace(directory / name, json.dumps(event).encode(), 0o640)
    return True


def collect(directory: Path, spool: Spool) -> int:
    """Move what waits into the agent's spool; how many events. What is no such event is thrown away."""
    taken = 0
    for path in _waiting(directory):
        event = _read(path)
        if event is not None:
            if not spool.append("events", [event]):
                break
            taken += 1
        with contextlib.suppress(OSError):  # a directory, if the boot service is not what it was
            path.unlink()
            if event is None:
                log("warning", "boot-evidence-unusable", file=path.name[:80])
    return taken


def follow(directory: Path, spool: Spool, stop: threading.Event, told: Callable[[], None] = lambda: None) -> None:
    """Collect until stopped; ``told`` hears when there was something."""
    complaint = ""
    while not stop.is_set():
        try:
            if collect(directory, spool):
                told()
            complaint = ""
        except OSError as reason:
            if str(reason) != complaint:
                complaint = str(reason)
                log("error", "boot-evidence-unreadable", directory=directory, reason=reason)
        stop.wait(_PASS_S)


def _waiting(directory: Path) -> Iterator[Path]:
    try:
        names = sorted(name for name in os.listdir(directory) if not name.startswith("."))
    except FileNotFoundError:  # no boot service on this host
        return
    for name in names[:MAX_FILES]:
        yield directory / name


def _read(path: Path) -> dict[str, Any] | None:
    try:
        # A link would be followed with the agent's rights, and a pipe would keep it waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        content = os.read(descriptor, _MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    try:
        event = json.loads(content) if len(content) <= _MAX_BYTES else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not all(isinstance(each, str) for each in event.values()):
        return None
    return event if event.get("daemon") == "boot" and event.keys() == _FIELDS.get(event.get("type", "")) else None
