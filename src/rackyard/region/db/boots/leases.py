# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases as evidence of who is at an address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Claim:
    """A machine's claim to an address.

    `holder` is the MAC that the address is leased to now, None when nobody has it; `own` tells whether that is one of
    the machine's; `elsewhere` is another address that is leased to the machine now."""

    holder: str | None
    own: bool
    elsewhere: str | None

    @property
    def proved(self) -> bool:
        """The address is leased to the machine."""
        return self.holder is not None and self.own

    @property
    def refuted(self) -> bool:
        """It is not the machine that speaks: somebody else has the address, or the machine has another one."""
        return not self.proved and (self.holder is not None or self.elsewhere is not None)

    def words(self, hostname: str, address: str) -> str:
        """Why the claim does not hold."""
        if self.holder is not None:
            return f"{address} spoke for {hostname}, but is leased to {self.holder}, which is not one of its MACs"
        if self.elsewhere is not None:
            return f"{address} spoke for {hostname}, but is leased to nobody, and {hostname} has {self.elsewhere}"
        return f"{address} spoke for {hostname}, but no rack has reported a lease of that address"


def claim(tx: Transaction, machine_id: int, address: str, now: datetime) -> Claim:
    """What the leases that hold now say about a machine at an address."""
    row = tx.one("boots.leases.claim", machine_id=machine_id, ip=address, now=now)
    assert row is not None
    return Claim(**row)
