# SPDX-License-Identifier: GPL-3.0-or-later
"""BIND: who may ask this resolver, where a rack forwards to, and the zones that a region serves. Source: BIND 9
Administrator Reference Manual."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rackyard.daemons import files, values
from rackyard.daemons.model import Daemon, Section, comment

# Where the files of the region's zones are; named keeps their journals beside them.
ZONES = "dns/zones"
# Nobody delegates to these zones, so the name server in them is never followed.
_NEW_ZONE = """$TTL 15
@ IN SOA localhost. hostmaster.{domain}. 1 600 60 604800 15
@ IN NS localhost.
"""


def zone_file(folder: Path, zone: str) -> Path:
    """Where a zone is kept."""
    return folder / f"{zone}.zone"


def make_zones(folder: Path, zones: Iterable[str], domain: str) -> None:
    """A file for each zone that has none: named loads no zone without. What is in them it is told by updates. Files of
    other zones go."""
    kept = {zone_file(folder, zone).name for zone in zones}
    for path in folder.iterdir():
        if path.name.removesuffix(".jnl") not in kept and path.name.endswith((".zone", ".zone.jnl")):
            path.unlink()
    for name in kept:
        if not (folder / name).exists():
            files.replace(folder / name, _NEW_ZONE.format(domain=domain).encode("ascii"))


def render(section: Section) -> bytes:
    """The ACL of trusted clients; on racks also the forwarding of everything to the regions; on regions the reverse
    zones and operators' domains, whose files are in the folder `zones`."""
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
    for zone in _zones(section, "reverse"):
        lines += _primary(section, zone)
    for zone in _zones(section, "domains"):
        # Its names may lead to hosts of which nothing is known here.
        lines += _primary(section, zone, "    check-integrity no;")
    return comment(lines, "//")


def _zones(section: Section, key: str) -> list[str]:
    return sorted({values.domain(each, f"dns.{key}") for each in values.items(section, key, "dns")})


def _primary(section: Section, zone: str, *more: str) -> list[str]:
    return [
        f'zone "{zone}" {{',
        "    type primary;",
        f'    file "{zone_file(Path(section["zones"]), zone)}";',
        "    update-policy { grant rackyard zonesub ANY; };",
        "    allow-transfer { key rackyard; };",
        *more,
        "};",
    ]


def _check(candidate: Path, workdir: Path) -> list[str]:
    wrapper = workdir / "check.conf"
    wrapper.write_text(f'options {{ directory "{workdir}"; }};\ninclude "{candidate}";\n', encoding="ascii")
    return ["/usr/bin/named-checkconf", str(wrapper)]


DAEMON = Daemon("dns", "named", "dns/named.conf", render, _check)
