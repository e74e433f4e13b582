# SPDX-License-Identifier: GPL-3.0-or-later
"""RFC 2136 updates of the internal domain, signed with TSIG (dnspython 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.tsigkeyring
import dns.update
import dns.zone

from rackyard.region.errors import RackyardError, Unavailable
from rackyard.region.services.racks.names import TTL_S, Change, differences, record_type

TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Key:
    """A TSIG key as `tsig-keygen` prints it."""

    name: str
    algorithm: str
    secret: str


@dataclass(frozen=True)
class Server:
    """The name server of the zone, the zone, and the key for both transfer and update."""

    address: str
    port: int
    zone: str
    key: Key


def read_key(path: Path) -> Key:
    """The key of a named key file. Raises RackyardError when the file is not one."""
    try:
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise RackyardError(f"cannot read the TSIG key {path}: {error.strerror}; run the region playbook") from None
    words = text.replace("{", " { ").replace(";", " ; ").replace('"', " ").split()
    try:
        name = words[words.index("key") + 1]
        algorithm = words[words.index("algorithm") + 1]
        secret = words[words.index("secret") + 1]
    except (ValueError, IndexError):
        raise RackyardError(f"{path} is not a named key file; make it with `tsig-keygen`") from None
    return Key(name, algorithm, secret)


def reconcile(server: Server, desired: Mapping[str, frozenset[str]]) -> list[Change]:
    """Make the zone hold `desired` (label → addresses) and return what was changed.

    Raises Unavailable when the name server does not answer or refuses."""
    try:
        changes = differences(desired, _current(server))
        if changes:
            _send(server, changes)
    except (dns.exception.DNSException, OSError, EOFError) as error:
        raise Unavailable(
            f"name server {server.address} port {server.port} did not take the update of {server.zone}: "
            f"{type(error).__name__} {error}; look at `journalctl -u named` and its allow-update/allow-transfer"
        ) from error
    return changes


def _keyring(key: Key) -> dict[dns.name.Name, dns.tsig.Key]:
    name = dns.name.from_text(key.name)
    return {name: dns.tsig.Key(name, key.secret, dns.name.from_text(key.algorithm))}


def _current(server: Server) -> dict[str, frozenset[str]]:
    zone = dns.zone.Zone(dns.name.from_text(server.zone), relativize=True)
    request = dns.message.make_query(server.zone, dns.rdatatype.AXFR)
    request.use_tsig(_keyring(server.key))
    dns.query.inbound_xfr(server.address, zone, request, port=server.port, timeout=TIMEOUT_S, lifetime=2 * TIMEOUT_S)
    current: dict[str, set[str]] = {}
    for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
        for name, _ttl, rdata in zone.iterate_rdatas(kind):
            current.setdefault(name.to_text(), set()).add(rdata.to_text())
    return {label: frozenset(addresses) for label, addresses in current.items()}


def _send(server: Server, changes: list[Change]) -> None:
    update = dns.update.UpdateMessage(server.zone)
    update.use_tsig(_keyring(server.key))
    for change in changes:
        for kind in ("A", "AAAA"):
            update.delete(change.label, kind)
        for address in sorted(change.addresses):
            update.add(change.label, TTL_S, record_type(address), address)
    answer = dns.query.tcp(update, server.address, timeout=TIMEOUT_S, port=server.port)
    if answer.rcode() != dns.rcode.NOERROR:
        raise OSError(f"it answered {dns.rcode.to_text(answer.rcode())}")
