# SPDX-License-Identifier: GPL-3.0-or-later
"""Boots in which machines that nobody has registered describe themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Asker:
    """Who asks for a boot configuration in a managed subnet where machines may enlist: `is_known` when a machine, a
    device or a rack has that MAC, `holder` is the MAC that its address is leased to."""

    subnet_id: int
    cidr: str
    mode: str
    is_known: bool
    holder: str | None


@dataclass(frozen=True)
class Tried:
    """The last attempt of a MAC."""

    boot_id: str
    address: str
    outcome: str
    requested_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Counts:
    """Boots that are open in a subnet, its machines that nobody has accepted, and all of both everywhere, with those
    that came to nothing lately."""

    open: int
    unaccepted: int
    everywhere: int


@dataclass(frozen=True)
class Enlistment:
    """One such boot. The machine has no name and no system_id yet: it is called by the boot's."""

    id: int
    boot_id: str
    mac: str
    address: str
    subnet_id: int
    commission: bool
    outcome: str
    consumer_key: str
    token_key: str
    token_secret_sha256: bytes
    started_at: datetime
    ended_at: datetime | None
    credentials_expire_at: datetime
    cidr: str
    token_secret: bytes = field(repr=False)

    @property
    def system_id(self) -> str:
        """What its cloud-init takes for the machine's identity."""
        return self.boot_id

    @property
    def hostname(self) -> str:
        """What its system is called while it runs."""
        return f"enlisting-{self.mac.replace(':', '')}"


@dataclass(frozen=True)
class Result:
    """What a script has printed. `status` is 0 while it has not ended."""

    id: int
    name: str
    status: int
    stdout: bytes


@dataclass(frozen=True)
class Lookalike:
    """A machine that is like the one that enlists, by what, and its own UUID and serial number (empty: not known)."""

    id: int
    system_id: str
    hostname: str
    status: int
    by_mac: bool
    by_uuid: bool
    by_serial: bool
    uuid: str
    serial: str


@dataclass(frozen=True)
class Queued:
    """One that enlists, did so, or could not, and why not; the machine that came of it, if there is one, with what it
    says of itself."""

    mac: str
    ip_address: str
    subnet: str | None
    outcome: str
    detail: str
    requested_at: datetime
    ended_at: datetime | None
    accepted_at: datetime | None
    system_id: str | None
    hostname: str | None
    vendor: str
    product: str
    serial: str


@dataclass(frozen=True)
class Identity:
    """What tells machines apart; texts are empty where they say nothing."""

    macs: list[str]
    uuid: str
    vendor: str
    product: str
    serial: str


def asker(tx: Transaction, mac: str, ip: str, now: datetime) -> Asker | None:
    """Who asks at that address, None where nobody enlists."""
    row = tx.one("boots.enlistment.asker", mac=mac, ip=ip, now=now)
    return None if row is None else Asker(**row)


def latest(tx: Transaction, mac: str) -> Tried | None:
    """What that MAC tried last."""
    row = tx.one("boots.enlistment.latest", mac=mac)
    return None if row is None else Tried(**row)


def counts(tx: Transaction, subnet_id: int, now: datetime) -> Counts:
    """What counts against quotas."""
    row = tx.one("boots.enlistment.counts", subnet_id=subnet_id, now=now)
    assert row is not None
    return Counts(**row)


def queue(tx: Transaction) -> list[Queued]:
    """All that are known, the oldest first."""
    return [Queued(**row) for row in tx.all("boots.enlistment.queue")]


def by_boot(tx: Transaction, boot_id: str) -> Enlistment | None:
    """The enlistment with that id on its kernel line."""
    row = tx.one("boots.enlistment.by_boot", boot_id=boot_id)
    return None if row is None else Enlistment(**row)


def of_token(tx: Transaction, token_key: str) -> Enlistment | None:
    """The enlistment with that OAuth token."""
    row = tx.one("boots.enlistment.boot_of_token", token_key=token_key)
    return None if row is None else by_boot(tx, row["boot_id"])


def results(tx: Transaction, enlistment_id: int) -> list[Result]:
    """Its scripts with what they have printed."""
    return [Result(**row) for row in tx.all("boots.enlistment.results", id=enlistment_id)]


def lookalikes(tx: Transaction, who: Identity) -> list[Lookalike]:
    """Machines that may be this one."""
    return [Lookalike(**row) for row in tx.all("boots.enlistment.lookalikes", **vars(who))]
