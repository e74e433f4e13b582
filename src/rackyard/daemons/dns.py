# SPDX-License-Identifier: GPL-3.0-or-later
"""BIND: who may ask this resolver, and where a rack forwards to. Source: BIND 9 Administrator Reference Manual."""

from __future__ import annotations

from pathlib import Path

from rackyard.daemons import values
from rackyard.daemons.model import Daemon, Section, comment


def render(section: Section) -> bytes:
    """The ACL of trusted clients; on racks also the forwarding of everything to the regions."""
    trusted = values.networks(section, "trusted", "dns")
    forwarders = values.addresses(section, "forwarders", "dns")
    lines = [
        "acl rackyard_trusted {",
        *[f"    {entry};" for entry in trusted],
        *([] if trusted else ["    none;"]),
        "};",
    ]
    if forwarders:
        lines += [
            'zone "." {',
            "    type forward;",
            "    forward only;",
            "    forwarders { " + " ".join(f"{entry};" for entry in forwarders) + " };",
            "};",
        ]
    return comment(lines, "//")


def _check(candidate: Path, workdir: Path) -> list[str]:
    wrapper = workdir / "check.conf"
    wrapper.write_text(f'options {{ directory "{workdir}"; }};\ninclude "{candidate}";\n', encoding="ascii")
    return ["/usr/bin/named-checkconf", str(wrapper)]


DAEMON = Daemon("dns", "named", "dns/named.conf", render, _check)
