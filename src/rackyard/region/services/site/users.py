# SPDX-License-Identifier: GPL-3.0-or-later
"""People's accounts: made, changed and removed, and their passwords."""

from __future__ import annotations

from rackyard.region import passwords
from rackyard.region.context import Context
from rackyard.region.db.network import reserved as reserved_rows
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import accounts as account_rows
from rackyard.region.db.site import users as rows
from rackyard.region.db.site.accounts import Account
from rackyard.region.errors import BadRequest, Conflict, Invalid, NotFound
from rackyard.region.services.network import addresses
from rackyard.region.services.site import logins, validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise
from rackyard.region.services.site.logins import Claim

# So many machines are named in a refusal.
_NAMED = 5
_LAST = "{} is the last administrator; make another account one first."


def list_all(ctx: Context, actor: Actor) -> list[Account]:
    """Every account, by name. Raises Forbidden."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.SEE_ACCOUNTS)
        return rows.every(tx)


def read(ctx: Context, actor: Actor, username: str) -> Account:
    """One account; everybody may see their own. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        account = account_rows.find(tx, username)
        authorise(actor, Permission.SEE_ACCOUNTS, account)
        return _there(account, username)


def add(ctx: Context, actor: Actor, username: str, password: str, email: str, *, is_admin: bool) -> Account:
    """A new account. Raises Forbidden, Invalid, TooMany."""
    authorise(actor, Permission.MANAGE_ACCOUNTS)
    name, address = validation.username("username", username), validation.email("email", email)
    password_hash = _hashed(ctx, actor, validation.password("password", password))
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_ACCOUNTS)
        return rows.add(tx, name, address, password_hash, is_admin=is_admin, now=ctx.clock.now())


def change(ctx: Context, actor: Actor, username: str, email: str | None, is_admin: bool | None) -> Account:
    """Change what is given. Nobody takes the rights of an administrator from themselves, and nobody takes those of the
    last one, also when two administrators do it to each other: somebody has to keep them.

    Raises Forbidden, NotFound, Invalid."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_ACCOUNTS)
        administrators = rows.lock_administrators(tx) if is_admin is False else []
        account = _there(rows.lock(tx, username), username)
        if account.id == actor.account_id and is_admin is False:
            raise Invalid.field("is_superuser", f"{username} is your own account; let another administrator do it.")
        address = account.email if email is None else validation.email("email", email)
        rights = account.is_admin if is_admin is None else is_admin
        if account.is_admin and not rights and administrators == [account.id]:
            raise Invalid.field("is_superuser", _LAST.format(username))
        if (address, rights) == (account.email, account.is_admin):
            return account
        return rows.change(tx, account.id, address, is_admin=rights)


def set_password(ctx: Context, actor: Actor, username: str, password: str, old: Claim | None = None) -> None:
    """Another password for an account. Its keys go on working.

    Whoever changes their own proves with `old` that they know the one before, if there is one: a key may be stolen.
    Raises Forbidden, NotFound, Invalid, TooMany."""
    with ctx.db.transaction() as tx:
        account = account_rows.find(tx, username)
        authorise(actor, Permission.SET_PASSWORD, account)
        known = _there(account, username)
        needs_proof = known.id == actor.account_id and rows.password_hash(tx, username) is not None
    validation.password("password", password)
    if needs_proof and (old is None or logins.prove(ctx, old) is None):
        raise Invalid.field("old_password", "This is not the password that the account has; give that one, too.")
    password_hash = _hashed(ctx, actor, password)
    with ctx.db.transaction() as tx:
        account = rows.lock(tx, username)
        authorise(actor, Permission.SET_PASSWORD, account)
        rows.set_password_hash(tx, _there(account, username).id, password_hash)


def remove(ctx: Context, actor: Actor, username: str, heir: str | None = None) -> None:
    """Remove an account with its keys and files, but not the last administrator's; `heir` gets machines, devices and
    reserved addresses.

    Raises Forbidden, NotFound, BadRequest, Invalid, Conflict when it has reserved addresses that nobody gets."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_ACCOUNTS)
        administrators = rows.lock_administrators(tx)
        account = _there(rows.lock(tx, username), username)
        if administrators == [account.id]:
            raise BadRequest(_LAST.format(username))
        if account.id == actor.account_id:
            raise BadRequest(f"{username} is your own account; let another administrator remove it.")
        machines = rows.hostnames(tx, account.id)
        reserved = reserved_rows.select(tx, account_id=account.id)
        if heir is not None:
            _hand_over(tx, account, heir)
        elif machines:
            more = f" and {len(machines) - _NAMED} more" if len(machines) > _NAMED else ""
            raise BadRequest(
                f"{username} owns {', '.join(machines[:_NAMED])}{more}; name who gets them as transfer_resources_to."
            )
        elif reserved:
            raise Conflict(
                f"{username} has reserved {addresses.some_of(reserved)}; release these addresses first (POST "
                "ipaddresses/?op=release with force=true), or name who gets them as transfer_resources_to."
            )
        rows.delete(tx, account.id)


def _hashed(ctx: Context, actor: Actor, password: str) -> str:
    """Slow and large on purpose: without a connection to the database, and a few at once, as logins are."""
    with ctx.logins.enter(actor, "a password"):
        return passwords.hashed(password)


def _hand_over(tx: Transaction, account: Account, heir: str) -> None:
    found = rows.lock(tx, heir)
    if found is None or found.id == account.id:
        raise Invalid.field("transfer_resources_to", f"{validation.shown(heir)} is no other account; name one.")
    rows.hand_over(tx, account.id, found.id)


def _there(account: Account | None, username: str) -> Account:
    if account is None:
        raise NotFound(f"There is no account {validation.shown(username)}; GET users/ lists them.")
    return account
