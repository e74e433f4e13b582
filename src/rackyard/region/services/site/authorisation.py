# SPDX-License-Identifier: GPL-3.0-or-later
"""Who acts, and what they may do: the one place that decides, for the API and the command line alike."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from rackyard.region.db.site.accounts import Account
from rackyard.region.errors import Forbidden


@dataclass(frozen=True)
class Actor:
    """Who asks for something: an account, or a program of the region, which has a name and no account."""

    name: str
    account_id: int | None
    is_admin: bool

    @classmethod
    def of(cls, account: Account) -> Actor:
        """The account as an actor."""
        return cls(account.username, account.id, account.is_admin)

    @property
    def username(self) -> str:
        """What events record: the account's name; empty for a program, whose name an account might have as well."""
        return "" if self.account_id is None else self.name


# Whoever runs it on a region host may read the database's address and the key to its secrets already.
COMMAND_LINE = Actor("rackyard-region", account_id=None, is_admin=True)


class Permission(Enum):
    """Something that not everybody may do, in the words of a refusal."""

    VIEW = "look at machines"
    EDIT_MACHINE = "register, change or delete machines"
    OPERATE_MACHINE = "commission machines or switch their power"
    MANAGE_GROUPS = "make, change or delete zones and resource pools"
    LOCK_MACHINE = "lock or unlock machines"
    SEE_POWER_PARAMETERS = "see the power parameters of machines"
    MANAGE_TAGS = "make, change or give tags"
    MANAGE_RACKS = "enrol or revoke racks"
    MANAGE_REGIONS = "forget regions"
    RESTORE_SITE = "restore the site from a backup"
    MANAGE_NETWORK = "change the network"
    MANAGE_SETTINGS = "change the site's settings"
    MANAGE_IMAGES = "register or remove images"
    SEE_ACCOUNTS = "see other accounts"
    MANAGE_ACCOUNTS = "make, change or remove accounts"
    SET_PASSWORD = "set the password of other accounts"
    MANAGE_KEYS = "make, list or revoke API keys of other accounts"
    MANAGE_SSH_KEYS = "see or change SSH keys of other accounts"


# What everybody may do with their own account, and only administrators with those of others.
_OWN = frozenset({Permission.SEE_ACCOUNTS, Permission.SET_PASSWORD, Permission.MANAGE_KEYS, Permission.MANAGE_SSH_KEYS})


class Host(Protocol):
    """A machine or a rack, however much of it was read."""

    @property
    def hostname(self) -> str:
        """Its name in messages."""


def authorise(actor: Actor, permission: Permission, about: Host | Account | None = None) -> None:
    """Raise Forbidden, in words, unless the actor may do this to that machine, rack or account.

    Called in the transaction that does it. Without an object it asks for the right to all of them; that is also how
    an object is asked about that is not there, so that a refusal does not tell whether it is."""
    own = isinstance(about, Account) and about.id == actor.account_id
    if actor.is_admin or permission is Permission.VIEW or (permission in _OWN and own):
        return
    raise Forbidden(f"{actor.name} may not {permission.value}{_named(about)}; use an administrator's key.")


def _named(about: Host | Account | None) -> str:
    if about is None:
        return ""
    return f" ({about.username if isinstance(about, Account) else about.hostname})"
