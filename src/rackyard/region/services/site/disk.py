# SPDX-License-Identifier: GPL-3.0-or-later
"""What a region host keeps in files beside the database, and which variable of a role limits it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rackyard.region.context import Context
from rackyard.region.services.site import images

# Where role syslog stores what machines log unless told otherwise; the service itself never looks into it.
MACHINE_LOGS = Path("/var/log/rackyard/machines")


def usage(ctx: Context, logs: Path = MACHINE_LOGS) -> dict[str, dict[str, Any]]:
    """MiB on this host's disks; None for what this user may not read, 0 for what is not there."""
    return {
        "images": {
            "registered": len(images.list_all(ctx)),
            "mib": _mib(ctx.config.images),
            "kept by": "boot_image_keep, of each release",
        },
        "machine logs": {
            "machines": _entries(logs),
            "mib": _mib(logs),
            "kept by": "syslog_keep_days, syslog_machine_mib, syslog_total_mib",
        },
    }


def _entries(directory: Path) -> int | None:
    try:
        return len(os.listdir(directory)) if directory.exists() else 0
    except PermissionError:
        return None


def _mib(directory: Path) -> float | None:
    """Space that the files below take, as `du` counts it; one that goes meanwhile takes none."""
    size_bytes = 0
    try:
        for folder, _folders, names in os.walk(directory, onerror=_unless_gone):
            for name in names:
                size_bytes += _blocks(Path(folder, name))
    except PermissionError:
        return None
    return round(size_bytes / 2**20, 1)


def _blocks(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:
        return 0


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
