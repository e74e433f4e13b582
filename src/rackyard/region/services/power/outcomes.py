# SPDX-License-Identifier: GPL-3.0-or-later
"""What racks report about power jobs. The epoch fences: what belongs to an earlier life is noted and ignored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from rackyard.region.context import Context
from rackyard.region.db.machines import state as machine_rows
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Row, Transaction
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import NotFound
from rackyard.region.services.boots import steps, timeline
from rackyard.region.services.operations import lifecycle
from rackyard.region.services.power import queue
from rackyard.region.services.site import journal

# `retry`: the rack's agent was restarted while it worked on the job, and nothing is known of it.
ERROR_KINDS = frozenset({"auth", "unreachable", "refused", "protocol", "timeout", "retry"})
# What a rack may still report on; a job that was given up as lost is not lost when its rack reports after all.
OPEN = ("queued", "taken", "lost")
# How long a machine whose power-on was lost may show by itself that it was switched on.
LATE = timedelta(seconds=120)


@dataclass(frozen=True)
class PowerReport:
    """A rack's report on one job."""

    epoch: int
    ok: bool
    power_state: str
    warnings: tuple[str, ...]
    error: str
    error_kind: str
    took_s: float

    def as_dict(self) -> dict[str, object]:
        """What is kept of it."""
        return {
            "ok": self.ok,
            "power_state": self.power_state,
            "warnings": list(self.warnings),
            "error_kind": self.error_kind,
            "took_seconds": self.took_s,
        }


def finish(ctx: Context, rack: Rack, job_id: int, report: PowerReport) -> bool:
    """Take the result of a job; False when it came too late to matter. Raises NotFound unless it is this rack's job."""
    with ctx.db.transaction() as tx:
        job = tx.one("power.queue.lock", id=job_id, rack_id=rack.id)
        if job is None:
            raise NotFound(f"rack {rack.hostname} has no job {job_id}")
        machine = machine_rows.lock_by_id(tx, job["machine_id"])
        if machine is None or job["state"] not in OPEN:
            return False
        now = ctx.clock.now()
        if report.epoch != machine.epoch or job["epoch"] != machine.epoch:
            _end(ctx, tx, job, "stale", report, f"epoch {job['epoch']}, the machine is at {machine.epoch}")
            journal.record(
                tx, now, "JOB_RESULT_STALE",
                f"{rack.hostname} reported on {job['kind']} of an earlier life of {machine.hostname}; ignored",
                machine_id=machine.id, rack_id=rack.id, level=journal.DEBUG,
            )  # fmt: skip
            return False
        if report.error_kind == "retry" and queue.again(ctx, tx, job, rack.id):
            return True
        if report.ok:
            _end(ctx, tx, job, "done", report, "")
            _succeeded(ctx, tx, rack, machine, job, report)
        else:
            words = _words(rack.hostname, machine, job["kind"], report)
            _end(ctx, tx, job, "failed", report, words)
            _failed(ctx, tx, rack.id, machine, job, words, report.error_kind)
        return True


def expire(ctx: Context, job_id: int, rack_id: int, at: datetime) -> None:
    """Nobody took a job in time, or the rack that took it did not report; not if it has got more time than until `at`.

    A dead rack's job goes to another one. Else it is lost: the machine may have been switched on all the same, so its
    operation gets a last moment in which its boot, or the rack's late report, may show that."""
    with ctx.db.transaction() as tx:
        job = tx.one("power.queue.lock", id=job_id, rack_id=rack_id)
        if job is None or job["state"] not in ("queued", "taken") or job["expires_at"] > at:
            return
        machine = machine_rows.lock_by_id(tx, job["machine_id"])
        rack = tx.one("power.queue.read", id=job_id)
        if machine is None or rack is None:
            return
        current = job["epoch"] == machine.epoch
        if current and not rack["rack_lives"]:
            choice = queue.other_rack(tx, machine)
            if choice is not None and choice.rack_id != rack_id and queue.again(ctx, tx, job, choice.rack_id):
                return
        taken = job["state"] == "taken"
        words = (
            f"{rack['rack']} {'took but never reported on' if taken else 'never took'} the "
            f"{job['kind'].replace('_', '-')} of {machine.hostname} (BMC {machine.power_address}); look at "
            f"`systemctl status rackyard-rack` on {rack['rack']}"
        )
        now = ctx.clock.now()
        tx.run("power.queue.finish", id=job_id, state="lost" if taken else "failed", now=now, result=None, error=words)
        if not current or (job["kind"] == "power_query" and not taken):
            return  # a question that nobody asked says nothing about the BMC
        if taken and job["kind"] == "power_on" and machine.operation_id is not None and _of_current_boot(job, machine):
            tx.run("operations.records.hurry", id=machine.operation_id, deadline_at=now + LATE)
            journal.record(
                tx, now, "NODE_POWER_ON_FAILED", words, machine_id=machine.id, rack_id=rack_id, level=journal.WARNING
            )
            return
        _failed(ctx, tx, rack_id, machine, job, words, "")


def give_up(ctx: Context, job_id: int, rack_id: int, words: str) -> None:
    """A job that cannot be done at all, and why; no BMC was asked."""
    with ctx.db.transaction() as tx:
        job = tx.one("power.queue.lock", id=job_id, rack_id=rack_id)
        machine = None if job is None else machine_rows.lock_by_id(tx, job["machine_id"])
        if job is not None and machine is not None and job["state"] in ("queued", "taken"):
            _give_up(ctx, tx, job, machine, rack_id, words)


def _give_up(ctx: Context, tx: Transaction, job: Row, machine: MachineState, rack_id: int, words: str) -> None:
    tx.run("power.queue.finish", id=job["id"], state="failed", now=ctx.clock.now(), result=None, error=words)
    if job["epoch"] == machine.epoch:
        _failed(ctx, tx, rack_id, machine, job, words, "")


def _end(ctx: Context, tx: Transaction, job: Row, state: str, report: PowerReport, error: str) -> None:
    tx.run("power.queue.finish", id=job["id"], state=state, now=ctx.clock.now(), result=report.as_dict(), error=error)


def _succeeded(ctx: Context, tx: Transaction, rack: Rack, machine: MachineState, job: Row, report: PowerReport) -> None:
    now = ctx.clock.now()
    tx.run("machines.state.set_power", id=machine.id, state=report.power_state, now=now, error="", kind="")
    by_whom = f"{rack.hostname} (agent)"
    detail = f"BMC {machine.power_address} reads {report.power_state} after {report.took_s:.1f} s"
    if report.warnings:
        detail += f"; {'; '.join(report.warnings)}"
    if job["kind"] == "power_on" and job["boot_id"] is not None:
        # The BMC is read back while the machine starts: its first steps may be known before the rack's report.
        later = [row.at for row in timeline.recorded(tx, job["boot_id"]) if row.step > steps.POWERED_ON]
        timeline.record(tx, job["boot_id"], steps.POWERED_ON, by_whom, min([now, *later]), detail)
    if report.power_state == "off" and machine.boot_id is not None:
        timeline.switched_off(tx, machine.boot_id, by_whom, now, detail)
    if job["kind"] != "power_query":
        kind = "NODE_POWERED_ON" if job["kind"] == "power_on" else "NODE_POWERED_OFF"
        journal.record(tx, now, kind, f"{by_whom}: {detail}", machine_id=machine.id, rack_id=rack.id)


def _of_current_boot(job: Row, machine: MachineState) -> bool:
    return job["boot_id"] is not None and job["boot_id"] == machine.boot_id


def _failed(
    ctx: Context, tx: Transaction, rack_id: int, machine: MachineState, job: Row, words: str, kind: str
) -> None:
    now = ctx.clock.now()
    known = machine.power_state == "error" and machine.power_error_kind == kind
    tx.run("machines.state.set_power", id=machine.id, state="error", now=now, error=words, kind=kind)
    if job["kind"] == "power_on" and _of_current_boot(job, machine):
        # A BMC that refuses us or does not answer is left alone: a second try could lock the account.
        off = None if kind in ("auth", "unreachable", "") else lifecycle.FORCE_OFF
        lifecycle.fail(ctx, tx, machine, words, by_whom=ctx.config.name, step=steps.POWERED_ON, off=off)
        return
    if job["kind"] == "power_off" and machine.boot_id is not None and _of_current_boot(job, machine):
        timeline.still_on(tx, machine.boot_id, ctx.config.name, now, words)
    if job["kind"] == "power_query" and known:
        return  # it is asked every few minutes: the error was told when it began
    level = journal.WARNING if job["kind"] == "power_query" else journal.ERROR
    journal.record(
        tx, now, f"NODE_{job['kind'].upper()}_FAILED", words, machine_id=machine.id, rack_id=rack_id, level=level
    )


def _words(rack: str, machine: MachineState, kind: str, report: PowerReport) -> str:
    verb = {"power_on": "power on", "power_off": "power off", "power_query": "ask"}[kind]
    # The rack's words name the BMC and the remedy; what the region does about it is the region's to say.
    reason = report.error or f"no reason given; look at `journalctl -u rackyard-rack` on {rack}"
    after = "; it was tried once and is not tried again until they change" if report.error_kind == "auth" else ""
    return f"{rack} could not {verb} {machine.hostname}: {reason}{after}"
