# SPDX-License-Identifier: GPL-3.0-or-later
"""A site that was restored from a backup. What happened after the backup, others know and the database does not: racks
have seen higher epochs, jobs and generations than it has, orders of that time are long carried out, tokens are spent.

So the restored site counts on far above all that it may have given out, and ends what was under way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from rackyard.region.context import Context
from rackyard.region.db import migrations
from rackyard.region.db.machines import state
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import RackyardError
from rackyard.region.services.boots import timeline
from rackyard.region.services.operations import lifecycle
from rackyard.region.services.site import journal
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

# More than a machine begins in its life, or a rack's documents change. An epoch is an integer: room for 2,000 restores.
EPOCHS = GENERATIONS = 1_000_000
# More than 10,000 machines cause between a backup and a restore: a question to each BMC in five minutes is 3 million
# jobs a day. Numbers stay exact in JSON (2**53) for 9 million restores.
NUMBERS = 1_000_000_000
# What operators declare, and see by number, is little.
DECLARED, FEW_NUMBERS = ("fabric", "vlan", "subnet", "ip_range"), 1_000


@dataclass(frozen=True)
class Holdings:
    """What a database has that cannot be made anew. `half`: it comes from a backup and is not fit for work yet.
    `restored_from`: the archive (SHA-256 of its manifest) it was restored from, when nobody has worked with it since.
    `sessions`: how many others have it open."""

    machines: int = 0
    racks: int = 0
    subnets: int = 0
    half: bool = False
    restored_from: str | None = None
    sessions: int = 0

    @property
    def would_be_lost(self) -> str:
        """In words; empty when a restore destroys nothing."""
        if self.half or not (self.machines or self.racks or self.subnets):
            return ""
        return f"{self.machines} machines, {self.racks} racks and {self.subnets} subnets"


def holdings(ctx: Context) -> Holdings:
    """What a restore would replace."""
    with ctx.db.transaction() as tx:
        there = tx.one("site.restoration.is_there")
        others = tx.one("site.restoration.sessions")
        assert there is not None
        assert others is not None
        if not there["tables"]:
            return Holdings(sessions=others["count"])
        has = tx.one("site.restoration.holdings")
        assert has is not None
        half = there["restores"] and tx.one("site.restoration.backup") is not None
    untouched = None
    if not half and migrations.current(ctx.db) >= migrations.NEEDED:
        with ctx.db.transaction() as tx:
            untouched = tx.one("site.restoration.untouched")
    restored_from = None if untouched is None else str(untouched["archive_sha256"])
    return Holdings(**has, half=half, restored_from=restored_from, sessions=others["count"])


def make_fit(ctx: Context, actor: Actor) -> str:
    """After a backup was loaded and migrated: all that it must not do again, in one transaction. What that was, in
    words. Raises Forbidden, RackyardError when no backup was loaded."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.RESTORE_SITE)
        backup = tx.one("site.restoration.backup")
        if backup is None:
            raise RackyardError("No backup was loaded into this database; run the playbook rackyard.metal.restore")
        # As long as it takes: events of years.
        tx.run("site.migrations.wait_patiently")
        reason = reason_of(backup["taken_at"])
        tx.run("site.restoration.forget_writers")
        tx.run("site.restoration.forget_auditors")
        tx.one("site.restoration.raise_numbers", declared=list(DECLARED), short=FEW_NUMBERS, far=NUMBERS)
        tx.run("site.restoration.raise_epochs", step=EPOCHS)
        tx.run("site.restoration.raise_generations", step=GENERATIONS)
        failed = _end_operations(ctx, tx, reason)
        called_off = _end_orders(ctx, tx, reason)
        tx.run("site.restoration.end_boots", now=now)
        tokens = tx.run("site.restoration.end_tokens", taken_at=backup["taken_at"])
        tx.run("site.restoration.forget_declarations")
        tx.run("site.restoration.forget_pair_states")
        for gone in ("processes", "regions", "timelines", "drains"):
            tx.run(f"site.restoration.forget_{gone}")
        words = (
            f"{reason}; what happened since is not known: {failed} operations and {called_off} power orders of that "
            f"time were ended, {tokens} enrolment tokens count no more"
        )
        journal.record(tx, now, "SITE_RESTORED", words, level=journal.WARNING)
        tx.run("site.restoration.record", now=now, **backup)
        tx.run("site.restoration.done")
    return words


def reason_of(taken_at: datetime) -> str:
    """Why something ended that a backup has."""
    return f"the site was restored from a backup of {taken_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _end_operations(ctx: Context, tx: Transaction, reason: str) -> int:
    """Operations that were under way failed; no BMC is asked for anything. How many there were."""
    running = tx.all("site.restoration.running")
    for row in running:
        machine = state.lock_by_id(tx, row["machine_id"])
        if machine is not None and machine.operation_id == row["id"]:
            lifecycle.fail(ctx, tx, machine, reason, by_whom=ctx.config.name, off=None)
        tx.run("operations.records.end", id=row["id"], now=ctx.clock.now(), outcome="aborted")
    return len(running)


def _end_orders(ctx: Context, tx: Transaction, reason: str) -> int:
    """Orders that were under way are called off; each that somebody waits for is an event. How many of those."""
    now = ctx.clock.now()
    ended = tx.all("site.restoration.end_jobs", now=now, reason=reason)
    orders = [row for row in ended if row["kind"] in ("power_on", "power_off")]
    for row in orders:
        words = f"{row['kind'].replace('_', '-')} was called off: {reason}"
        journal.record(tx, now, "NODE_POWER_CALLED_OFF", words, machine_id=row["machine_id"], level=journal.WARNING)
        if row["kind"] == "power_off" and row["boot_id"] is not None:
            timeline.still_on(tx, row["boot_id"], ctx.config.name, now, words)
    return len(orders)
