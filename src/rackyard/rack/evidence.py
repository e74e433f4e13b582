# SPDX-License-Identifier: GPL-3.0-or-later
"""From daemon log lines to what a region is told: leases, loaders fetched, images fetched. Pure.

Machines choose file names and URLs, so nothing of them is passed on that is not plain; everything else is counted odd.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from rackyard_core import macs

IDENTIFIERS = ("dhcpd", "in.tftpd", "rackyard_http")
_MAX_MESSAGE = 4096

# dhcpd writes the octets of a MAC without leading zeros.
_LEASE = re.compile(
    r"rackyard-lease (?P<action>commit|release|expiry) (?P<ip>[0-9a-fA-F.:]{2,45}) "
    r"(?P<mac>[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}) (?P<seconds>[0-9]{1,10})"
)
_RRQ = re.compile(r"RRQ from (?P<ip>[0-9a-fA-F.:]{2,45})(?:%[\w.-]+)? filename (?P<file>.*)", re.DOTALL)
_PLAIN_PATH = re.compile(r"/?[A-Za-z0-9_][A-Za-z0-9._-]{0,63}(?:/[A-Za-z0-9_][A-Za-z0-9._-]{0,63}){0,8}")
_LOADER = re.compile(r"(?:.*/)?[A-Za-z0-9._-]+\.(?:efi|0|c32|bin|kpxe|signed)")
# shim and GRUB look for these and do without; they say nothing about a boot.
_PROBE = re.compile(r"(?:.*/)?(?:revocations\w*|shim_certificate\w*|fb\w*|mm\w*)\.efi")
_IMAGE = re.compile(r"/images/[A-Za-z0-9._/-]{1,300}")
_LOADER_URLS = ("/ipxe.cfg",)


@dataclass(frozen=True)
class Evidence:
    """One report: ``kind`` is events or leases; ``item`` is what the RPC takes."""

    kind: str
    item: dict[str, Any]


def from_journal(entry: Mapping[str, Any]) -> Evidence | None:
    """One journal entry (`journalctl -o json`) as evidence, or None when it says nothing of interest."""
    message = _text(entry.get("MESSAGE"))
    reader = {"dhcpd": _dhcpd, "in.tftpd": _tftpd, "rackyard_http": _nginx}.get(str(entry.get("SYSLOG_IDENTIFIER")))
    found = reader(message) if message and reader is not None else None
    return None if found is None else _dated(entry, found)


def lease(entry: Mapping[str, Any], action: str, ip: str, mac: str, seconds: int) -> Evidence | None:
    """A lease event that a journal entry tells of, or None when its address or its time is none."""
    found = _lease(action, ip, mac, seconds)
    return None if found is None else _dated(entry, found)


def _dated(entry: Mapping[str, Any], found: Evidence) -> Evidence | None:
    key = hashlib.sha256(str(entry.get("__CURSOR", "")).encode()).hexdigest()[:32]
    at = _time(entry.get("__REALTIME_TIMESTAMP"))
    return None if at is None else Evidence(found.kind, {"key": key, "at": at, **found.item})


def _dhcpd(message: str) -> Evidence | None:
    match = _LEASE.fullmatch(message.strip())
    if match is None:
        return None
    return _lease(match["action"], match["ip"], macs.of_octets(match["mac"]), int(match["seconds"]))


def _lease(action: str, text: str, mac: str, seconds: int) -> Evidence | None:
    ip = _ip(text)
    if ip is None:
        return None
    return Evidence("leases", {"action": action, "ip": ip, "mac": mac, "lease_s": min(seconds, 2**32 - 1)})


def _tftpd(message: str) -> Evidence | None:
    match = _RRQ.fullmatch(message.strip())
    ip = _ip(match["ip"]) if match else None
    if match is None or ip is None:
        return None
    name = match["file"].split(" remapped to ", 1)[0].replace("\\", "/")
    if not _PLAIN_PATH.fullmatch(name) or not _LOADER.fullmatch(name) or _PROBE.fullmatch(name):
        return None
    return Evidence("events", _event("loader", ip, f"{name.lstrip('/')} by TFTP", "in.tftpd"))


def _nginx(message: str) -> Evidence | None:
    try:
        line = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict) or line.get("method") != "GET" or line.get("status") not in (200, 206):
        return None
    ip = _ip(line.get("remote"))
    path = str(line.get("uri", "")).split("?", 1)[0]
    if ip is None or not _PLAIN_PATH.fullmatch(path):
        return None
    if _IMAGE.fullmatch(path) and line.get("complete") == "OK":
        name, size_bytes = path.rsplit("/", 1)[-1], _number(line.get("bytes"))
        detail = f"{name}, {size_bytes / 2**20:.1f} MiB in {_number(line.get('seconds')):.1f} s"
        return Evidence("events", _event("image", ip, detail, "nginx"))
    if path in _LOADER_URLS or (_LOADER.fullmatch(path) and not _PROBE.fullmatch(path)):
        return Evidence("events", _event("loader", ip, f"{path} by HTTP", "nginx"))
    return None


def _event(kind: str, ip: str, detail: str, daemon: str) -> dict[str, Any]:
    return {"type": kind, "ip": ip, "detail": detail, "daemon": daemon}


def _text(message: Any) -> str:
    """The message; journald gives a list of byte values when it is not UTF-8."""
    if isinstance(message, list):
        try:
            message = bytes(message[:_MAX_MESSAGE]).decode("utf-8", "replace")
        except (ValueError, TypeError):
            return ""
    return message if isinstance(message, str) and len(message) <= _MAX_MESSAGE else ""


def _time(microseconds: Any) -> str | None:
    try:
        return datetime.fromtimestamp(int(microseconds) / 1_000_000, UTC).isoformat()
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _ip(text: Any) -> str | None:
    """The address in its usual form; IPv4 mapped into IPv6 becomes IPv4."""
    try:
        address = ip_address(str(text))
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _number(value: Any) -> float:
    return min(value, 1e15) if isinstance(value, (int, float)) else 0.0
