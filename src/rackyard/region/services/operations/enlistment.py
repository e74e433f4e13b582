# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine that nobody has registered says of itself, and which machine it is. Nothing it says is trusted: the
most that it can do is become one more machine that waits for being accepted."""

from __future__ import annotations

from collections.abc import Sequence

from rackyard.region import ephemeral
from rackyard.region.context import Context
from rackyard.region.db.boots import enlistment as rows
from rackyard.region.db.boots.enlistment import Enlistment, Identity, Lookalike
from rackyard.region.db.machines import facts as fact_rows
from rackyard.region.db.machines import macs as mac_rows
from rackyard.region.db.pool import Transaction
from rackyard.region.ephemeral import facts
from rackyard.region.ephemeral.hardware import HardwareFacts
from rackyard.region.errors import BadRequest, TooLarge, Unauthorized
from rackyard.region.services.boots import enlisting
from rackyard.region.services.machines import registry
from rackyard.region.services.operations.signals import EXIT_TIMED_OUT, FAILED, FINAL, PASSED, TIMED_OUT, Signal
from rackyard.region.services.operations.words import clean
from rackyard.region.services.site import journal, notifications

# All that the scripts print, together.
REPORT_LIMIT_BYTES = 256 * 1024
# As the kernel names them, and as MAAS does.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# UUIDs and serial numbers that many machines have, because nobody has set theirs.
_UUIDS = frozenset({"03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009"})
_SERIALS = frozenset(
    {
        "none", "not specified", "not applicable", "default string", "system serial number", "to be filled by o.e.m.",
        "0123456789", "123456789", "1234567890",
    }
)  # fmt: skip
KNOWN, CONTRADICTION = "ENLISTMENT_KNOWN_MACHINE", "ENLISTMENT_CONTRADICTION"
IDENT = "enlistment-contradiction"


def archive(ctx: Context, known: Enlistment) -> bytes:
    """The scripts that the machine runs."""
    with ctx.db.transaction() as tx:
        return ephemeral.build_archive({result.name: result.id for result in rows.results(tx, known.id)})


def handle(ctx: Context, known: Enlistment, signal: Signal) -> None:
    """Take one signal. Raises BadRequest for nonsense, TooLarge when the machine has said too much (that was its
    attempt), Unauthorized when the boot is over.

    What is repeated (its answer was lost) changes nothing and is no error."""
    too_large = ""
    with ctx.db.transaction() as tx:
        row = tx.one("boots.enlistment.lock", id=known.id)
        if row is None or row["outcome"] != "running" or not enlisting.is_open(ctx, known):
            if row is not None and row["outcome"] != "running" and signal.status in FINAL:
                return
            raise Unauthorized(f"the boot {known.boot_id[:8]} of {known.hostname} is over; its credentials are too")
        if signal.status == "WORKING":
            too_large = _working(ctx, tx, known, signal)
        elif signal.status == "OK":
            _finish(ctx, tx, known)
        elif signal.status in FINAL:
            _end(ctx, tx, known, "failed", f"the scripts failed: {clean(signal.error) or 'no reason given'}")
        else:
            raise BadRequest(f"status {signal.status[:20]!r} is not one of WORKING, OK, FAILED, TIMEDOUT")
    if too_large:
        raise TooLarge(too_large)


def reject(ctx: Context, known: Enlistment, reason: str) -> None:
    """What the machine sent cannot be used at all: that was its attempt."""
    with ctx.db.transaction() as tx:
        row = tx.one("boots.enlistment.lock", id=known.id)
        if row is not None and row["outcome"] == "running":
            _end(ctx, tx, known, "failed", reason)


def _working(ctx: Context, tx: Transaction, known: Enlistment, signal: Signal) -> str:
    """Why it is too much, empty when it is not."""
    if signal.exit_status is None:
        return ""
    names = {result.id: result.name for result in rows.results(tx, known.id)}
    number = signal.script_result_ids[0] if len(signal.script_result_ids) == 1 else None
    if number not in names:
        raise BadRequest("the end of one script of this boot must be named by its script_result_id")
    stdout = signal.files.get(f"{names[number]}.out", b"")
    row = tx.one("boots.enlistment.printed", id=known.id, result_id=number)
    assert row is not None
    if int(row["size_bytes"]) + len(stdout) > REPORT_LIMIT_BYTES:
        reason = f"its scripts printed more than {REPORT_LIMIT_BYTES} bytes"
        _end(ctx, tx, known, "failed", reason)
        return reason
    status = {0: PASSED, EXIT_TIMED_OUT: TIMED_OUT}.get(signal.exit_status, FAILED)
    tx.run("boots.enlistment.store", id=known.id, result_id=number, status=status, stdout=stdout)
    return ""


def _finish(ctx: Context, tx: Transaction, known: Enlistment) -> None:
    results = rows.results(tx, known.id)
    missing = [result.name for result in results if result.status != PASSED]
    if missing:
        _end(ctx, tx, known, "failed", f"it reported OK, but these scripts did not pass: {', '.join(missing)}")
        return
    try:
        found = facts.parse_results({result.name: result.stdout for result in results})
    except facts.FactsError as error:
        _end(ctx, tx, known, "failed", f"its hardware report cannot be used: {clean(str(error))}")
        return
    who = identity(found)
    if known.mac not in who.macs or found.cpu.architecture not in _ARCHITECTURES:
        _end(
            ctx, tx, known, "failed", "it did not tell of the NIC that it booted from, or of a processor that is known"
        )
        return
    # Two NICs of a machine may have been let in at once.
    tx.one("boots.enlistment.one_after_the_other")
    like = rows.lookalikes(tx, who)
    against = _contradiction(tx, who, like)
    if against:
        _contradicts(ctx, tx, known, like, f"{known.mac} at {known.address} enlists, but {against}")
    elif like:
        _is_known(ctx, tx, known, like[0])
    else:
        _create(ctx, tx, known, found)


def identity(found: HardwareFacts) -> Identity:
    """What tells the machine apart; what many have is left out."""
    firmware = found.firmware
    uuid, serial = firmware.system_uuid.lower(), firmware.system_serial.strip()
    digits = uuid.replace("-", "")
    if uuid in _UUIDS or len({digits[at : at + 2] for at in range(0, len(digits), 2)}) < 2:
        uuid = ""
    if serial.lower() in _SERIALS or len(set(serial)) < 2:
        serial = ""
    return Identity([nic.mac for nic in found.nics], uuid, firmware.system_vendor, firmware.system_product, serial)


def _contradiction(tx: Transaction, who: Identity, like: Sequence[Lookalike]) -> str:
    """What does not go together, empty when all does."""
    if len(like) > 1:
        return f"is like several machines: {'; '.join(_by(each) for each in like)}"
    for each in like:
        if who.uuid and each.uuid and each.uuid.lower() != who.uuid:
            return f"is like {_by(each)}, which has another UUID ({each.uuid}) than it says ({who.uuid})"
        if who.serial and each.serial and each.serial != who.serial:
            said = f"({clean(each.serial)}) than it says ({clean(who.serial)})"
            return f"is like {_by(each)}, which has another serial number {said}"
    if not like or not like[0].by_mac:
        taken = [mac for mac in who.macs if mac_rows.is_known(tx, mac)]
        if taken:
            return f"has MAC addresses of devices or racks: {', '.join(taken[:8])}"
    return ""


def _by(each: Lookalike) -> str:
    marks = {"MAC address": each.by_mac, "UUID": each.by_uuid, "serial number": each.by_serial}
    return f"{each.hostname} (by {', '.join(mark for mark, is_so in marks.items() if is_so)})"


def _contradicts(ctx: Context, tx: Transaction, known: Enlistment, like: Sequence[Lookalike], words: str) -> None:
    _end(ctx, tx, known, "contradiction", words)
    about: list[int | None] = [each.id for each in like]
    for machine_id in about or [None]:
        journal.record(tx, ctx.clock.now(), CONTRADICTION, words, machine_id=machine_id, level=journal.WARNING)
    notifications.warn_administrators(ctx, tx, IDENT, words)


def _is_known(ctx: Context, tx: Transaction, known: Enlistment, machine: Lookalike) -> None:
    """Nothing of a machine that is there changes by what somebody says on a boot network."""
    words = (
        f"{known.mac} at {known.address} describes itself as {machine.hostname}: a new NIC of {machine.hostname}, if "
        "that is so; commission that machine again, or give it the MAC (mac_addresses)"
    )
    _end(ctx, tx, known, "known", words)
    journal.record(tx, ctx.clock.now(), KNOWN, words, machine_id=machine.id, level=journal.WARNING)


def _create(ctx: Context, tx: Transaction, known: Enlistment, found: HardwareFacts) -> None:
    now = ctx.clock.now()
    machine_id, hostname = registry.add_enlisted(ctx, tx, _ARCHITECTURES[found.cpu.architecture], known.mac)
    # Before anything is told of the machine: nobody answers for it until somebody has accepted it.
    _end(ctx, tx, known, "done", f"machine {hostname}", machine_id)
    fact_rows.store(tx, machine_id, found, now)
    tx.run("boots.enlistment.only_claimed", machine_id=machine_id)
    # Here power settings that were made in-band, and verified, would be given to the machine (bmcs.give); with
    # `commission`, it would be accepted and commissioned then (acceptance.power_was_given).
    waits = "until it has a power type" if known.commission else "until somebody accepts it"
    journal.record(
        tx, now, "NODE_ENLISTED", f"{known.mac} at {known.address} enlisted; it waits {waits}", machine_id=machine_id
    )


def _end(
    ctx: Context, tx: Transaction, known: Enlistment, outcome: str, detail: str, machine_id: int | None = None
) -> None:
    tx.run(
        "boots.enlistment.end", id=known.id, outcome=outcome, detail=detail[: journal.MAX_DESCRIPTION],
        now=ctx.clock.now(), machine_id=machine_id,
    )  # fmt: skip
    tx.run("boots.enlistment.forget_results", id=known.id)
    if outcome == "failed":
        words = f"{known.mac} at {known.address} could not enlist: {detail}"
        journal.record(tx, ctx.clock.now(), "ENLISTMENT_FAILED", words, level=journal.WARNING)
