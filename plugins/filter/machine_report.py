# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plain-text reports about a machine: its boot timeline and the hardware found in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

GIB = 1024**3


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table whose columns are as wide as their widest cell; the last column is not padded."""
    cells = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def human_size(size_bytes: int) -> str:
    """A size in binary units, as exact as a disk label: ``4 GiB``, ``2.5 GiB``, ``512 MiB``."""
    for unit, factor in (("TiB", GIB * 1024), ("GiB", GIB), ("MiB", 1024**2), ("KiB", 1024)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f}".removesuffix(".0") + f" {unit}"
    return f"{size_bytes} B"


def seconds(value: float | None) -> str:
    """A duration for a table cell; empty when nothing was measured."""
    return "" if value is None else f"{value:.1f} s"


def clock(timestamp: str | None) -> str:
    """The time of day (UTC, to the second) of an ISO 8601 timestamp; ``-`` when there is none."""
    return "-" if not timestamp else timestamp.split("T")[-1][:8]


def boot_timeline(timeline: Mapping[str, Any]) -> str:
    """The boot timeline of one machine as text: one row for each of the twelve steps.

    :param timeline: the answer of the region's ``op=boot_timeline``.
    """
    rows = [
        (
            str(step["step"]),
            step["title"],
            step["by"] or "-",
            clock(step["at"]),
            seconds(step["took_seconds"]),
            step["outcome"],
            step["detail"] or "",
        )
        for step in timeline["steps"]
    ]
    lines = [f"{timeline['hostname']} ({timeline['system_id']}): {timeline['purpose']} {timeline['outcome']}"]
    lines += table(("#", "step", "by", "at (UTC)", "took", "outcome", "detail"), rows)
    if timeline.get("diagnosis"):
        lines.append(f"diagnosis: {timeline['diagnosis']}")
    return "\n".join(lines)


def _link(interface: Mapping[str, Any]) -> str:
    """Link state and speed (Mbit/s) of one interface."""
    if not interface.get("link_connected"):
        return "down"
    speed = interface.get("link_speed") or 0
    return f"up {speed} Mbit/s" if speed else "up"


def _neighbour(interface: Mapping[str, Any]) -> str:
    """Switch and port that LLDP found behind one interface."""
    lldp = interface.get("lldp") or {}
    if not lldp:
        return "-"
    return f"{lldp.get('chassis_name') or lldp.get('chassis_id')} port {lldp.get('port_id')}"


def hardware(machine: Mapping[str, Any]) -> str:
    """The hardware found in one machine as text.

    :param machine: the machine object of the region's API.
    """
    info = machine.get("hardware_info") or {}
    firmware = " ".join(
        word
        for word in (
            machine.get("bios_boot_method") or "",
            "(Secure Boot on)" if machine.get("secure_boot") else "",
            info.get("mainboard_firmware_vendor") or "",
            info.get("mainboard_firmware_version") or "",
        )
        if word
    )
    lines = [
        f"system    {info.get('system_vendor') or '?'} {info.get('system_product') or '?'}"
        f", serial {info.get('system_serial') or '?'}",
        f"firmware  {firmware or '?'}",
        f"CPU       {machine['cpu_count']} x {info.get('cpu_model') or '?'}",
        f"memory    {machine['memory']} MiB",
        f"power     {machine['power_state']}",
    ]
    disks = [
        (disk["name"], human_size(int(disk["size"])), disk.get("serial") or "-", disk.get("model") or "-")
        for disk in machine["physicalblockdevice_set"]
    ]
    nics = [
        (nic["name"], nic["mac_address"], _link(nic), _neighbour(nic), nic.get("product") or "-")
        for nic in machine["interface_set"]
    ]
    lines += ["", *table(("disk", "size", "serial", "model"), disks)]
    lines += ["", *table(("NIC", "MAC", "link", "LLDP neighbour", "product"), nics)]
    return "\n".join(lines)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Names as used in templates."""
        return {"boot_timeline": boot_timeline, "hardware": hardware}
