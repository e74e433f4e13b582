# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases as evidence of who is at an address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Holding:
    """Who holds an address that speaks as a machine.

    `holder` is the MAC that the address is leased to, None when nobody has it; `own` tells whether that is one of
    the machine's; `elsewhere` is another address that is leased to the machine now."""

    holder: str | None = None
    own: bool = False
    elsewhere: str | None = None

    @property
    def proved(self) -> bool:
        """The address is leased to the machine."""
        return self.holder is not None and self.own

    @property
    def refuted(self) -> bool:
        """It is not the machine that speaks: somebody else has the address, or the machine has another one."""
        return not self.proved and (self.holder is not None or self.elsewhere is not None)

    def objection(self, hostname: str) -> str:
        """Why the address does not speak for the machine, in words about the address."""
        if self.holder is not None:
            return f"is leased to {self.holder}, which is not one of its MACs"
        if self.elsewhere is not None:
            return f"is leased to nobody, and {hostname} has {self.elsewhere}"
        return "no rack has reported a lease of that address"


def holding(tx: Transaction, machine_id: int, address: str, at: datetime) -> Holding:
    """What the leases that hold at a time, as far as they are known, say about a machine at an address."""
    row = tx.one("boots.leases.holding", machine_id=machine_id, ip=address, at=at)
    assert row is not None
    return Holding(**row)


def last_holding(tx: Transaction, machine_id: int, address: str) -> Holding:
    """The same of the last lease of the address, be it over or not."""
    row = tx.one("boots.leases.last_holding", machine_id=machine_id, ip=address)
    return Holding() if row is None else Holding(**row)
