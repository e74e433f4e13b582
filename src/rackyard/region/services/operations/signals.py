# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine reports while it is commissioned. Everything here was sent by an untrusted machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rackyard.region import ephemeral as ephemeral
from rackyard.region.context import Context
from rackyard.region.db.boots.records import BootOfToken
from rackyard.region.db.machines import state
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.operations import signals
from rackyard.region.db.pool import Transaction
from rackyard.region.ephemeral import facts
from rackyard.region.errors import BadRequest, Unauthorized
from rackyard.region.services.boots import steps, timeline
from rackyard.region.services.operations import commissioning
from rackyard.region.services.site import journal
from rackyard.region.status import Status

STREAM_LIMIT_BYTES = 1024 * 1024
MAX_ERROR = 1000
EXIT_TIMED_OUT = 124
FINAL = frozenset({"OK", "FAILED", "TIMEDOUT"})
PASSED, FAILED, TIMED_OUT = 2, 3, 4
# MAAS's field names: combined output, standard output, standard error, result file.
STREAMS = {"": "output", ".out": "stdout", ".err": "stderr", ".yaml": "result"}


@dataclass(frozen=True)
class Signal:
    """One `op=signal` call. `files` are the uploaded streams by field name."""

    status: str
    error: str
    script_result_id: int | None
    exit_status: int | None
    runtime_s: float | None
    files: Mapping[str, bytes]


def handle(ctx: Context, boot: BootOfToken, signal: Signal, via: str) -> None:
    """Take one signal. Raises BadRequest for nonsense, Unauthorized when the boot is over.

    A final status that is repeated (its answer was lost) changes nothing and is no error."""
    with ctx.db.transaction() as tx:
        machine = state.lock_by_id(tx, boot.machine_id)
        current = machine is not None and machine.boot_id == boot.id and machine.status == Status.COMMISSIONING
        if machine is None or not current:
            # Read again: while this call waited for the machine's lock, the first one may have ended the boot.
            ended = tx.one("boots.records.outcome", id=boot.id)
            if signal.status in FINAL and ended is not None and ended["outcome"] in ("done", "failed"):
                return
            raise Unauthorized(f"the boot {boot.boot_id[:8]} of {boot.hostname} is over; its credentials died with it")
        if signal.status == "WORKING":
            _working(ctx, tx, boot, signal)
        elif signal.status == "OK":
            _finished(ctx, tx, boot, machine, via)
        elif signal.status in FINAL:
            words = "timed out" if signal.status == "TIMEDOUT" else "failed"
            reason = (
                f"the commissioning scripts of {boot.hostname} {words}: {_clean(signal.error) or 'no reason given'}"
            )
            timeline.record(tx, boot.id, steps.REPORTED, _machine_via(boot, via), ctx.clock.now(), words)
            commissioning.fail(
                ctx, tx, machine, reason, by_whom=_machine_via(boot, via), step=steps.STORED,
                off=commissioning.EXPECT_OFF,
            )  # fmt: skip
        else:
            raise BadRequest(f"status {signal.status[:20]!r} is not one of WORKING, OK, FAILED, TIMEDOUT")


def reject(ctx: Context, boot: BootOfToken, reason: str, via: str) -> None:
    """What the machine sent cannot be used at all (too large): its commissioning fails with that reason."""
    with ctx.db.transaction() as tx:
        machine = state.lock_by_id(tx, boot.machine_id)
        if machine is not None and machine.boot_id == boot.id:
            commissioning.fail(ctx, tx, machine, reason, by_whom=_machine_via(boot, via), step=steps.REPORTED)


def archive(ctx: Context, boot: BootOfToken) -> bytes:
    """The scripts of this boot as the tar archive that the runner fetches."""
    with ctx.db.transaction() as tx:
        ids = {row["name"]: int(row["id"]) for row in tx.all("operations.signals.ids", boot_id=boot.id)}
    return ephemeral.build_archive(ids)


def _working(ctx: Context, tx: Transaction, boot: BootOfToken, signal: Signal) -> None:
    if signal.script_result_id is None:
        return  # a heartbeat
    now = ctx.clock.now()
    row = tx.one("operations.signals.exists", id=signal.script_result_id, boot_id=boot.id)
    if row is None:
        raise BadRequest(f"script result {signal.script_result_id} does not belong to this boot of {boot.hostname}")
    if signal.exit_status is None:
        tx.run("operations.signals.started", id=signal.script_result_id, boot_id=boot.id, now=now)
        return
    streams = {column: signal.files.get(row["name"] + suffix, b"") for suffix, column in STREAMS.items()}
    oversized = [
        f"{column} has {len(body)} bytes" for column, body in streams.items() if len(body) > STREAM_LIMIT_BYTES
    ]
    status = {0: PASSED, EXIT_TIMED_OUT: TIMED_OUT}.get(signal.exit_status, FAILED)
    if oversized:
        # Half a result would look like a whole one.
        status = FAILED
        words = f"not stored: {', '.join(oversized)}, the limit is {STREAM_LIMIT_BYTES} bytes"
        streams = {**dict.fromkeys(streams, b""), "stderr": words.encode()}
        text = f"script {row['name']} of {boot.hostname}: {words}"
        journal.record(tx, now, "SCRIPT_RESULT_REFUSED", text, machine_id=boot.machine_id, level=journal.WARNING)
    tx.run(
        "operations.signals.finished", id=signal.script_result_id, boot_id=boot.id, status=status,
        exit_status=signal.exit_status, runtime_s=signal.runtime_s, now=now, **streams,
    )  # fmt: skip


def _finished(ctx: Context, tx: Transaction, boot: BootOfToken, machine: MachineState, via: str) -> None:
    by_whom = _machine_via(boot, via)
    results = signals.results(tx, boot.id)
    timeline.record(tx, boot.id, steps.REPORTED, by_whom, ctx.clock.now(), f"{len(results)} scripts")
    missing = [result.name for result in results if result.status != PASSED]
    if missing:
        reason = f"{boot.hostname} reported OK, but these scripts did not pass: {', '.join(missing)}"
        commissioning.fail(ctx, tx, machine, reason, by_whom=by_whom, step=steps.STORED, off=commissioning.EXPECT_OFF)
        return
    try:
        found = facts.parse_results({result.name: result.stdout for result in results})
    except facts.FactsError as error:
        commissioning.fail(
            ctx, tx, machine, f"the hardware report of {boot.hostname} cannot be used: {_clean(str(error))}",
            by_whom=ctx.config.name, step=steps.STORED, off=commissioning.EXPECT_OFF,
        )  # fmt: skip
        return
    taken = [
        f"{row['mac']} of {row['hostname']}"
        for row in tx.all("machines.registry.mac_owners", macs=[nic.mac for nic in found.nics])
        if row["system_id"] != boot.system_id
    ]
    if taken:
        reason = (
            f"{boot.hostname} reports MAC addresses of other machines: {', '.join(taken)}; correct mac_addresses there"
        )
        commissioning.fail(
            ctx, tx, machine, reason, by_whom=ctx.config.name, step=steps.STORED, off=commissioning.EXPECT_OFF
        )
        return
    commissioning.complete(ctx, tx, machine, found)


def _machine_via(boot: BootOfToken, via: str) -> str:
    return f"{boot.hostname} via {via}"


def _clean(text: str) -> str:
    """Text from a machine: no control characters (PostgreSQL takes no NUL), not endless."""
    return "".join(char if char.isprintable() else " " for char in text[:MAX_ERROR]).strip()
