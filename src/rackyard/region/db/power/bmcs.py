# SPDX-License-Identifier: GPL-3.0-or-later
"""BMCs as rows, and which machines are behind them. Secrets are sealed here, always."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Bmc:
    """A BMC: what makes it this one (`port` None is the usual one of its type), and how to log in.

    `secrets` are sealed, and only those that were given anew."""

    type: str
    address: str
    port: int | None
    parameters: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class MachinePower:
    """How a machine is powered: `own` are its own parameters, `parameters` those of its BMC, if it has one."""

    machine_id: int
    type: str
    own: dict[str, str]
    bmc_id: int | None
    address: str | None
    port: int | None
    parameters: dict[str, str]
    has_secrets: bool


@dataclass(frozen=True)
class Owner:
    """The machine that is behind a BMC."""

    system_id: str
    hostname: str


def of_machines(tx: Transaction, machine_ids: Sequence[int]) -> dict[int, MachinePower]:
    """How these machines are powered, by the machine's id."""
    rows = tx.all("power.bmcs.of_machines", machine_ids=list(machine_ids))
    return {row["machine_id"]: MachinePower(**row) for row in rows}


def owner(tx: Transaction, bmc: Bmc, slot: str) -> Owner | None:
    """The machine that has this slot of the BMC, which is its only one if the slot is empty."""
    row = tx.one("power.bmcs.owner", type=bmc.type, address=bmc.address, port=bmc.port, slot=slot)
    return Owner(**row) if row else None


def store(tx: Transaction, bmc: Bmc, same_as: int | None) -> int:
    """Write a BMC and lock it; its id. `same_as`: the row whose secrets are for this one, too."""
    row = tx.one(
        "power.bmcs.store", type=bmc.type, address=bmc.address, port=bmc.port, parameters=dict(bmc.parameters),
        secrets=dict(bmc.secrets), same_as=same_as,
    )  # fmt: skip
    assert row is not None
    return int(row["id"])


def attach(
    tx: Transaction, machine_id: int, kind: str, bmc_id: int | None, slot: str, parameters: Mapping[str, str]
) -> None:
    """Put a machine behind a BMC, or behind none, with what is the machine's own of its power settings."""
    tx.run(
        "power.bmcs.attach", machine_id=machine_id, type=kind, bmc_id=bmc_id, slot=slot, parameters=dict(parameters)
    )  # fmt: skip


def drop_unused(tx: Transaction, bmc_id: int) -> None:
    """Forget a BMC, with its secrets and who reached it, if its last machine has left."""
    tx.run("power.bmcs.lock", id=bmc_id)
    tx.run("power.bmcs.drop_unused", id=bmc_id)


def forget_power_error(tx: Transaction, machine_id: int) -> None:
    """The power settings are new: what the BMC said to the old ones no longer holds."""
    tx.run("power.bmcs.forget_power_error", machine_id=machine_id)
