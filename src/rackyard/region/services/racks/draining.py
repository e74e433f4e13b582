# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a rack out of use while its host is upgraded, so that no machine is caught between DHCP and image.

A drained rack serves what it began: where another rack serves the subnet too, its own address leaves the subnet's name,
and power orders go to others; where it is the only one, orders to switch on wait until it is back in use. It ends by
itself, so that nothing is left out of use by an upgrade that nobody finishes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.racks import identity as rows
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import BadRequest, Conflict, NotFound
from rackyard.region.services.boots import steps
from rackyard.region.services.power import queue
from rackyard.region.services.racks import names
from rackyard.region.services.site import journal
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

DRAIN_S, MAX_DRAIN_S = 1800, 24 * 3600
_LOOK_S = 1.0
# Name servers have a change of racks within seconds, and resolvers keep the name for its TTL.
_FORGOTTEN_S = names.TTL_S + 3
_MAX_NAMED = 8


@dataclass(frozen=True)
class Drained:
    """A rack that is out of use: its subnets that other racks serve meanwhile, whether that goes for DHCP wherever it
    answers, and how many power orders they took."""

    rack: Rack
    handed_over: Sequence[str]
    dhcp_is_covered: bool
    moved: int


@dataclass(frozen=True)
class Starting:
    """A machine that needs the rack now; the last step of its boot (None: a power order is under way)."""

    hostname: str
    step: int | None

    def __str__(self) -> str:
        after = "being switched" if self.step is None else f"after step {self.step}, {steps.RULES[self.step].title}"
        return f"{self.hostname} ({after})"


def begin(ctx: Context, actor: Actor, hostname: str, for_s: int = DRAIN_S) -> Drained:
    """Take a rack out of use for at most `for_s` seconds; again, for so long from now.

    Raises Forbidden, NotFound, BadRequest for a time that is none."""
    if not 1 <= for_s <= MAX_DRAIN_S:
        raise BadRequest(f"a rack is drained for 1 to {MAX_DRAIN_S} seconds, not {for_s}")
    with ctx.db.transaction() as tx:
        rack = _locked(tx, actor, hostname)
        tx.run("racks.draining.begin", rack_id=rack.id, for_s=for_s)
        handed_over = [row["cidr"] for row in tx.all("racks.draining.handed_over", rack_id=rack.id)]
        covered = tx.one("racks.draining.dhcp_is_covered", rack_id=rack.id)
        tx.run("racks.desired.changed")
        words = f"rack {hostname} is out of use for at most {for_s} s"
        journal.record(tx, ctx.clock.now(), "RACK_DRAINED", words, rack_id=rack.id, username=actor.username)
    return Drained(rack, handed_over, bool(covered and covered["covered"]), queue.leave(ctx, rack.id))


def end(ctx: Context, actor: Actor, hostname: str) -> bool:
    """Put a rack to use again; False when it was all the time. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        rack = _locked(tx, actor, hostname)
        if tx.one("racks.draining.end", rack_id=rack.id) is None:
            return False
        tx.run("racks.desired.changed")
        tx.run("racks.enrolment.wake", rack_id=rack.id)
        words = f"rack {hostname} is in use again"
        journal.record(tx, ctx.clock.now(), "RACK_UNDRAINED", words, rack_id=rack.id, username=actor.username)
    return True


def starting(ctx: Context, rack_id: int) -> list[Starting]:
    """The machines that a rack cannot be restarted beneath."""
    with ctx.db.transaction() as tx:
        found = tx.all("racks.draining.starting", rack_id=rack_id, powered_on=steps.POWERED_ON, image=steps.IMAGE)
    return [Starting(row["hostname"], row["step"]) for row in found]


def wait(ctx: Context, drained: Drained, limit_s: float, sleep: Callable[[float], None] = time.sleep) -> float:
    """Until no machine needs the drained rack, and nobody remembers its name where others serve; the seconds it took.

    Raises Conflict, with the machines and what to do, when that is not so after `limit_s` seconds."""
    began_at = ctx.clock.monotonic()
    while True:
        waited_s = ctx.clock.monotonic() - began_at
        held_up = starting(ctx, drained.rack.id)
        if not held_up and waited_s >= (min(_FORGOTTEN_S, limit_s) if drained.handed_over else 0):
            return waited_s
        if waited_s >= limit_s:
            named = ", ".join(map(str, held_up[:_MAX_NAMED]))
            more = f" and {len(held_up) - _MAX_NAMED} more" if len(held_up) > _MAX_NAMED else ""
            raise Conflict(
                f"after {limit_s:.0f} s, machines still begin to boot from {drained.rack.hostname}: {named}{more}; "
                "wait longer, look at their boot timelines, or go on at once, which these may have to boot again for"
            )
        sleep(_LOOK_S)


def _locked(tx: Transaction, actor: Actor, hostname: str) -> Rack:
    rack = rows.lock_by_hostname(tx, hostname)
    authorise(actor, Permission.MANAGE_RACKS, rack)
    if rack is None or rack.revoked_at is not None:
        raise NotFound(f"no enrolled rack is called {hostname}; `rackyard-region status` lists them")
    return rack
