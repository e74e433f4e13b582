# SPDX-License-Identifier: GPL-3.0-or-later
"""How a machine's hardware differs from what the commissioning before found."""

from __future__ import annotations

from rackyard.region.db.machines.facts import Counted

# Another kernel keeps back other amounts of what it is given; no memory module is as small as that.
_NO_MODULE_MIB = 128


def changes(before: Counted, now: Counted) -> list[str]:
    """What is new, gone or other than before, each in words; what has only moved to another slot is none of it."""
    told = []
    if before.cpu_count != now.cpu_count:
        told.append(f"{now.cpu_count} CPUs instead of {before.cpu_count}")
    if abs(before.memory_mib - now.memory_mib) >= _NO_MODULE_MIB:
        told.append(f"{now.memory_mib} MiB memory instead of {before.memory_mib}")
    if before.system_serial != now.system_serial:
        told.append(f"serial number {now.system_serial or 'unknown'} instead of {before.system_serial or 'unknown'}")
    told += _of_set("disk", before.disks, before.disks, now.disks)
    return told + _of_set("NIC", before.macs, before.macs + before.declared_macs, now.macs)


def _of_set(kind: str, had: list[str], known: list[str], has: list[str]) -> list[str]:
    gone = [f"{kind} {name} is gone" for name in sorted(set(had) - set(has))]
    return gone + [f"{kind} {name} is new" for name in sorted(set(has) - set(known))]
