# SPDX-License-Identifier: GPL-3.0-or-later
"""Proving who one is by a password.

Guessing is bounded for each user name and address: who guesses from elsewhere keeps nobody out. A user name that no
account has is treated as any other, and takes as long."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Address, ip_address, ip_network

from rackyard.region import deed, passwords
from rackyard.region.context import Context
from rackyard.region.db.site import accounts as account_rows
from rackyard.region.db.site import logins as rows
from rackyard.region.db.site import rights as right_rows
from rackyard.region.db.site import users as user_rows
from rackyard.region.db.site.accounts import Account
from rackyard.region.deed import Deed
from rackyard.region.errors import Forbidden, TooMany
from rackyard.region.services.site import audit, journal, validation
from rackyard.region.services.site.authorisation import Actor

MAX_ATTEMPTS = 10
WINDOW = timedelta(minutes=15)
# What a household or a host has of IPv6: there all addresses are one caller's.
_SITE_BITS = 64


@dataclass(frozen=True)
class Claim:
    """Who somebody says they are, and from where."""

    username: str
    password: str = field(repr=False)
    address: str


def authenticate(ctx: Context, claim: Claim) -> Actor:
    """The account that has this name and password, which acts from now on. Raises Forbidden, TooMany."""
    account = prove(ctx, claim)
    if account is None:
        raise Forbidden("The user name or the password is wrong.")
    with ctx.db.transaction() as tx:
        return Actor.of(account, right_rows.held(tx, account.id))


def prove(ctx: Context, claim: Claim) -> Account | None:
    """The account, or None when the password is wrong or there is no such account.

    Raises TooMany after too many wrong passwords, also for the right one, and when too many try at once."""
    place = _place(claim.address)
    with ctx.logins.enter(place, "a login"):
        _count(ctx, claim.username, place)
        with ctx.db.transaction() as tx:
            stored = user_rows.password_hash(tx, claim.username)
        # Slow on purpose, so without a connection to the database.
        too_long = len(claim.password) > validation.MAX_PASSWORD
        if not passwords.match(claim.password[: validation.MAX_PASSWORD], stored) or too_long:
            _note_failure(ctx, claim.username, place)
            return None
    with ctx.db.transaction() as tx:
        rows.forget(tx, _short(claim.username), place)
        account = account_rows.find(tx, claim.username)
        if account and stored and passwords.is_dated(stored):
            user_rows.set_password_hash(tx, account.id, passwords.hashed(claim.password))
        return account


def _count(ctx: Context, username: str, place: str) -> None:
    """Before the password is looked at: many that come at once are as many."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        known = rows.count(tx, _short(username), place, now=now, until=now - WINDOW)
        if known.attempts == MAX_ATTEMPTS + 1:
            said = f"Too many wrong passwords for {validation.shown(username)} from {place}; refused for a while"
            journal.record(tx, now, "AUTHORISATION", said, level=journal.AUDIT)
    if known.attempts > MAX_ATTEMPTS:
        left_s = max(1, int((known.since + WINDOW - now).total_seconds()))
        raise TooMany(f"Too many wrong passwords for this user name from this address; wait {left_s} s.", left_s)


def _note_failure(ctx: Context, username: str, place: str) -> None:
    """A name that no account has is not noted: somebody may have typed a password there."""
    with ctx.db.transaction() as tx:
        account = account_rows.find(tx, username)
    name, number = (account.username, account.id) if account else ("", None)
    audit.refused(ctx, Deed(name, number, deed.API, place, "login", ctx.clock.now()), audit.LOGIN_FAILED)


def _short(username: str) -> str:
    """What fits into the table; no account has a longer name."""
    return username[:151]


def _place(text: str) -> str:
    """Whose address it is."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return "unknown"
    if isinstance(address, IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), _SITE_BITS), strict=False))
