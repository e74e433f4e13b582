# SPDX-License-Identifier: GPL-3.0-or-later
"""What racks report about power jobs. The epoch fences: what belongs to an earlier life is noted and ignored."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from rackyard.region.context import Context
from rackyard.region.db.machines import state as machine_rows
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Row, Transaction
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import NotFound
from rackyard.region.services.boots import steps, timeline
from rackyard.region.services.operations import lifecycle
from rackyard.region.services.power import failover, queue
from rackyard.region.services.power.failover import Failure
from rackyard.region.services.site import journal

# `retry`: the rack's agent was restarted while it worked on the job, and nothing is known of it.
ERROR_KINDS = frozenset({"auth", "unreachable", "refused", "protocol", "timeout", "retry"})
# What a rack may still report on; a job that was given up as lost is not lost when its rack reports after all.
OPEN = ("queued", "taken", "lost")
# How long a machine whose power-on was lost may show by itself that it was switched on.
LATE = timedelta(seconds=120)
# A rack begins nothing at a BMC once a job's time is over, and what it has begun takes no longer than this.
LAST_CALL = timedelta(seconds=25)


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
    # The commands that may have reached the BMC before the job failed; None from an agent that does not tell.
    given: tuple[str, ...] | None = None

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
    """Take the result of a job; False when it came too late to matter. Raises NotFound unless it is this rack's job, or
    was."""
    with ctx.db.transaction() as tx:
        job = tx.one("power.queue.lock", id=job_id, rack_id=rack.id)
        if job is None:
            return _too_late(ctx, tx, rack, job_id, report)
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
        if job["kind"] == "power_probe":
            _probed(ctx, tx, rack, machine, job, report)
        elif report.ok:
            _end(ctx, tx, job, "done", report, "")
            _succeeded(ctx, tx, rack, machine, job, report)
        else:
            _came_to_nothing(ctx, tx, rack, machine, job, report)
        return True


def _too_late(ctx: Context, tx: Transaction, rack: Rack, job_id: int, report: PowerReport) -> bool:
    """A report on a job that went on without that rack: noted, and ignored. Raises NotFound for any other job."""
    job = tx.one("power.queue.passed_on", id=job_id, rack_id=rack.id)
    if job is None:
        raise NotFound(f"rack {rack.hostname} has no job {job_id}")
    said = f"the BMC reads {report.power_state}" if report.ok else report.error or "it failed"
    journal.record(
        tx, ctx.clock.now(), "JOB_RESULT_STALE",
        f"{rack.hostname} reported on {job['kind']} of {job['hostname']} after it was given to "
        f"{job['rack'] or 'other racks'}; ignored: {said}",
        machine_id=job["machine_id"], rack_id=rack.id, level=journal.DEBUG,
    )  # fmt: skip
    return False


def expire(ctx: Context, job_id: int, rack_id: int | None, at: datetime) -> None:
    """Nobody took a job in time, or the rack that took it did not report; not if it has got more time than until `at`.

    It goes to the next rack, as soon as the first one can be at the BMC no longer. When there is none it is lost: the
    machine may have been switched on all the same, so its operation gets a last moment in which its boot, or the rack's
    late report, may show that."""
    with ctx.db.transaction() as tx:
        job = tx.one("power.queue.lock", id=job_id, rack_id=rack_id)
        if job is None or job["state"] not in ("queued", "taken") or job["expires_at"] > at:
            return
        machine = machine_rows.lock_by_id(tx, job["machine_id"])
        rack = tx.one("power.queue.read", id=job_id)
        if machine is None or rack is None:
            return
        current = job["epoch"] == machine.epoch
        taken = job["state"] == "taken"
        words = _silence(job, machine, rack["rack"])
        now = ctx.clock.now()
        failure = None if rack_id is None else Failure(rack_id, rack["rack"], words)
        if current and failure is not None and job["kind"] != "power_probe":
            following = failover.next_rack(ctx, tx, machine, job, failure)
            if taken and following is not None and job["expires_at"] + LAST_CALL > at:
                return
            if failover.pass_on(ctx, tx, machine, job, failure, None if taken else ()):
                failover.remember(ctx, tx, machine, failure)
                return
        if failure is not None and job["tried"]:
            words = failover.words(machine, job["kind"], [*job["tried"], asdict(failure)])
        tx.run("power.queue.finish", id=job_id, state="lost" if taken else "failed", now=now, result=None, error=words)
        if current and failure is not None and job["kind"] == "power_probe":
            _out_of_reach(ctx, tx, machine, job, failure)
            return
        if not current or (job["kind"] == "power_query" and not taken):
            return  # a question that nobody asked says nothing about the BMC
        if taken and job["kind"] == "power_on" and machine.operation_id is not None and _of_current_boot(job, machine):
            tx.run("operations.records.hurry", id=machine.operation_id, deadline_at=now + LATE)
            journal.record(
                tx, now, "NODE_POWER_ON_FAILED", words, machine_id=machine.id, rack_id=rack_id, level=journal.WARNING
            )
            return
        _failed(ctx, tx, rack_id, machine, job, words, "")


def _silence(job: Row, machine: MachineState, rack: str | None) -> str:
    order = f"the {job['kind'].replace('_', '-')} of {machine.hostname} (BMC {machine.power_address})"
    if rack is None:
        return f"no rack was found for {order}; order it again, and look at `rackyard-region status`"
    did = "took but never reported on" if job["state"] == "taken" else "never took"
    return f"{rack} {did} {order}; look at `systemctl status rackyard-rack` on {rack}"


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


def _came_to_nothing(
    ctx: Context, tx: Transaction, rack: Rack, machine: MachineState, job: Row, report: PowerReport
) -> None:
    """A rack could not do a job: the next rack gets it if the network may be to blame, else it has failed."""
    failure = Failure(rack.id, rack.hostname, _reason(rack.hostname, report))
    if report.error_kind in failover.KINDS:
        failover.remember(ctx, tx, machine, failure)
        if failover.pass_on(ctx, tx, machine, job, failure, report.given):
            return
    words = failover.words(machine, job["kind"], [*job["tried"], asdict(failure)])
    _end(ctx, tx, job, "failed", report, words)
    _failed(ctx, tx, rack.id, machine, job, words, report.error_kind)


def _probed(ctx: Context, tx: Transaction, rack: Rack, machine: MachineState, job: Row, report: PowerReport) -> None:
    """A rack has found out whether the BMC answers there."""
    if report.ok:
        _end(ctx, tx, job, "done", report, "")
        failover.found(ctx, tx, machine, job["epoch"], rack.id, rack.hostname)
        return
    failure = Failure(rack.id, rack.hostname, _reason(rack.hostname, report))
    _end(ctx, tx, job, "failed", report, failure.reason)
    _out_of_reach(ctx, tx, machine, job, failure)


def _out_of_reach(ctx: Context, tx: Transaction, machine: MachineState, probe: Row, failure: Failure) -> None:
    """A rack does not reach the BMC; if it was the last one that was asked, nobody does."""
    failover.remember(ctx, tx, machine, failure)
    for order in failover.not_found(tx, machine, probe["epoch"], failure):
        words = failover.words(machine, order["kind"], order["tried"])
        tx.run("power.queue.finish", id=order["id"], state="failed", now=ctx.clock.now(), result=None, error=words)
        _failed(ctx, tx, None, machine, order, words, "unreachable")


def _end(ctx: Context, tx: Transaction, job: Row, state: str, report: PowerReport, error: str) -> None:
    tx.run("power.queue.finish", id=job["id"], state=state, now=ctx.clock.now(), result=report.as_dict(), error=error)


def _succeeded(ctx: Context, tx: Transaction, rack: Rack, machine: MachineState, job: Row, report: PowerReport) -> None:
    now = ctx.clock.now()
    tx.run("machines.state.set_power", id=machine.id, state=report.power_state, now=now, error="", kind="")
    by_whom = f"{rack.hostname} (agent)"
    detail = f"BMC {machine.power_address} reads {report.power_state} after {report.took_s:.1f} s"
    if report.warnings:
        detail += f"; {'; '.join(report.warnings)}"
    if job["tried"]:
        detail += "; before that " + "; ".join(f"{each['rack']}: {each['reason']}" for each in job["tried"])
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
    ctx: Context, tx: Transaction, rack_id: int | None, machine: MachineState, job: Row, words: str, kind: str
) -> None:
    now = ctx.clock.now()
    known = machine.power_state == "error" and machine.power_error_kind == kind
    tx.run("machines.state.set_power", id=machine.id, state="error", now=now, error=words, kind=kind)
    if job["kind"] == "power_on" and _of_current_boot(job, machine):
        # A BMC that refuses us or does not answer is left alone: a second try could lock the account.
        off = None if kind in ("auth", "unreachable", "") else lifecycle.FORCE_OFF
        chosen = any(row.step == steps.RACK_CHOSEN for row in timeline.recorded(tx, job["boot_id"]))
        step = steps.POWERED_ON if chosen else steps.RACK_CHOSEN
        lifecycle.fail(ctx, tx, machine, words, by_whom=ctx.config.name, step=step, off=off)
        return
    if job["kind"] == "power_off" and machine.boot_id is not None and _of_current_boot(job, machine):
        timeline.still_on(tx, machine.boot_id, ctx.config.name, now, words)
    if job["kind"] == "power_query" and known:
        return  # it is asked every few minutes: the error was told when it began
    level = journal.WARNING if job["kind"] == "power_query" else journal.ERROR
    journal.record(
        tx, now, f"NODE_{job['kind'].upper()}_FAILED", words, machine_id=machine.id, rack_id=rack_id, level=level
    )


def _reason(rack: str, report: PowerReport) -> str:
    # The rack's words name the BMC and the remedy; what the region does about it is the region's to say.
    reason = report.error or f"no reason given; look at `journalctl -u rackyard-rack` on {rack}"
    after = "; it was tried once and is not tried again until they change" if report.error_kind == "auth" else ""
    return f"{reason}{after}"
