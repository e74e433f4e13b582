# SPDX-License-Identifier: GPL-3.0-or-later
"""Who acts, and what they may do: the one place that decides, for the API and the command line alike.

What each role may do is the table ROLES; docs/operations.md shows it. A test calls every operation of the API as
everybody and compares with a table of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from rackyard.region.db.site.accounts import Account
from rackyard.region.db.site.rights import Held
from rackyard.region.errors import Forbidden
from rackyard.region.status import Status


@dataclass(frozen=True)
class Actor:
    """Who asks for something: an account with what it was given by itself and through groups, or a program of the
    region, which has a name and no account."""

    name: str
    account_id: int | None
    is_admin: bool
    held: frozenset[Held] = frozenset()

    @classmethod
    def of(cls, account: Account, held: frozenset[Held]) -> Actor:
        """The account as an actor."""
        return cls(account.username, account.id, account.is_admin, held)

    @property
    def username(self) -> str:
        """What events record: the account's name; empty for a program, whose name an account might have as well."""
        return "" if self.account_id is None else self.name


# Whoever shows no key, where none is needed.
NOBODY = Actor("nobody", account_id=None, is_admin=False)
# Whoever runs it on a region host may read the database's address and the key to its secrets already.
COMMAND_LINE = Actor("rackyard-region", account_id=None, is_admin=True)


class Permission(Enum):
    """Something that not everybody may do, in the words of a refusal."""

    VIEW = "look at machines"
    REGISTER_MACHINE = "register machines, or move them to another resource pool"
    EDIT_MACHINE = "change machines"
    DELETE_MACHINE = "delete machines"
    OPERATE_MACHINE = "commission machines or switch their power"
    EDIT_DEVICE = "register, change or delete devices"
    LOCK_MACHINE = "lock or unlock machines"
    TAG_MACHINE = "give tags to machines or take them"
    SET_POWER_PARAMETERS = "change the power parameters of machines"
    SEE_POWER_PARAMETERS = "see the power parameters of machines"
    MANAGE_GROUPS = "make, change or delete zones and resource pools"
    MANAGE_TAGS = "make, change or delete tags"
    EDIT_CONTROLLER = "change racks or regions"
    MANAGE_RACKS = "enrol or revoke racks"
    MANAGE_REGIONS = "forget regions"
    RESTORE_SITE = "restore the site from a backup"
    MANAGE_NETWORK = "change the network"
    MANAGE_DHCP_SNIPPETS = "see or change DHCP snippets"
    MANAGE_NOTIFICATIONS = "make, change or delete notifications"
    MANAGE_REPOSITORIES = "make, change or delete package repositories"
    MANAGE_SCRIPTS = "upload, change or delete scripts"
    MANAGE_SETTINGS = "change the site's settings"
    MANAGE_IMAGES = "register or remove images"
    SEE_ACCOUNTS = "see other accounts"
    MANAGE_ACCOUNTS = "make, change or remove accounts"
    MANAGE_RIGHTS = "change user groups, or give and take rights"
    SET_PASSWORD = "set the password of other accounts"
    MANAGE_KEYS = "make, list or revoke API keys of other accounts"
    MANAGE_SSH_KEYS = "see or change SSH keys of other accounts"
    MANAGE_FILES = "see or change files of other accounts"
    MANAGE_ADDRESSES = "see, change or release reserved addresses of other accounts"
    SEE_AUDIT = "see what others did"


class Role(Enum):
    """What somebody is to that which they ask about."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"  # of the resource pool that the machine is in
    OWNER = "owner"  # of the machine, while it is given out
    ONESELF = "oneself"  # the account
    VIEWER = "viewer"  # which everybody is


_OF_OWNERS = frozenset(
    {Permission.EDIT_MACHINE, Permission.OPERATE_MACHINE, Permission.LOCK_MACHINE, Permission.TAG_MACHINE}
)
# Where a BMC is and who logs in there is shown to administrators only; its password to nobody.
_OF_OPERATORS = _OF_OWNERS | {
    Permission.REGISTER_MACHINE,
    Permission.DELETE_MACHINE,
    Permission.SET_POWER_PARAMETERS,
}
_OF_ONESELF = frozenset(
    {
        Permission.SEE_ACCOUNTS,
        Permission.SET_PASSWORD,
        Permission.MANAGE_KEYS,
        Permission.MANAGE_SSH_KEYS,
        Permission.MANAGE_FILES,
        Permission.MANAGE_ADDRESSES,
    }
)
ROLES: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.ADMINISTRATOR: frozenset(Permission),
        Role.OPERATOR: _OF_OPERATORS,
        Role.OWNER: _OF_OWNERS,
        Role.ONESELF: _OF_ONESELF,
        Role.VIEWER: frozenset({Permission.VIEW}),
    }
)
# Roles that can be given. An administrator is made with the account, and a viewer is everybody.
GRANTABLE: Mapping[str, Role] = MappingProxyType({role.value: role for role in (Role.OPERATOR,)})

# As in MAAS, where a machine is somebody's once it is allocated. Before that, its owner is who registered it.
GIVEN_OUT = frozenset(
    {
        Status.ALLOCATED,
        Status.DEPLOYING,
        Status.DEPLOYED,
        Status.FAILED_DEPLOYMENT,
        Status.RELEASING,
        Status.FAILED_RELEASING,
        Status.DISK_ERASING,
        Status.FAILED_DISK_ERASING,
    }
)


class Host(Protocol):
    """A machine or a rack, however much of it was read."""

    @property
    def hostname(self) -> str:
        """Its name in messages."""


@runtime_checkable
class Machine(Host, Protocol):
    """A machine with what decides whose it is."""

    @property
    def pool_id(self) -> int:
        """The resource pool that it is in."""

    @property
    def owner_id(self) -> int | None:
        """The account that it belongs to."""

    @property
    def status(self) -> int:
        """Its status by number."""


@dataclass(frozen=True)
class Pool:
    """The machines of one resource pool, those that are yet to come among them."""

    id: int
    name: str


class Unknown(Enum):
    """Of what is not there nobody knows whose it would be."""

    MACHINE = "machine"


About = Host | Account | Pool | Unknown | None


def authorise(actor: Actor, permission: Permission, about: About = None) -> None:
    """Raise Forbidden, in words, unless the actor may do this to that machine, pool, rack or account.

    Called in the transaction that does it. Without an object it asks for the right to all of them; that is also how an
    object is asked about that is not there, so that a refusal does not tell whether it is. Machines are seen by
    everybody: whoever may do this to some of them may know that there is no such one (`Unknown.MACHINE`)."""
    if not any(permission in ROLES[role] for role in _roles(actor, about)):
        raise Forbidden(f"{actor.name} may not {permission.value}{_named(about)}; use an administrator's key.")


def _roles(actor: Actor, about: About) -> Iterator[Role]:
    yield Role.VIEWER
    if actor.is_admin:
        yield Role.ADMINISTRATOR
    if isinstance(about, Account) and about.id == actor.account_id:
        yield Role.ONESELF
    for held in actor.held:
        if held.role in GRANTABLE and (about is Unknown.MACHINE or held.pool_id in (None, _pool_id(about))):
            yield GRANTABLE[held.role]
    if isinstance(about, Machine) and _owns(actor, about):
        yield Role.OWNER


def _owns(actor: Actor, machine: Machine) -> bool:
    return actor.account_id is not None and machine.owner_id == actor.account_id and machine.status in GIVEN_OUT


def _pool_id(about: About) -> int | None:
    if isinstance(about, Pool):
        return about.id
    return about.pool_id if isinstance(about, Machine) else None


def _named(about: About) -> str:
    if about is None or isinstance(about, Unknown):
        return ""
    if isinstance(about, Pool):
        return f" (resource pool {about.name})"
    return f" ({about.username if isinstance(about, Account) else about.hostname})"
