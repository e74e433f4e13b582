# SPDX-License-Identifier: GPL-3.0-or-later
"""How an operation begins in which a machine boots into memory and runs scripts: steps 1 to 3, and the power job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from rackyard.region.context import Context
from rackyard.region.crypto import secret_hash
from rackyard.region.db.machines import facts as fact_rows
from rackyard.region.db.machines.state import MachineState
from rackyard.region.db.pool import Row, Transaction
from rackyard.region.errors import BadRequest, Conflict
from rackyard.region.services.boots import pace, steps, timeline
from rackyard.region.services.operations import lifecycle
from rackyard.region.services.operations.kinds import Kind
from rackyard.region.services.operations.lifecycle import Begun
from rackyard.region.services.power import orders, queue
from rackyard.region.services.site import journal
from rackyard.region.services.site.authorisation import Actor
from rackyard.region.services.site.scripts import Chosen


def begin(
    ctx: Context,
    tx: Transaction,
    actor: Actor,
    machine: MachineState,
    kind: Kind,
    asked_at: datetime,
    own: Iterable[str],
    scripts: Sequence[Chosen],
) -> None:
    """Begin it for a machine that is locked, in a status that allows it, and whose actor may: it runs the region's
    `own` scripts of those names, then the others.

    Raises BadRequest when BMC, MAC or image is missing; Conflict when no rack is alive, or nobody would answer the
    machine's DHCP request."""
    orders.require_bmc(machine)
    image = _image(tx, machine)
    choice = orders.choose_rack(ctx, tx, machine)
    _check_network(tx, machine)
    limits = pace.limits(tx, image["id"], kind.purpose)
    scripts_s = _scripts_s(tx, machine, scripts)
    if scripts:
        # They take as long as they say they may.
        limits = {**limits, steps.REPORTED: steps.RULES[steps.REPORTED].overdue_s + scripts_s}
    begun = lifecycle.begin(ctx, tx, actor, machine, kind, limits, scripts_s)
    # Whoever has a machine booted that came by enlistment vouches for it.
    if tx.run("boots.enlistment.accept", machine_id=machine.id, now=asked_at):
        tx.run("racks.desired.changed")
    boot_id = _add_boot(ctx, tx, actor, machine, kind, begun, image, choice.rack_id)
    _add_scripts(tx, boot_id, machine.id, own, scripts)
    now = ctx.clock.now()
    timeline.record(tx, boot_id, steps.ASKED, actor.name, asked_at, f"{kind.name} {machine.hostname}")
    accepted = f"deadline {begun.deadline_at:%H:%M:%S} UTC"
    timeline.record(tx, boot_id, steps.ACCEPTED, ctx.config.name, now, accepted)
    if choice.rack_id is not None:
        timeline.record(tx, boot_id, steps.RACK_CHOSEN, ctx.config.name, ctx.clock.now(), choice.reason)
    queue.enqueue(
        ctx, tx, machine, choice, "power_on", epoch=begun.epoch, boot_id=boot_id, params={"boot_device": "pxe"}
    )  # fmt: skip
    journal.record(
        tx, now, f"REQUEST_NODE_START_{kind.purpose.upper()}", f"{kind.title} asked for; {choice.reason}",
        machine_id=machine.id, rack_id=choice.rack_id, username=actor.username,
    )  # fmt: skip


def _add_boot(
    ctx: Context,
    tx: Transaction,
    actor: Actor,
    machine: MachineState,
    kind: Kind,
    begun: Begun,
    image: Row,
    rack_id: int | None,
) -> int:
    secret = ctx.random.token(32)
    row = tx.one(
        "boots.records.add",
        boot_id=ctx.random.boot_id(),
        machine_id=machine.id,
        operation_id=begun.id,
        epoch=begun.epoch,
        purpose=kind.purpose,
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
    return boot_id


def _add_scripts(tx: Transaction, boot_id: int, machine_id: int, own: Iterable[str], more: Iterable[Chosen]) -> None:
    wanted: dict[str, int | None] = dict.fromkeys(own)
    wanted |= {script.metadata.name: script.version_id for script in more}
    for name, version_id in wanted.items():
        tx.run(
            "operations.signals.add_script", boot_id=boot_id, machine_id=machine_id, name=name, version_id=version_id
        )


def _scripts_s(tx: Transaction, machine: MachineState, scripts: Iterable[Chosen]) -> int:
    """Seconds that those may take, one after the other, and those that are for devices once for each that is known."""
    known = fact_rows.known(tx, machine.id)
    devices = {"storage": len(known.disks), "interface": len(known.macs)} if known else {}
    total = 0
    for script in scripts:
        kinds = {parameter["type"] for parameter in script.metadata.parameters.values()}
        total += script.metadata.timeout * max(1, *(devices.get(kind, 1) for kind in kinds), 1)
    return total


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
