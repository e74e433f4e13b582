# SPDX-License-Identifier: GPL-3.0-or-later
"""The twelve steps of a boot: titles, when each is overdue, and what to look at when it does not happen.

Pure functions over recorded steps; `timeline` reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

ASKED, ACCEPTED, RACK_CHOSEN, POWERED_ON, LEASED, LOADER, CONFIG_ASKED, CONFIG_GIVEN = range(1, 9)
IMAGE, METADATA, REPORTED, STORED = range(9, 13)
LAST = STORED

# Clocks of region and racks are kept by chrony; what is left below this is not worth a reader's attention.
CLOCK_TOLERANCE = timedelta(seconds=2)
SILENCE = timedelta(minutes=2)


@dataclass(frozen=True)
class StepRule:
    """What a step is called, after how many seconds it is overdue, and where to look then."""

    title: str
    overdue_s: int
    look_at: str


RULES: Mapping[int, StepRule] = {
    ASKED: StepRule("operator asks", 5, "the region's own log"),
    ACCEPTED: StepRule("request accepted", 5, "the region's own log and PostgreSQL"),
    RACK_CHOSEN: StepRule(
        "rack chosen",
        30,
        "`rackyard-region status`: is a rack alive that has an address or a route to the BMC at {bmc}?",
    ),
    POWERED_ON: StepRule(
        "powered on",
        90,
        "the agent of {rack} (`journalctl -u rackyard-rack`) and the BMC at {bmc}: does it answer, does it power on?",
    ),
    LEASED: StepRule(
        "address leased",
        240,
        "the console of {machine}: does the firmware boot from the network on {mac}? Then `journalctl -t dhcpd` "
        "on the racks of that VLAN: DHCPDISCOVER without DHCPOFFER means no free address or DHCP off",
    ),
    LOADER: StepRule(
        "boot loader fetched",
        # Without IPv4 in its network, UEFI has a lease by PXE over IPv6, tries HTTP over IPv4 for more than a minute
        # and then HTTP over IPv6.
        120,
        "`journalctl -t in.tftpd` on the rack that leased the address, UDP 69, and whether the loader file exists "
        "under /var/lib/rackyard/tftp; for a machine that boots by HTTP, `journalctl -t rackyard_http` and TCP 5248",
    ),
    CONFIG_ASKED: StepRule(
        "boot configuration asked",
        60,
        "the machine's console (a loader that Secure Boot refuses stops here) and nginx on port 5248 of the rack",
    ),
    CONFIG_GIVEN: StepRule("boot configuration given", 30, "`journalctl -u rackyard-rack-boot` on the rack"),
    IMAGE: StepRule(
        "system image fetched",
        240,
        "the machine's console, and /images/ of nginx on port 5248 of the rack: is the image in its cache, "
        "does the region serve it?",
    ),
    METADATA: StepRule(
        "metadata pulled",
        300,
        "the machine's console: did cloud-init resolve the rack's name (named on the rack) and reach port 5248?",
    ),
    REPORTED: StepRule(
        "hardware reported",
        900,
        "the machine's log on the region (/var/log/rackyard/machines) and its script results: which one is running?",
    ),
    STORED: StepRule(
        "facts stored, powered off",
        180,
        "the BMC at {bmc}: does it still report power on? `rackyard-rack power` on {rack} asks it",
    ),
}


@dataclass(frozen=True)
class Recorded:
    """One recorded step of a boot."""

    step: int
    by_whom: str
    at: datetime
    outcome: str
    detail: str


@dataclass(frozen=True)
class Names:
    """The names that a diagnosis mentions."""

    machine: str
    rack: str
    bmc: str
    mac: str


@dataclass(frozen=True)
class Pending:
    """The step that a boot waits for, and since when."""

    step: int
    since: datetime
    due: datetime


@dataclass(frozen=True)
class Clues:
    """What is known of a boot beyond its steps: the site's own limits (step → seconds), and when something last
    happened, if only a heartbeat."""

    limits: Mapping[int, int] = field(default_factory=dict)
    progress_at: datetime | None = None


def pending(recorded: Sequence[Recorded], clues: Clues | None = None) -> Pending | None:
    """The first step after the furthest one that was done, or None when there is nothing left to wait for.

    A gap before the furthest step is lost or late evidence, not what the boot waits for. A machine that runs its
    scripts says so every half minute: two minutes of silence are enough there, however long its scripts may take."""
    clues = clues or Clues()
    done = [row for row in recorded if row.outcome == "done"]
    if not done or any(row.outcome == "failed" for row in recorded):
        return None
    furthest = max(done, key=lambda row: row.step)
    if furthest.step == LAST:
        return None
    step = furthest.step + 1
    due = furthest.at + timedelta(seconds=clues.limits.get(step, RULES[step].overdue_s))
    if step == REPORTED and clues.progress_at is not None and clues.progress_at > furthest.at:
        due = min(due, clues.progress_at + SILENCE)
    return Pending(step, furthest.at, due)


def diagnose(waiting: Pending, now: datetime, names: Names) -> str:
    """Plain words for a step that does not happen: which one, since when, where to look."""
    rule = RULES[waiting.step]
    seconds = max(0, round((now - waiting.since).total_seconds()))
    before = RULES[waiting.step - 1].title
    look_at = rule.look_at.format(machine=names.machine, rack=names.rack, bmc=names.bmc, mac=names.mac)
    return (
        f"step {waiting.step} ({rule.title}) has not happened {seconds} s after step {waiting.step - 1} ({before}). "
        f"Look at {look_at}."
    )


def arrange(
    recorded: Sequence[Recorded], running: bool, now: datetime, clues: Clues | None = None
) -> list[dict[str, object]]:
    """The twelve rows as the API shows them; see the contract of `op=boot_timeline`.

    Evidence may arrive in any order; times come from different clocks. A time that is less than two seconds before
    its predecessor is shown as the predecessor's."""
    by_step = {row.step: row for row in recorded}
    waiting = pending(recorded, clues) if running else None
    rows: list[dict[str, object]] = []
    previous: datetime | None = None
    for step, rule in RULES.items():
        row = by_step.get(step)
        if row is None:
            overdue = waiting is not None and waiting.step == step and now > waiting.due
            rows.append(_row(step, rule.title, "", None, None, "overdue" if overdue else "waiting", ""))
            continue
        at = row.at
        if previous is not None and timedelta(0) < previous - at < CLOCK_TOLERANCE:
            at = previous
        took = None if previous is None else round((at - previous).total_seconds(), 3)
        rows.append(_row(step, rule.title, row.by_whom, at, took, row.outcome, row.detail))
        previous = at
    return rows


def _row(
    step: int, title: str, by: str, at: datetime | None, took_s: float | None, outcome: str, detail: str
) -> dict[str, object]:
    return {
        "step": step,
        "title": title,
        "by": by,
        "at": at.isoformat(timespec="milliseconds") if at else None,
        "took_seconds": took_s,
        "outcome": outcome,
        "detail": detail,
    }
