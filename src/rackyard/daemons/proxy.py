# SPDX-License-Identifier: GPL-3.0-or-later
"""squid: clients served, destinations refused, and the parent caches of a rack. Source: squid.conf.documented."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from rackyard.daemons import values
from rackyard.daemons.model import Daemon, Section, comment

# An ACL must have a value; nobody has this address as source or destination.
_NOBODY = IPv4Network("255.255.255.255/32")
# A translator on the way would turn an address in here into the IPv4 address in its last 32 bits (RFC 6052).
_TRANSLATED = IPv6Network("64:ff9b::/96")


def render(section: Section) -> bytes:
    """ACLs `rackyard_clients` and `rackyard_forbidden`, and one parent per region."""
    lines = _acl("rackyard_clients", "src", values.networks(section, "clients", "proxy"))
    forbidden = values.networks(section, "forbidden", "proxy")
    lines += _acl("rackyard_forbidden", "dst", [*forbidden, *_translated(forbidden)])
    for address, port in values.endpoints(section, "parents", "proxy"):
        host = values.host_in_url(address)
        lines.append(f"cache_peer {host} parent {port} 0 no-query no-digest round-robin name=region-{address}-{port}")
    return comment(lines)


def _translated(networks: list[values.Network]) -> list[values.Network]:
    """IPv4 networks in the form that NAT64 translates back."""
    base, skipped = int(_TRANSLATED.network_address), _TRANSLATED.prefixlen
    return [
        IPv6Network((base + int(entry.network_address), skipped + entry.prefixlen))
        for entry in networks
        if isinstance(entry, IPv4Network)
    ]


def _acl(name: str, kind: str, networks: list[values.Network]) -> list[str]:
    return [f"acl {name} {kind} {entry}" for entry in networks or [_NOBODY]]


def _check(candidate: Path, workdir: Path) -> list[str]:
    wrapper = workdir / "check.conf"
    wrapper.write_text(
        f"include {candidate}\n"
        "http_access deny rackyard_forbidden\nhttp_access allow rackyard_clients\nhttp_access deny all\n"
        f"http_port 127.0.0.1:8000\ncache_log {workdir}/cache.log\naccess_log none\npid_filename none\n"
        f"coredump_dir {workdir}\n",
        encoding="ascii",
    )
    return ["/usr/sbin/squid", "-k", "parse", "-f", str(wrapper)]


DAEMON = Daemon("proxy", "squid", "proxy/squid.conf", render, _check)
