# SPDX-License-Identifier: GPL-3.0-or-later
"""RFC 2136 updates of the region's zones, signed with TSIG (dnspython 2.3)."""

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
import dns.rrset
import dns.tsig
import dns.tsigkeyring
import dns.update
import dns.xfr
import dns.zone

from rackyard.region.errors import RackyardError, Unavailable
from rackyard.region.services.network import dns_data
from rackyard.region.services.network.zones import Records
from rackyard.region.services.racks.names import Change, Zone, differences

TIMEOUT_S = 5.0
# In one update, which may have 64 kB: a name has up to some sixty addresses, most have one.
MAX_NAMES = 100
# The serial of a zone whose file was just made.
_NEW = 1


@dataclass(frozen=True)
class Key:
    """A TSIG key as `tsig-keygen` prints it."""

    name: str
    algorithm: str
    secret: str


@dataclass(frozen=True)
class Server:
    """The name server of the zones, and the key for both transfer and update."""

    address: str
    port: int
    key: Key


@dataclass(frozen=True)
class Held:
    """What each name of a zone has, and the zone's serial with that."""

    serial: int
    records: Mapping[str, Records]


class _Refused(Exception):
    """An update got a non-zero rcode."""

    def __init__(self, rcode: int) -> None:
        super().__init__(f"it answered {dns.rcode.to_text(dns.rcode.Rcode(rcode))}")


class ZoneRefused(Unavailable):
    """The name server answers, but does not serve that zone, or not to this key."""


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


def reconcile(server: Server, zone: Zone, before: Held | None = None) -> tuple[list[Change], Held]:
    """Make the zone hold what it must; what was changed, and what it holds then. Nothing is sent when it does already.

    The zone is transferred, unless its serial is that of `before`: thousands of names take a second to read.
    Raises ZoneRefused when the name server answers and refuses, Unavailable when it does not answer."""
    try:
        held = before if before and _serial(server, zone.name) == before.serial else _transferred(server, zone.name)
        serial = _raised(server, zone, held.serial)
        changes = differences(zone, held.records)
        updates = [changes[at : at + MAX_NAMES] for at in range(0, len(changes), MAX_NAMES)]
        for update in updates:
            _send(server, zone.name, update)
    except (dns.xfr.TransferError, _Refused) as error:
        raise ZoneRefused(_words(server, zone, error)) from error
    except (dns.exception.DNSException, OSError, EOFError) as error:
        raise Unavailable(_words(server, zone, error)) from error
    # Each update adds one. Where anything else has changed too, the serial tells it at the next pass.
    serial += len(updates)
    records = {**held.records, **{change.label: change.records for change in changes}}
    return changes, Held(serial, {label: known for label, known in records.items() if known})


def _words(server: Server, zone: Zone, error: Exception) -> str:
    return (
        f"name server {server.address} port {server.port} did not take the update of {zone.name}: "
        f"{type(error).__name__} {error}; look at `journalctl -u named` and its allow-update/allow-transfer"
    )


def _keyring(key: Key) -> dict[dns.name.Name, dns.tsig.Key]:
    name = dns.name.from_text(key.name)
    return {name: dns.tsig.Key(name, key.secret, dns.name.from_text(key.algorithm))}


def _raised(server: Server, zone: Zone, serial: int) -> int:
    """The zone's serial, which is `serial`, once it is no earlier than it must be."""
    wanted = zone.serial
    # One that was just made is no later than any: as far as a serial may go at once, and then the rest.
    while wanted and (dns_data.is_later(wanted, serial) or serial == _NEW != wanted):
        soa = _soa(server, zone.name)
        if soa is None:
            break
        serial = wanted if dns_data.is_later(wanted, serial) else dns_data.furthest_serial(serial)
        update = _update(server, zone.name)
        update.add(dns.name.empty, soa.ttl, soa[0].replace(serial=serial))
        _exchange(server, update)
    return serial


def _serial(server: Server, name: str) -> int | None:
    """The zone's serial, None where the name server does not tell it."""
    soa = _soa(server, name)
    return int(soa[0].serial) if soa else None


def _soa(server: Server, name: str) -> dns.rrset.RRset | None:
    """The zone's SOA record, None where the name server does not tell it."""
    question = dns.message.make_query(name, dns.rdatatype.SOA)
    question.use_tsig(_keyring(server.key))
    answer = dns.query.udp(question, server.address, timeout=TIMEOUT_S, port=server.port)
    return next((each for each in answer.answer if each.rdtype == dns.rdatatype.SOA), None)


def _transferred(server: Server, name: str) -> Held:
    """What each name of the zone has, without what makes it a zone."""
    zone = dns.zone.Zone(dns.name.from_text(name), relativize=True)
    request = dns.message.make_query(name, dns.rdatatype.AXFR)
    request.use_tsig(_keyring(server.key))
    dns.query.inbound_xfr(server.address, zone, request, port=server.port, timeout=TIMEOUT_S, lifetime=2 * TIMEOUT_S)
    current: dict[str, set[str]] = {}
    for label, ttl, data in zone.iterate_rdatas():
        if label == dns.name.empty and data.rdtype in (dns.rdatatype.SOA, dns.rdatatype.NS):
            continue
        record = f"{ttl} {dns.rdatatype.to_text(data.rdtype)} {data.to_text()}"
        current.setdefault(label.to_text().lower(), set()).add(record)
    return Held(zone.get_soa().serial, {label: frozenset(records) for label, records in current.items()})


def _send(server: Server, name: str, changes: list[Change]) -> None:
    update = _update(server, name)
    for change in changes:
        # All that the name has: a CNAME would keep the server from taking anything else.
        update.delete(change.label)
        for record in sorted(change.records):
            ttl, kind, data = record.split(" ", 2)
            update.add(change.label, int(ttl), kind, data)
    _exchange(server, update)


def _update(server: Server, name: str) -> dns.update.UpdateMessage:
    """An update of the zone with nothing in it yet."""
    update = dns.update.UpdateMessage(name)
    update.use_tsig(_keyring(server.key))
    return update


def _exchange(server: Server, update: dns.update.UpdateMessage) -> None:
    answer = dns.query.tcp(update, server.address, timeout=TIMEOUT_S, port=server.port)
    if answer.rcode() != dns.rcode.NOERROR:
        raise _Refused(answer.rcode())
