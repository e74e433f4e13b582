# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine reports during an operation. Everything here was sent by an untrusted machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rackyard.region import ephemeral
from rackyard.region.context import Context
from rackyard.region.db.boots.records import BootOfToken
from rackyard.region.db.machines import state
from rackyard.region.db.pool import Transaction
from rackyard.region.ephemeral import script_outcome
from rackyard.region.errors import BadRequest, Unauthorized
from rackyard.region.services.boots import archive as archives
from rackyard.region.services.boots import deliveries, steps
from rackyard.region.services.boots.deliveries import Delivery
from rackyard.region.services.machines import definitions
from rackyard.region.services.operations import lifecycle, registry
from rackyard.region.services.operations.words import machine_via
from rackyard.region.services.site import journal

STREAM_LIMIT_BYTES = 1024 * 1024
# A machine that talks says so every half minute; after so long without a word it is gone.
SILENCE_S = 300
EXIT_TIMED_OUT = 124
FINAL = frozenset({"OK", "FAILED", "TIMEDOUT"})
PASSED, FAILED, TIMED_OUT = 2, 3, 4
# MAAS's field names: combined output, standard output, standard error, result file.
STREAMS = {"": "output", ".out": "stdout", ".err": "stderr", ".yaml": "result"}


@dataclass(frozen=True)
class Signal:
    """One `op=signal` call. `files` are the uploaded streams by field name; only a beginning has several results."""

    status: str
    error: str
    script_result_ids: tuple[int, ...]
    exit_status: int | None
    runtime_s: float | None
    files: Mapping[str, bytes]
    # A script that runs once for each of several devices: what each run is given, and which of them has ended.
    instances: Sequence[Mapping[str, str]] = ()
    instance: int = 0


def handle(ctx: Context, boot: BootOfToken, signal: Signal, delivery: Delivery) -> None:
    """Take one signal, once. Raises BadRequest for nonsense, Unauthorized when the boot is over.

    A final status that is repeated (its answer was lost) changes nothing and is no error."""
    via = delivery.rack.hostname
    with ctx.db.transaction() as tx:
        machine = state.lock_by_id(tx, boot.machine_id)
        if not deliveries.is_new(ctx, tx, boot, delivery):
            return
        kind = None if machine is None else lifecycle.of_machine(machine)
        if machine is None or kind is None or machine.boot_id != boot.id:
            # Read again: while this call waited for the machine's lock, the first one may have ended the boot.
            ended = tx.one("boots.records.outcome", id=boot.id)
            if signal.status in FINAL and ended is not None and ended["outcome"] in ("done", "failed"):
                return
            raise Unauthorized(f"the boot {boot.boot_id[:8]} of {boot.hostname} is over; its credentials died with it")
        entry = registry.ENTRIES[kind.name]
        lifecycle.progress(tx, boot.id, ctx.clock.now(), SILENCE_S)
        if signal.status == "WORKING":
            _working(ctx, tx, boot, signal, delivery.at(ctx, boot))
            if signal.exit_status is not None:
                entry.on_result(ctx, tx, boot, machine, via)
        elif signal.status == "OK":
            entry.on_ok(ctx, tx, boot, machine, via)
        elif signal.status in FINAL:
            words = "timed out" if signal.status == "TIMEDOUT" else "failed"
            entry.on_failed(ctx, tx, boot, machine, via, words, signal.error)
        else:
            raise BadRequest(f"status {signal.status[:20]!r} is not one of WORKING, OK, FAILED, TIMEDOUT")


def reject(ctx: Context, boot: BootOfToken, reason: str, via: str) -> None:
    """What the machine sent cannot be used at all (too large): its operation fails with that reason."""
    with ctx.db.transaction() as tx:
        machine = state.lock_by_id(tx, boot.machine_id)
        if machine is not None and machine.boot_id == boot.id:
            lifecycle.fail(ctx, tx, machine, reason, by_whom=machine_via(boot, via), step=steps.REPORTED)


def archive(ctx: Context, boot: BootOfToken) -> bytes:
    """The scripts of this boot as the tar archive that the runner fetches."""
    with ctx.db.transaction() as tx:
        return archives.of_boot(tx, boot.id)


def _working(ctx: Context, tx: Transaction, boot: BootOfToken, signal: Signal, at: datetime) -> None:
    if not signal.script_result_ids:
        return  # a heartbeat
    names = {number: _name(tx, boot, number) for number in signal.script_result_ids}
    if signal.exit_status is None:
        for number in _instances(tx, boot, signal, [*names]):
            tx.run("operations.signals.started", id=number, boot_id=boot.id, now=at)
        return
    if len(names) != 1:
        raise BadRequest(f"{boot.hostname} reports one end of {len(names)} scripts; each has its own")
    ((number, name),) = names.items()
    streams = {column: signal.files.get(name + suffix, b"") for suffix, column in STREAMS.items()}
    oversized = [
        f"{column} has {len(body)} bytes" for column, body in streams.items() if len(body) > STREAM_LIMIT_BYTES
    ]
    status = {0: PASSED, EXIT_TIMED_OUT: TIMED_OUT}.get(signal.exit_status, FAILED)
    if _is_for_devices(tx, boot, number):
        status = script_outcome.status_of(streams["result"], status)
        number = _instance(tx, boot, number, signal.instance, {})
    if oversized:
        # Half a result would look like a whole one.
        status = FAILED
        words = f"not stored: {', '.join(oversized)}, the limit is {STREAM_LIMIT_BYTES} bytes"
        streams = {**dict.fromkeys(streams, b""), "stderr": words.encode()}
        text = f"script {name} of {boot.hostname}: {words}"
        journal.record(tx, at, "SCRIPT_RESULT_REFUSED", text, machine_id=boot.machine_id, level=journal.WARNING)
    tx.run(
        "operations.signals.finished", id=number, boot_id=boot.id, status=status,
        exit_status=signal.exit_status, runtime_s=signal.runtime_s, now=at, **streams,
    )  # fmt: skip
    if name == ephemeral.LSHW and status == PASSED and streams["stdout"]:
        definitions.keep_document(ctx, tx, boot.machine_id, streams["stdout"])


def _instances(tx: Transaction, boot: BootOfToken, signal: Signal, numbers: Sequence[int]) -> Sequence[int]:
    """The rows of the runs that begin; those of a script that runs several times are made now."""
    if len(numbers) != 1 or not _is_for_devices(tx, boot, numbers[0]):
        return numbers
    return [_instance(tx, boot, numbers[0], at, given) for at, given in enumerate(signal.instances or ({},))]


def _instance(tx: Transaction, boot: BootOfToken, number: int, at: int, parameters: Mapping[str, str]) -> int:
    """The row of one run of a script whose first one has that number."""
    row = tx.one(
        "operations.signals.instance", id=number, boot_id=boot.id, instance=at, parameters=json.dumps(parameters)
    )  # fmt: skip
    assert row is not None
    return int(row["id"])


def _is_for_devices(tx: Transaction, boot: BootOfToken, number: int) -> bool:
    """Whether it is one of those that may run once for each device: a test, or a script of an operator."""
    row = tx.one("operations.signals.exists", id=number, boot_id=boot.id)
    return row is not None and (row["uploaded"] or any(row["name"] == test.metadata.name for test in ephemeral.tests()))


def _name(tx: Transaction, boot: BootOfToken, number: int) -> str:
    """The name of the script whose result has that number; raises BadRequest for another boot's."""
    row = tx.one("operations.signals.exists", id=number, boot_id=boot.id)
    if row is None:
        raise BadRequest(f"script result {number} does not belong to this boot of {boot.hostname}")
    return str(row["name"])
