# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use the API, and with which key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from rackyard.region.context import Context
from rackyard.region.crypto import secret_hash, secret_matches
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import accounts as account_rows
from rackyard.region.db.site import users as user_rows
from rackyard.region.db.site.accounts import Account, KeyOwner, StoredKey
from rackyard.region.errors import Conflict, NotFound, Unauthorized
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

USE_WRITTEN_EVERY = timedelta(minutes=1)
# python-libmaas gives all programs of a person on a host one name.
KEYS_OF_A_NAME = 5


@dataclass(frozen=True)
class ApiKey:
    """The three parts of a key. Its text form is what people paste into clients."""

    consumer_key: str
    token_key: str
    token_secret: str = field(repr=False)
    name: str = ""

    @property
    def text(self) -> str:
        """`consumer:token:secret`, as MAAS prints it."""
        return f"{self.consumer_key}:{self.token_key}:{self.token_secret}"


def authenticate(ctx: Context, consumer_key: str, token_key: str, token_secret: str) -> Actor:
    """The account that this key belongs to, which acts from now on. Raises Unauthorized.

    Writes that the key was used, but once a minute at most."""
    owner = _owner(ctx, consumer_key, token_key, token_secret)
    now = ctx.clock.now()
    if owner.last_used_at is None or now - owner.last_used_at >= USE_WRITTEN_EVERY:
        with ctx.db.transaction() as tx:
            account_rows.note_use(tx, token_key, now)
    return Actor.of(owner.account, owner.held)


def create_admin(ctx: Context, actor: Actor, username: str, key_name: str = "") -> str:
    """A new key for the administrator of this name, who is made if missing. Returns the key's text form.

    Raises Forbidden, Invalid for a name that cannot be used, Conflict for an account that is no administrator.
    """
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_ACCOUNTS)
        account = account_rows.find(tx, username) or account_rows.add(tx, username, True, ctx.clock.now())
        if not account.is_admin:
            raise Conflict(f"The account {username} is no administrator; choose another name.")
        return _mint_key(ctx, tx, account, key_name).text


def add_account(ctx: Context, actor: Actor, username: str) -> str:
    """A new account that may look, and was given no more, with its first key. Raises Forbidden, Invalid."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_ACCOUNTS)
        return _mint_key(ctx, tx, account_rows.add(tx, username, False, ctx.clock.now()), "").text


def create_key(ctx: Context, actor: Actor, name: str) -> ApiKey:
    """One more key of the actor's own account. Raises Invalid for a name that cannot be used, NotFound without one."""
    label = validation.text("name", name)
    with ctx.db.transaction() as tx:
        account = account_rows.find(tx, actor.username)
        authorise(actor, Permission.MANAGE_KEYS, account)
        if account is None:
            raise NotFound(f"{actor.name} has no account that could have a key.")
        return _mint_key(ctx, tx, account, label)


def login_key(ctx: Context, actor: Actor, name: str) -> ApiKey:
    """A key of the actor's own account for a program that has logged in. Of those with this name the oldest ends when
    there are too many: nobody can tell which of them is still needed. Raises Invalid, NotFound."""
    label = validation.text("consumer", name)
    with ctx.db.transaction() as tx:
        account = user_rows.lock(tx, actor.username)
        authorise(actor, Permission.MANAGE_KEYS, account)
        if account is None:
            raise NotFound(f"The account {actor.name} was removed meanwhile.")
        account_rows.delete_named_keys(tx, account.id, label, keep=KEYS_OF_A_NAME - 1)
        return _mint_key(ctx, tx, account, label)


def rename_key(ctx: Context, actor: Actor, token_key: str, name: str) -> None:
    """Another name for a key of the actor's own account. Raises Invalid, NotFound."""
    label = validation.text("name", name)
    with ctx.db.transaction() as tx:
        account = account_rows.find(tx, actor.username)
        authorise(actor, Permission.MANAGE_KEYS, account)
        if account is None or not account_rows.rename_key(tx, account.id, token_key, label):
            raise NotFound(
                f"There is no API key of {actor.name} with the token {validation.shown(token_key)}; list them first."
            )


def keys_of(ctx: Context, actor: Actor, username: str | None = None) -> list[StoredKey]:
    """The keys of an account, or of all, oldest first; their secrets are not known. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        account = None if username is None else account_rows.find(tx, username)
        authorise(actor, Permission.MANAGE_KEYS, account)
        if username is not None and account is None:
            raise NotFound(f"There is no account {username}; leave the name out to see the keys of all.")
        return account_rows.keys(tx, username)


def revoke_key(ctx: Context, actor: Actor, token_key: str, owner: str | None = None) -> StoredKey:
    """Accept a key no more, from the next request on; only one of `owner`, if given. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_KEYS, None if owner is None else account_rows.find(tx, owner))
        gone = account_rows.delete_key(tx, token_key, owner)
        if gone is None:
            whose = f" of {owner}" if owner else ""
            raise NotFound(f"There is no API key{whose} with the token {validation.shown(token_key)}; list them first.")
        return gone


def key_is_valid(ctx: Context, username: str, text: str) -> bool:
    """Whether this text is a working key of an administrator of that name."""
    parts = text.strip().split(":")
    if len(parts) != 3:
        return False
    try:
        account = _owner(ctx, *parts).account
    except Unauthorized:
        return False
    return account.username == username and account.is_admin


def _owner(ctx: Context, consumer_key: str, token_key: str, token_secret: str) -> KeyOwner:
    with ctx.db.reading() as tx:
        owner = account_rows.key_owner(tx, token_key)
    if (
        owner is None
        or owner.consumer_key != consumer_key
        or not secret_matches(token_secret, owner.token_secret_sha256)
    ):
        raise Unauthorized("Authorization Error: the API key is unknown; make one with `rackyard-region create-admin`.")
    return owner


def _mint_key(ctx: Context, tx: Transaction, account: Account, name: str) -> ApiKey:
    key = ApiKey(ctx.random.token(18), ctx.random.token(18), ctx.random.token(32), name)
    account_rows.add_key(
        tx,
        account.id,
        name,
        consumer_key=key.consumer_key,
        token_key=key.token_key,
        token_secret_sha256=secret_hash(key.token_secret),
        now=ctx.clock.now(),
    )
    return key
