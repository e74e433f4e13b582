# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine is in which boot, and which boot their disks, as a region last said it: for the loaders' questions.

The agent writes, the boot service reads. It lies in memory with the keys: a host that was off does not know what was
begun meanwhile, and sends no machine to its disk."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rackyard.daemons import files


@dataclass(frozen=True)
class _Known:
    boots: Mapping[str, str] = field(default_factory=dict)
    idle: frozenset[str] = frozenset()


class BootIndex:
    """One file, read again when it is another one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._known = _Known()

    def write(self, boots: Mapping[str, str], idle: Collection[str]) -> None:
        """Note the boot of each MAC, and the MACs of registered machines that are in none. Raises OSError."""
        found = _Known(dict(boots), frozenset(idle))
        if found != self._read():
            content = json.dumps({"boots": found.boots, "idle": sorted(found.idle)}).encode()
            files.replace(self._path, content, 0o640)

    def boot_of(self, mac: str) -> str | None:
        """The id of the boot that the machine is in."""
        return self._read().boots.get(mac)

    def is_idle(self, mac: str) -> bool:
        """Whether that is a registered machine that boots its disk."""
        return mac in self._read().idle

    def registered(self) -> frozenset[str]:
        """All MACs that are known."""
        known = self._read()
        return known.idle | known.boots.keys()

    def _read(self) -> _Known:
        try:
            found = os.stat(self._path)
            stamp = (found.st_ino, found.st_mtime_ns)
            if stamp != self._stamp:
                document = json.loads(self._path.read_bytes())
                self._known = _Known(document["boots"], frozenset(document["idle"]))
                self._stamp = stamp
        except (OSError, ValueError):
            return _Known()
        return self._known
