# SPDX-License-Identifier: GPL-3.0-or-later
"""Commissioning: the machine boots into memory, tells what it is made of, and is switched off again."""

from __future__ import annotations

from rackyard.region import ephemeral
from rackyard.region.context import Context
from rackyard.region.crypto import secret_hash
from rackyard.region.db.machines import facts as fact_rows
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Row, Transaction
from rackyard.region.ephemeral.hardware import HardwareFacts
from rackyard.region.errors import BadRequest, Conflict
from rackyard.region.services.boots import pace, steps, timeline
from rackyard.region.services.operations import hardware_changes, lifecycle
from rackyard.region.services.operations.kinds import COMMISSION
from rackyard.region.services.operations.lifecycle import Begun
from rackyard.region.services.power import orders, queue
from rackyard.region.services.site import journal
from rackyard.region.services.site.authorisation import Actor, Permission
from rackyard.region.status import check


def start(ctx: Context, actor: Actor, system_id: str) -> None:
    """Begin to commission a machine: new state, boot, steps 1 to 3, event and power job in one transaction.
    Step 3 comes later when a rack that reaches the BMC is yet to be found.

    Raises Forbidden, NotFound; BadRequest when BMC, MAC or image is missing; Conflict when the state does not allow it,
    no rack is alive, or nobody would answer the machine's DHCP request. Nothing is changed then."""
    with ctx.db.transaction() as tx:
        begin(ctx, tx, actor, system_id)


def start_if_possible(ctx: Context, actor: Actor, system_id: str) -> None:
    """Begin to commission a machine that is new. If that cannot be, it stays New and an event tells why: whoever adds
    a machine has not asked for more. Raises Forbidden, NotFound."""
    try:
        start(ctx, actor, system_id)
    except (BadRequest, Conflict) as refusal:
        with ctx.db.transaction() as tx:
            machine = orders.locked(tx, actor, Permission.OPERATE_MACHINE, system_id)
            journal.record(
                tx, ctx.clock.now(), "COMMISSIONING_NOT_STARTED", f"not commissioned when added: {refusal.message}",
                machine_id=machine.id, username=actor.username,
            )  # fmt: skip


def begin(ctx: Context, tx: Transaction, actor: Actor, system_id: str) -> None:
    """The same in the caller's transaction."""
    asked_at = ctx.clock.now()
    machine = orders.locked(tx, actor, Permission.OPERATE_MACHINE, system_id)
    check(machine.hostname, machine.status, COMMISSION.running)
    orders.require_bmc(machine)
    image = _image(tx, machine)
    choice = orders.choose_rack(ctx, tx, machine)
    _check_network(tx, machine)
    begun = lifecycle.begin(ctx, tx, actor, machine, COMMISSION, pace.limits(tx, image["id"]))
    # Whoever has a machine commissioned that came by enlistment vouches for it.
    if tx.run("boots.enlistment.accept", machine_id=machine.id, now=asked_at):
        tx.run("racks.desired.changed")
    boot_id = _add_boot(ctx, tx, actor, machine, begun, image, choice.rack_id)
    now = ctx.clock.now()
    asked = f"{COMMISSION.name} {machine.hostname}"
    timeline.record(tx, boot_id, steps.ASKED, actor.name, asked_at, asked)
    accepted = f"deadline {begun.deadline_at:%H:%M:%S} UTC"
    timeline.record(tx, boot_id, steps.ACCEPTED, ctx.config.name, now, accepted)
    if choice.rack_id is not None:
        timeline.record(tx, boot_id, steps.RACK_CHOSEN, ctx.config.name, ctx.clock.now(), choice.reason)
    queue.enqueue(
        ctx, tx, machine, choice, "power_on", epoch=begun.epoch, boot_id=boot_id, params={"boot_device": "pxe"}
    )  # fmt: skip
    journal.record(
        tx, now, "REQUEST_NODE_START_COMMISSIONING", f"commissioning asked for; {choice.reason}",
        machine_id=machine.id, rack_id=choice.rack_id, username=actor.username,
    )  # fmt: skip


def abort(ctx: Context, actor: Actor, system_id: str) -> None:
    """Stop what the machine is going through. Raises Forbidden, NotFound, Conflict when nothing is under way."""
    with ctx.db.transaction() as tx:
        machine = orders.locked(tx, actor, Permission.OPERATE_MACHINE, system_id)
        lifecycle.abort(ctx, tx, actor, machine)
        journal.record(
            tx, ctx.clock.now(), "REQUEST_NODE_ABORT_COMMISSIONING", "commissioning aborted",
            machine_id=machine.id, username=actor.username,
        )  # fmt: skip


def complete(ctx: Context, tx: Transaction, machine: MachineState, facts: HardwareFacts) -> None:
    """Commissioning succeeded: facts, status Ready and the power-off job in the caller's transaction."""
    now = ctx.clock.now()
    before = fact_rows.known(tx, machine.id)
    gone = fact_rows.store(tx, machine.id, facts, now)
    lifecycle.complete(ctx, tx, machine, lifecycle.EXPECT_OFF)
    journal.record(
        tx, now, "NODE_COMMISSIONED",
        f"{facts.cpu.count} CPUs, {facts.memory.total_mib} MiB memory, {len(facts.disks)} disks, "
        f"{len(facts.nics)} network interfaces",
        machine_id=machine.id,
    )  # fmt: skip
    changes = [] if before is None else hardware_changes.changes(before, fact_rows.counted(facts))
    if changes:
        told = f"since it was commissioned before: {'; '.join(changes)}"
        journal.record(tx, now, "HARDWARE_CHANGED", told, machine_id=machine.id, level=journal.WARNING)
    for nic in gone:
        lost = [*nic.links, *(["its tags"] if nic.tags else []), *(["its name or VLAN"] if nic.declared else [])]
        if lost or nic.type != "physical":
            what = "NIC" if nic.type == "physical" else nic.type.capitalize()
            journal.record(
                tx, now, "INTERFACE_GONE",
                f"{what} {nic.name} ({nic.mac}) is no longer there; with it went what was set for it: "
                f"{', '.join(lost) or 'what it was made of'}",
                machine_id=machine.id, level=journal.WARNING,
            )  # fmt: skip


def _add_boot(
    ctx: Context, tx: Transaction, actor: Actor, machine: MachineState, begun: Begun, image: Row, rack_id: int | None
) -> int:
    secret = ctx.random.token(32)
    row = tx.one(
        "boots.records.add",
        boot_id=ctx.random.boot_id(),
        machine_id=machine.id,
        operation_id=begun.id,
        epoch=begun.epoch,
        purpose=COMMISSION.purpose,
        username=actor.username,
        now=ctx.clock.now(),
        consumer_key=ctx.random.token(18),
        token_key=ctx.random.token(24),
        token_secret_sha256=secret_hash(secret),
        token_secret=ctx.box.encrypt(secret),
        image_id=image["id"],
        rack_id=rack_id,
    )
    assert row is not None
    boot_id = int(row["id"])
    tx.run("machines.state.set_boot", id=machine.id, operation_id=begun.id, boot_id=boot_id)
    for script in ephemeral.script_index():
        tx.run("operations.signals.add_script", boot_id=boot_id, machine_id=machine.id, name=script.name)
    return boot_id


def _image(tx: Transaction, machine: MachineState) -> Row:
    image = tx.one("site.images.of_machine", machine_id=machine.id)
    if image is not None:
        return image
    arch = machine.architecture.partition("/")[0]
    suites = tx.one("site.images.suites_of_machine", machine_id=machine.id)
    if suites is not None and suites["wanted"] and suites["there"]:
        raise BadRequest(
            f"machine {machine.hostname} cannot boot: its commissioning_suite is {suites['wanted']}, and there are "
            f"only {arch} images of {', '.join(suites['there'])}; build that one with the playbook "
            "rackyard.metal.image (boot_image_more_suites), or set another suite, or none for the default"
        )
    raise BadRequest(
        f"machine {machine.hostname} cannot boot: no {arch} image is registered; build and register one with "
        "the playbook rackyard.metal.image"
    )


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
