# SPDX-License-Identifier: GPL-3.0-or-later
"""How a rack gets its identity, shows it, renews it and loses it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.racks import identity as rows
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import BadRequest, Conflict, Forbidden, NotFound
from rackyard.region.services.power import queue
from rackyard.region.services.racks import identity, liveness
from rackyard.region.services.racks.identity import Certificate
from rackyard.region.services.site import identifiers, journal, validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

TOKEN_TTL_S = 900
MAX_TOKEN_TTL_S = 7 * 24 * 3600
HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Enrolled:
    """What a rack takes home from its enrolment."""

    system_id: str
    certificate: Certificate
    ca_pem: str


def mint_token(ctx: Context, actor: Actor, name: str = "", ttl_s: int = TOKEN_TTL_S) -> str:
    """A one-line enrolment token, single use.

    A token with a name enrols the host of that name only, and may replace the certificate of a rack that is enrolled
    already (a host that was installed anew). Raises Forbidden; BadRequest for a bad name or lifetime."""
    if name and not HOSTNAME.fullmatch(name):
        raise BadRequest(f"{name!r} is not a host name: use letters, digits and inner hyphens")
    if not 1 <= ttl_s <= MAX_TOKEN_TTL_S:
        raise BadRequest(f"a token lives 1 to {MAX_TOKEN_TTL_S} seconds, not {ttl_s}")
    secret = identity.new_secret()
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_RACKS)
        tx.one(
            "racks.enrolment.add_token",
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
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        token = tx.one("racks.enrolment.lock_token", secret_sha256=identity.secret_digest(secret))
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
            "racks.enrolment.set_certificate",
            rack_id=rack.id,
            sha256=certificate.sha256,
            serial=certificate.serial,
            not_after=certificate.not_after,
            version=version,
        )
        tx.run("racks.enrolment.use_token", id=token["id"], now=now, rack_id=rack.id)
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
            "racks.enrolment.renew_certificate",
            rack_id=rack.id,
            asking_sha256=asking_sha256,
            sha256=certificate.sha256,
            serial=certificate.serial,
            not_after=certificate.not_after,
        )
    return certificate


def revoke(ctx: Context, actor: Actor, system_id: str) -> None:
    """Accept no certificate of that rack any more. Raises Forbidden, NotFound when no such rack is enrolled."""
    with ctx.db.transaction() as tx:
        rack = rows.lock(tx, system_id)
        authorise(actor, Permission.MANAGE_RACKS, rack)
        if rack is None or rack.revoked_at is not None:
            raise not_enrolled(system_id)
        _revoke(ctx, tx, actor, rack)
    queue.leave(ctx, rack.id)


def revoke_by_hostname(ctx: Context, actor: Actor, hostname: str) -> None:
    """The same for the rack of that name."""
    with ctx.db.transaction() as tx:
        rack = rows.lock_by_hostname(tx, hostname)
        authorise(actor, Permission.MANAGE_RACKS, rack)
        if rack is None or rack.revoked_at is not None:
            raise NotFound(f"no enrolled rack is called {hostname}; `rackyard-region status` lists them")
        _revoke(ctx, tx, actor, rack)
    queue.leave(ctx, rack.id)


def not_enrolled(system_id: str) -> NotFound:
    """What is raised for a rack that is not there, or is no more."""
    shown = validation.shown(system_id)
    return NotFound(f"No enrolled rack has the system_id {shown}; list them with GET rackcontrollers/.")


def authenticate(ctx: Context, sha256: str, pem: str) -> Rack:
    """The rack with this certificate, which is now seen. Raises Forbidden in words when it may not speak.

    Looked up on each call, so that a revocation works at once, on every region."""
    with ctx.db.transaction() as tx:
        rack = rows.by_certificate(tx, sha256) or _renewed_before_restore(ctx, tx, sha256, pem)
        if rack is not None and rack.revoked_at is None:
            liveness.seen(ctx, tx, [rack.id])
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


def _renewed_before_restore(ctx: Context, tx: Transaction, sha256: str, pem: str) -> Rack | None:
    """The rack of a certificate that the site's authority signed after the backup which the site was restored from:
    newer than the one that is known. nginx has seen to it that the authority signed it and that it is in date."""
    shown = identity.shown(pem)
    if shown is None:
        return None
    row = tx.one(
        "racks.enrolment.adopt", system_id=shown.system_id, sha256=sha256, serial=shown.serial,
        not_after=shown.not_after, issued_at=shown.issued_at,
    )  # fmt: skip
    if row is None:
        return None
    rack = Rack(**row)
    words = f"rack {rack.hostname} shows a certificate of {shown.issued_at:%Y-%m-%d %H:%M} UTC, after the backup"
    journal.record(tx, ctx.clock.now(), "RACK_KNOWN_AGAIN", words, rack_id=rack.id, level=journal.WARNING)
    return rack


def still_valid(ctx: Context, rack: Rack) -> bool:
    """Whether a rack that waits in a long poll may still be answered; counts as having seen it."""
    with ctx.db.transaction() as tx:
        row = tx.one("racks.enrolment.is_revoked", rack_id=rack.id)
        if row is None or row["revoked_at"] is not None:
            return False
        liveness.seen(ctx, tx, [rack.id])
        return True


def _revoke(ctx: Context, tx: Transaction, actor: Actor, rack: Rack) -> None:
    now = ctx.clock.now()
    tx.run("racks.enrolment.revoke", rack_id=rack.id, now=now)
    tx.run("racks.enrolment.wake", rack_id=rack.id)
    journal.record(
        tx, now, "RACK_REVOKED", f"rack {rack.hostname} was revoked", rack_id=rack.id, level=journal.WARNING,
        username=actor.username,
    )  # fmt: skip


def _check_token(used_at: datetime | None, used_by: str | None, expires_at: datetime, now: datetime) -> None:
    remedy = "make a new one with `rackyard-region enroll-token`"
    if used_at is not None:
        whom = f" by {used_by}" if used_by else ""
        raise Forbidden(f"enrolment token was used at {used_at:%Y-%m-%dT%H:%M:%SZ}{whom}; {remedy}")
    if expires_at <= now:
        raise Forbidden(f"enrolment token expired at {expires_at:%Y-%m-%dT%H:%M:%SZ}; {remedy}")


def _rack_of_that_name(ctx: Context, tx: Transaction, hostname: str, version: str, *, named: bool) -> Rack:
    rack = rows.lock_by_hostname(tx, hostname)
    if rack is None:
        system_id = identifiers.free_system_id(ctx, tx)
        row = tx.one("racks.enrolment.create", system_id=system_id, hostname=hostname, version=version)
        assert row is not None
        return Rack(**row)
    if rack.revoked_at is None and not named:
        raise Conflict(
            f"a rack called {hostname} is enrolled already; revoke it (`rackyard-region revoke-rack {hostname}`) "
            f"or make a token for it (`rackyard-region enroll-token --name {hostname}`)"
        )
    return rack
