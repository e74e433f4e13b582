# SPDX-License-Identifier: GPL-3.0-or-later
"""chrony: where the time comes from, and who may ask. Source: chrony.conf(5)."""

from __future__ import annotations

from pathlib import Path

from rackyard.daemons import values
from rackyard.daemons.model import Daemon, Section, comment


def render(section: Section) -> bytes:
    """Servers in the order given, clients sorted."""
    lines = [f"server {address} iburst" for address in values.addresses(section, "servers", "ntp")]
    lines += [f"allow {entry}" for entry in values.networks(section, "clients", "ntp")]
    return comment(lines)


def _check(candidate: Path, workdir: Path) -> list[str]:
    return ["/usr/sbin/chronyd", "-p", "-f", str(candidate)]


DAEMON = Daemon("ntp", "chrony", "ntp/chrony.conf", render, _check)
