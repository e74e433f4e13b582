# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks: enrolment, identity, registration, liveness, and what they report about themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_interface

from rackyard.region.context import Context
from rackyard.region.db import rack_records
from rackyard.region.db.pool import Transaction
from rackyard.region.db.rack_records import Rack
from rackyard.region.errors import BadRequest, Conflict, Forbidden, NotFound
from rackyard.region.services import identity, journal
from rackyard.region.services.identity import Certificate

TOKEN_TTL_S = 900
MAX_TOKEN_TTL_S = 7 * 24 * 3600
MAX_INTERFACES = 256
HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,32}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_VERSION = re.compile(r"[A-Za-z0-9.+~-]{0,64}")
_SERVICE = re.compile(r"[a-z0-9-]{1,32}")
_SERVICE_STATES = frozenset({"running", "dead", "off", "degraded", "unknown"})


@dataclass(frozen=True)
class Enrolled:
    """What a rack takes home from its enrolment."""

    system_id: str
    certificate: Certificate
    ca_pem: str


def mint_token(ctx: Context, name: str = "", ttl_s: int = TOKEN_TTL_S) -> str:
    """A one-line enrolment token, single use.

    A token with a name enrols the host of that name only, and may replace the certificate of a rack that is enrolled
    already (a host that was installed anew). Raises BadRequest for a bad name or lifetime."""
    if name and not HOSTNAME.fullmatch(name):
        raise BadRequest(f"{name!r} is not a host name: use letters, digits and inner hyphens")
    if not 1 <= ttl_s <= MAX_TOKEN_TTL_S:
        raise BadRequest(f"a token lives 1 to {MAX_TOKEN_TTL_S} seconds, not {ttl_s}")
    secret = identity.new_secret()
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        tx.one(
            "rack_identity.add_token",
            name=name,
            secret_sha256=identity.secret_digest(secret),
            now=now,
            expires_at=now + timedelta(seconds=ttl_s),
        )
    ca_sha256 = identity.pem_fingerprint(ctx.config.ca_cert.read_bytes())
    return identity.encode_token(ctx.config.rpc_urls, ca_sha256, secret)


def enroll(ctx: Context, secret: str, hostname: str, csr_pem: str, version: str) -> Enrolled:
    """Spend a token and sign the rack's certificate.

    Raises Forbidden for a token that is unknown, spent, expired or for another host; Conflict when a rack of that
    name is enrolled and the token does not name it; BadRequest for a bad request."""
    if not HOSTNAME.fullmatch(hostname):
        raise BadRequest(f"{hostname!r} is not a host name: use letters, digits and inner hyphens")
    _check_version(version)
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        token = tx.one("rack_identity.lock_token", secret_sha256=identity.secret_digest(secret))
        if token is None:
            raise Forbidden(
                "this region did not issue that enrolment token (or removed it long after it expired); "
                "make a new one with `rackyard-region enroll-token`"
            )
        _check_token(token["used_at"], token["used_by"], token["expires_at"], now)
        if token["name"] and token["name"] != hostname:
            raise Forbidden(
                f"the enrolment token was made for {token['name']}, not for {hostname}; "
                f"make one with `rackyard-region enroll-token --name {hostname}`"
            )
        rack = _rack_of_that_name(ctx, tx, hostname, version, named=bool(token["name"]))
        certificate = identity.sign_rack(
            csr_pem, rack.system_id, ctx.config.ca_cert.read_bytes(), ctx.config.ca_key.read_bytes(), now
        )
        tx.run(
            "rack_identity.set_certificate",
            rack_id=rack.id,
            sha256=certificate.sha256,
            serial=certificate.serial,
            not_after=certificate.not_after,
            version=version,
        )
        tx.run("rack_identity.use_token", id=token["id"], now=now, rack_id=rack.id)
        journal.record(tx, now, "RACK_ENROLLED", f"rack {hostname} enrolled as {rack.system_id}", rack_id=rack.id)
    return Enrolled(rack.system_id, certificate, ctx.config.ca_cert.read_text(encoding="ascii"))


def renew(ctx: Context, rack: Rack, asking_sha256: str, csr_pem: str) -> Certificate:
    """A new certificate for an enrolled rack; the one that asked stays good until it ends."""
    now = ctx.clock.now()
    certificate = identity.sign_rack(
        csr_pem, rack.system_id, ctx.config.ca_cert.read_bytes(), ctx.config.ca_key.read_bytes(), now
    )
    with ctx.db.transaction() as tx:
        tx.run(
            "rack_identity.renew_certificate",
            rack_id=rack.id,
            asking_sha256=asking_sha256,
            sha256=certificate.sha256,
            serial=certificate.serial,
            not_after=certificate.not_after,
        )
    return certificate


def revoke(ctx: Context, name: str, username: str = "") -> None:
    """Accept no certificate of that rack any more. Raises NotFound when no such rack is enrolled."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        row = tx.one("rack_identity.revoke", hostname=name, now=now)
        if row is None:
            raise NotFound(f"no enrolled rack is called {name}; `rackyard-region status` lists them")
        journal.record(
            tx, now, "RACK_REVOKED", f"rack {name} was revoked", rack_id=row["id"], level=journal.WARNING,
            username=username,
        )  # fmt: skip


def authenticate(ctx: Context, sha256: str) -> Rack:
    """The rack with this certificate, which is now seen. Raises Forbidden in words when it may not speak.

    Looked up on each call, so that a revocation works at once, on every region."""
    with ctx.db.transaction() as tx:
        rack = rack_records.by_certificate(tx, sha256)
        if rack is not None and rack.revoked_at is None:
            tx.run("rack_identity.seen", rack_id=rack.id, now=ctx.clock.now())
    if rack is None:
        raise Forbidden(
            "this certificate belongs to no rack of this region (the rack was removed or enrolled anew); "
            "enrol it again with `rackyard-rack enroll`"
        )
    if rack.revoked_at is not None:
        raise Forbidden(
            f"rack {rack.hostname} was revoked at {rack.revoked_at:%Y-%m-%dT%H:%M:%SZ}; "
            "to take it back, enrol it again with `rackyard-rack enroll` and a new token"
        )
    return rack


def still_valid(ctx: Context, rack: Rack) -> bool:
    """Whether a rack that waits in a long poll may still be answered; counts as having seen it."""
    with ctx.db.transaction() as tx:
        row = tx.one("rack_identity.is_revoked", rack_id=rack.id)
        if row is None or row["revoked_at"] is not None:
            return False
        tx.run("rack_identity.seen", rack_id=rack.id, now=ctx.clock.now())
        return True


def register(ctx: Context, rack: Rack, version: str, interfaces: Sequence[Mapping[str, object]]) -> list[str]:
    """A rack's agent started: store its addresses. Returns the RPC URLs of all live region workers."""
    _check_version(version)
    addresses = [item for interface in interfaces for item in _addresses(interface)]
    if len(addresses) > MAX_INTERFACES:
        raise BadRequest(f"rack {rack.hostname} reports more than {MAX_INTERFACES} addresses")
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        tx.run("rack_identity.registered", rack_id=rack.id, now=now, version=version)
        for name, mac, address in addresses:
            tx.run("rack_identity.put_interface", rack_id=rack.id, name=name, mac=mac, address=address)
        keep = [f"{name} {address}" for name, _mac, address in addresses]
        tx.run("rack_identity.drop_other_interfaces", rack_id=rack.id, keep=keep)
        rows = tx.all("rack_identity.region_addresses", now=now)
    live = [f"https://{_bracketed(row['address'])}:{row['port']}" for row in rows]
    return list(dict.fromkeys([*ctx.config.rpc_urls, *live]))


def applied(ctx: Context, rack: Rack, generation: int, daemons: Mapping[str, Mapping[str, object]]) -> None:
    """What a rack's daemons said to the desired state; a new refusal becomes an event with the checker's words."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        for name, outcome in daemons.items():
            if not _SERVICE.fullmatch(name):
                raise BadRequest(f"{name!r} is not the name of a daemon")
            ok, message = outcome.get("ok") is True, str(outcome.get("message", ""))[:4000]
            before = tx.one("rack_identity.daemon_ok", rack_id=rack.id, name=name)
            tx.run(
                "rack_identity.put_daemon",
                rack_id=rack.id, name=name, generation=generation, ok=ok, message=message, now=now,
            )  # fmt: skip
            if not ok and (before is None or before["ok"] or before["message"] != message):
                text = (
                    f"{name} on {rack.hostname} refused generation {generation} and keeps the last good one: {message}"
                )
                journal.record(tx, now, "DAEMON_REFUSED", text, rack_id=rack.id, level=journal.ERROR)


def services(ctx: Context, rack: Rack, states: Sequence[Mapping[str, object]]) -> None:
    """What a rack sees of its own services."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        for item in states:
            name, state = str(item.get("name", "")), str(item.get("state", ""))
            if not _SERVICE.fullmatch(name) or state not in _SERVICE_STATES:
                raise BadRequest(f"service {name!r} in state {state!r} is not known")
            info = str(item.get("info", ""))[:1000]
            tx.run("rack_identity.put_service", rack_id=rack.id, name=name, state=state, info=info, now=now)


def _check_token(used_at: datetime | None, used_by: str | None, expires_at: datetime, now: datetime) -> None:
    remedy = "make a new one with `rackyard-region enroll-token`"
    if used_at is not None:
        whom = f" by {used_by}" if used_by else ""
        raise Forbidden(f"enrolment token was used at {used_at:%Y-%m-%dT%H:%M:%SZ}{whom}; {remedy}")
    if expires_at <= now:
        raise Forbidden(f"enrolment token expired at {expires_at:%Y-%m-%dT%H:%M:%SZ}; {remedy}")


def _rack_of_that_name(ctx: Context, tx: Transaction, hostname: str, version: str, *, named: bool) -> Rack:
    row = tx.one("rack_identity.lock_by_hostname", hostname=hostname)
    if row is None:
        system_id = ctx.random.system_id()
        row = tx.one("rack_identity.create", system_id=system_id, hostname=hostname, version=version)
        assert row is not None
    elif row["revoked_at"] is None and not named:
        raise Conflict(
            f"a rack called {hostname} is enrolled already; revoke it (`rackyard-region revoke-rack {hostname}`) "
            f"or make a token for it (`rackyard-region enroll-token --name {hostname}`)"
        )
    return Rack(**row)


def _addresses(interface: Mapping[str, object]) -> list[tuple[str, str | None, str]]:
    name, mac, addresses = interface.get("name"), interface.get("mac"), interface.get("addresses", [])
    if not isinstance(name, str) or not _INTERFACE.fullmatch(name) or not isinstance(addresses, list):
        raise BadRequest(f"interface {name!r} is malformed: name, mac and addresses are needed")
    if mac is not None and (not isinstance(mac, str) or not _MAC.fullmatch(mac)):
        raise BadRequest(f"interface {name}: {mac!r} is not a MAC address (lower case, colons)")
    found: list[tuple[str, str | None, str]] = []
    for text in addresses:
        try:
            address = ip_interface(str(text))
        except ValueError:
            raise BadRequest(f"interface {name}: {text!r} is not an address with prefix") from None
        if not (address.is_loopback or address.is_link_local):
            # inet prints a host prefix without its length.
            host_only = address.network.prefixlen == address.max_prefixlen
            found.append((name, mac, str(address.ip) if host_only else str(address)))
    return found


def _check_version(version: str) -> None:
    if not _VERSION.fullmatch(version):
        raise BadRequest(f"{version!r} is not a version")


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
