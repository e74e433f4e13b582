# SPDX-License-Identifier: GPL-3.0-or-later
"""Commissioning: how it starts, and the three ways in which it ends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from rackyard.region import ephemeral as ephemeral
from rackyard.region.context import Context
from rackyard.region.crypto import secret_hash
from rackyard.region.db.machines import facts as fact_rows
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Row, Transaction
from rackyard.region.db.power import rack_choice as rack_rows
from rackyard.region.ephemeral.facts import HardwareFacts
from rackyard.region.errors import BadRequest, Conflict
from rackyard.region.services.boots import steps, timeline
from rackyard.region.services.power import orders, queue, rack_choice
from rackyard.region.services.site import journal, settings
from rackyard.region.status import Status, check

FORCE_OFF: Mapping[str, object] = MappingProxyType({})
EXPECT_OFF: Mapping[str, object] = MappingProxyType({"expect_off": True})


def start(ctx: Context, system_id: str, username: str) -> None:
    """Begin to commission a machine: new state, boot, steps 1 to 3, event and power job in one transaction.

    Raises NotFound; BadRequest when BMC, MAC or image is missing; Conflict when the state does not allow it, no rack
    reaches the BMC, or nobody would answer the machine's DHCP request. Nothing is changed then."""
    asked_at = ctx.clock.now()
    with ctx.db.transaction() as tx:
        machine = orders.locked(tx, system_id)
        check(machine.hostname, machine.status, Status.COMMISSIONING)
        orders.require_bmc(machine)
        image = _image(tx, machine)
        choice = orders.choose_rack(tx, machine)
        _check_network(tx, machine)
        timeout_s = int(settings.get(tx, "commissioning_timeout_s"))
        now = ctx.clock.now()
        deadline = now + timedelta(seconds=timeout_s)
        tx.run("power.queue.cancel_open", machine_id=machine.id, now=now, reason="commissioning began after it")
        epoch = _set_status(ctx, tx, machine, Status.COMMISSIONING, "", epochs=1, deadline_s=timeout_s)
        if machine.boot_id is not None:
            tx.run("boots.records.end", id=machine.boot_id, now=now, outcome="aborted")
        boot_id = _add_boot(ctx, tx, machine, epoch, username, image, timeout_s)
        timeline.record(tx, boot_id, steps.ASKED, username, asked_at, f"commission {machine.hostname}")
        timeline.record(tx, boot_id, steps.ACCEPTED, ctx.config.name, now, f"deadline {deadline:%H:%M:%S} UTC")
        timeline.record(tx, boot_id, steps.RACK_CHOSEN, ctx.config.name, ctx.clock.now(), choice.reason)
        queue.enqueue(
            ctx, tx, machine, choice.rack_id, "power_on",
            epoch=epoch, boot_id=boot_id, params={"boot_device": "pxe"},
        )  # fmt: skip
        journal.record(
            tx, now, "REQUEST_NODE_START_COMMISSIONING", f"commissioning asked for; {choice.reason}",
            machine_id=machine.id, rack_id=choice.rack_id, username=username,
        )  # fmt: skip


def abort(ctx: Context, system_id: str, username: str) -> None:
    """Stop commissioning: the machine goes back to what it was and is powered off. Raises NotFound, Conflict."""
    with ctx.db.transaction() as tx:
        machine = orders.locked(tx, system_id)
        if machine.status != Status.COMMISSIONING:
            raise Conflict(
                f"machine {machine.hostname} is {Status(machine.status).label}, not Commissioning: nothing to abort"
            )
        back = Status.READY if machine.previous_status == Status.READY else Status.NEW
        _end(ctx, tx, machine, back, f"commissioning aborted by {username}", "aborted")
        journal.record(
            tx, ctx.clock.now(), "REQUEST_NODE_ABORT_COMMISSIONING", "commissioning aborted",
            machine_id=machine.id, username=username,
        )  # fmt: skip


def fail(
    ctx: Context,
    tx: Transaction,
    machine: MachineState,
    reason: str,
    *,
    by_whom: str,
    step: int | None = None,
    off: Mapping[str, object] | None = FORCE_OFF,
) -> None:
    """Commissioning failed: the reason becomes the machine's message and the failed step's detail.

    `step` is the step that failed; by default the one the boot waited for. `off` are the parameters of the power-off
    job, None when the BMC must be left alone. Does nothing when the machine is not commissioning."""
    if machine.status != Status.COMMISSIONING:
        return
    if machine.boot_id is not None:
        waiting = steps.pending(timeline.recorded(tx, machine.boot_id))
        failed = step or (waiting.step if waiting else steps.LAST)
        timeline.record(tx, machine.boot_id, failed, by_whom, ctx.clock.now(), reason, outcome="failed")
    _end(ctx, tx, machine, Status.FAILED_COMMISSIONING, reason, "failed", off=off)
    journal.record(tx, ctx.clock.now(), "NODE_COMMISSIONING_FAILED", reason, machine_id=machine.id, level=journal.ERROR)


def complete(ctx: Context, tx: Transaction, machine: MachineState, facts: HardwareFacts) -> None:
    """Commissioning succeeded: facts, status Ready and the power-off job in the caller's transaction."""
    now = ctx.clock.now()
    fact_rows.store(tx, machine.id, facts, now)
    _set_status(ctx, tx, machine, Status.READY, "", epochs=0, deadline_s=None)
    if machine.boot_id is not None:
        tx.run("boots.records.end", id=machine.boot_id, now=now, outcome="done")
    _power_off(ctx, tx, machine, machine.epoch, EXPECT_OFF)
    journal.record(
        tx, now, "NODE_COMMISSIONED",
        f"{facts.cpu.count} CPUs, {facts.memory.total_mib} MiB memory, {len(facts.disks)} disks, "
        f"{len(facts.nics)} network interfaces",
        machine_id=machine.id,
    )  # fmt: skip


def _end(
    ctx: Context,
    tx: Transaction,
    machine: MachineState,
    status: Status,
    message: str,
    outcome: str,
    *,
    off: Mapping[str, object] | None = FORCE_OFF,
) -> None:
    now = ctx.clock.now()
    tx.run("power.queue.cancel_open", machine_id=machine.id, now=now, reason=message)
    epoch = _set_status(ctx, tx, machine, status, message, epochs=1, deadline_s=None)
    if machine.boot_id is not None:
        tx.run("boots.records.end", id=machine.boot_id, now=now, outcome=outcome)
        tx.run("operations.signals.abort_open", boot_id=machine.boot_id, now=now)
    if off is not None:
        _power_off(ctx, tx, machine, epoch, off)


def _power_off(ctx: Context, tx: Transaction, machine: MachineState, epoch: int, params: Mapping[str, object]) -> None:
    if machine.power_type != "ipmi" or machine.power_address is None:
        return
    choice = rack_choice.choose(machine.power_address, rack_rows.candidates(tx, machine.power_address))
    if choice is None:
        journal.record(
            tx, ctx.clock.now(), "NODE_POWER_OFF_FAILED",
            f"no live rack reaches BMC {machine.power_address} to switch {machine.hostname} off; it may still run",
            machine_id=machine.id, level=journal.WARNING,
        )  # fmt: skip
        return
    queue.enqueue(
        ctx, tx, machine, choice.rack_id, "power_off", epoch=epoch, boot_id=machine.boot_id, params=dict(params)
    )  # fmt: skip


def _set_status(
    ctx: Context,
    tx: Transaction,
    machine: MachineState,
    status: Status,
    message: str,
    *,
    epochs: int,
    deadline_s: int | None,
) -> int:
    check(machine.hostname, machine.status, status)
    now = ctx.clock.now()
    row = tx.one(
        "machines.state.set_status", id=machine.id, status=int(status), message=message[:2000], now=now, epochs=epochs,
        deadline_at=None if deadline_s is None else now + timedelta(seconds=deadline_s),
    )  # fmt: skip
    return machine.epoch + epochs if row is None else int(row["epoch"])


def _add_boot(
    ctx: Context, tx: Transaction, machine: MachineState, epoch: int, username: str, image: Row, timeout_s: int
) -> int:
    now = ctx.clock.now()
    secret = ctx.random.token(32)
    row = tx.one(
        "boots.records.add",
        boot_id=ctx.random.boot_id(),
        machine_id=machine.id,
        epoch=epoch,
        username=username,
        now=now,
        consumer_key=ctx.random.token(18),
        token_key=ctx.random.token(24),
        token_secret_sha256=secret_hash(secret),
        token_secret=ctx.box.encrypt(secret),
        expires_at=now + timedelta(seconds=timeout_s),
        image_id=image["id"],
    )
    assert row is not None
    boot_id = int(row["id"])
    tx.run("machines.state.set_boot", id=machine.id, boot_id=boot_id)
    for script in ephemeral.script_index():
        tx.run("operations.signals.add_script", boot_id=boot_id, machine_id=machine.id, name=script.name)
    return boot_id


def _image(tx: Transaction, machine: MachineState) -> Row:
    arch = machine.architecture.partition("/")[0]
    image = tx.one("site.images.default", arch=arch)
    if image is None:
        raise BadRequest(
            f"machine {machine.hostname} cannot boot: no {arch} image is registered; build and register one with "
            "the playbook rackyard.metal.image"
        )
    return image


def _check_network(tx: Transaction, machine: MachineState) -> None:
    if not tx.all("machines.registry.boot_interfaces", id=machine.id):
        raise BadRequest(
            f"machine {machine.hostname} has no MAC address, so its boot would not be recognised; set mac_addresses"
        )
    row = tx.one("network.picture.dhcp_vlans")
    if row is None or row["serving"] == 0:
        raise Conflict(
            f"nobody would answer {machine.hostname}'s DHCP request: no VLAN has DHCP on with a live primary rack, a "
            "managed subnet and a dynamic range; run the playbook rackyard.metal.network"
        )
