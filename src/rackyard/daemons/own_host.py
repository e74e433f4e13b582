# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host is, as racks and regions tell it of themselves: processors, memory, release, SMBIOS, interfaces.

What the kernel does not show is left out or empty; a value that no contract takes counts as not shown."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rackyard_core import macs

_TIMEOUT_S = 10
_MAX_TEXT = 256
_MAX_PARENTS = 64
_MAX_MHZ = 100_000
# Debian's names of what the kernel calls its machine.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORD = re.compile(r"[a-z0-9._-]{1,64}")
# Links that are made of others (or for others), by MAAS's names, which are ip's, too.
_VIRTUAL = frozenset({"bond", "bridge", "vlan"})
# MAAS's names of what stands in /sys/class/dmi/id. Serial numbers and the UUID are for whom tmpfiles.d lets read them.
_DMI: Mapping[str, str] = {
    "system_vendor": "sys_vendor",
    "system_product": "product_name",
    "system_family": "product_family",
    "system_version": "product_version",
    "system_sku": "product_sku",
    "system_serial": "product_serial",
    "mainboard_vendor": "board_vendor",
    "mainboard_product": "board_name",
    "mainboard_serial": "board_serial",
    "mainboard_version": "board_version",
    "mainboard_firmware_vendor": "bios_vendor",
    "mainboard_firmware_date": "bios_date",
    "mainboard_firmware_version": "bios_version",
    "chassis_vendor": "chassis_vendor",
    "chassis_type": "chassis_type",
    "chassis_serial": "chassis_serial",
    "chassis_version": "chassis_version",
}


class HostUnknown(Exception):
    """The host's interfaces cannot be listed; the message says why."""


def facts(root: Path = Path("/")) -> dict[str, Any]:
    """The host as `host` of the contract `register` has it: clock rate in MHz, memory in MiB, swap space in bytes."""
    memory, release = _memory(root), _release(root)
    cpuinfo = _text(root / "proc/cpuinfo")
    hardware = {name: _line(_text(root / "sys/class/dmi/id" / file)) for name, file in _DMI.items()}
    uuid = _line(_text(root / "sys/class/dmi/id/product_uuid")).lower()
    hardware["hardware_uuid"] = uuid if _UUID.fullmatch(uuid) else ""
    hardware["cpu_model"] = _line(_first(r"^model name\s*:(.*)$", cpuinfo))
    return {
        "architecture": _ARCHITECTURES.get(platform.machine(), ""),
        "cpu_count": os.cpu_count() or 0,
        "cpu_speed_mhz": _clock_mhz(root, cpuinfo),
        "memory_mib": memory.get("MemTotal", 0) // 1024,
        **({"swap_bytes": memory["SwapTotal"] * 1024} if "SwapTotal" in memory else {}),
        "osystem": release.get("ID", ""),
        "distro_series": release.get("VERSION_CODENAME", ""),
        "hardware": {name: text for name, text in hardware.items() if text},
    }


def interfaces(root: Path = Path("/")) -> list[dict[str, Any]]:
    """Interfaces with a MAC and their global addresses, from ip(8) and sysfs. Raises HostUnknown with ip's words."""
    try:
        done = subprocess.run(
            ["ip", "-json", "-details", "address", "show"],
            capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as reason:
        raise HostUnknown(f"ip cannot be run: {reason}") from reason
    try:
        links = json.loads(done.stdout)
    except ValueError as reason:
        raise HostUnknown(f"ip does not list the interfaces: {done.stderr.strip() or reason}") from reason
    return parse_interfaces(links, lambda name: _number(_text(root / "sys/class/net" / name / "speed")))


def parse_interfaces(
    links: list[dict[str, Any]], speed_mbps: Callable[[str], int] = lambda _name: 0
) -> list[dict[str, Any]]:
    """Shape the output of `ip -json -details address show`: loopback and link-local addresses are left out.

    So are IPv6 addresses that come and go by themselves (RFC 8981) or are on their way out: each change would reload
    daemons everywhere. One that a person set is kept, also when it is no source address (`preferred_lft 0`). Links of
    containers and tunnels, which come and go as well, are told of only while they have an address.
    """
    found = []
    for link in links:
        flags, kind = link.get("flags", []), link.get("linkinfo", {}).get("info_kind", "")
        if not macs.is_normal(link.get("address")) or "LOOPBACK" in flags:
            continue
        addresses = [
            f"{address['local']}/{address['prefixlen']}"
            for address in link.get("addr_info", [])
            if address.get("scope") == "global" and "local" in address
            if not (address.get("temporary") or (address.get("deprecated") and address.get("dynamic")))
        ]
        if kind and kind not in _VIRTUAL and not addresses:
            continue
        found.append(
            {
                "name": link["ifname"],
                "mac": link["address"],
                "addresses": addresses,
                "type": kind if kind in _VIRTUAL else "physical",
                "enabled": "UP" in flags,
                "link_connected": "LOWER_UP" in flags,
                "link_speed_mbps": max(0, speed_mbps(link["ifname"])),
                "mtu": link.get("mtu", 0),
                "parents": sorted(_parents(link, kind, links))[:_MAX_PARENTS],
            }
        )
    told = {each["name"] for each in found}
    return [{**each, "parents": [name for name in each["parents"] if name in told]} for each in found]


def _parents(link: Mapping[str, Any], kind: str, links: list[dict[str, Any]]) -> Iterator[str]:
    """What a VLAN's link is on, and the ports of a bond or a bridge."""
    if kind == "vlan" and "link" in link:
        yield link["link"]
    elif kind in _VIRTUAL:
        yield from (each["ifname"] for each in links if each.get("master") == link["ifname"])


def _clock_mhz(root: Path, cpuinfo: str) -> int:
    """The highest rate, or where nothing changes it the one that it has."""
    highest = _number(_text(root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")) // 1000
    return min(highest or _number(_first(r"^cpu MHz\s*:\s*(\d+)", cpuinfo)), _MAX_MHZ)


def _memory(root: Path) -> dict[str, int]:
    """What the kernel has, in KiB."""
    return {name: int(kib) for name, kib in re.findall(r"^(\w+):\s+(\d+) kB$", _text(root / "proc/meminfo"), re.M)}


def _release(root: Path) -> dict[str, str]:
    """Words of os-release(5): a value in quotes or without."""
    lines = re.findall(r"""^(\w+)=["']?([^"'\n]*)["']?$""", _text(root / "etc/os-release"), re.M)
    return {name: text for name, text in lines if _WORD.fullmatch(text)}


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.M)
    return found[1] if found else ""


def _number(text: str) -> int:
    found = re.fullmatch(r"-?\d{1,18}", text.strip())
    return int(found[0]) if found else 0


def _line(text: str) -> str:
    return "".join(char for char in text.strip() if char.isprintable())[:_MAX_TEXT]


def _text(path: Path) -> str:
    """Empty where there is nothing, or where it is not for us."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
