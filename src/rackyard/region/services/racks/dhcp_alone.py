# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rack serves DHCP alone because its partner is dead.

A rack that only lost the way to its partner must not think so: both would give out the same addresses. So a partner is
dead when the region does not hear the rack and the survivor's dhcpd does not hear its dhcpd either. The declaration has
a number and is good for that death only; it ends when the partner is heard again, and dhcpd brings both together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rackyard.region.context import Context
from rackyard.region.db.pool import Row, Transaction
from rackyard.region.db.racks.identity import Rack
from rackyard.region.services.racks.dhcp_pairs import MCLT_S
from rackyard.region.services.site import journal

# What dhcpd says of itself while it does not hear its partner.
_NOT_IN_TOUCH = frozenset(
    {"communications-interrupted", "startup", "recover", "recover-wait", "recover-done", "resolution-interrupted"}
)
_ALONE = "partner-down"
# After which no lease of a dead rack is good any more, unless it has told of longer ones: racks give out ten minutes
# where an operator does not set `dhcp_lease_s`.
LEASES_END = timedelta(hours=1)


@dataclass(frozen=True)
class PairState:
    """How the dhcpd of a rack says that it stands to one partner."""

    name: str
    own: str
    partner: str


def take_states(ctx: Context, tx: Transaction, rack: Rack, states: Sequence[PairState]) -> None:
    """What a rack's dhcpd says of its partners; a change becomes an event."""
    now = ctx.clock.now()
    for each in states:
        row = tx.one(
            "racks.dhcp_pairs.put_state", rack_id=rack.id, name=each.name, own=each.own, partner=each.partner, now=now
        )
        before = row["before"] if row else None
        if before != each.own:
            journal.record(
                tx, now, "DHCP_PAIR", f"dhcpd of {rack.hostname} in {each.name}: {before or 'new'} -> {each.own}",
                rack_id=rack.id, level=journal.INFO if each.own == "normal" else journal.WARNING,
            )  # fmt: skip
    tx.run("racks.dhcp_pairs.drop_other_states", rack_id=rack.id, names=[each.name for each in states])


def judge(ctx: Context) -> int:
    """Declare partners dead, and end what no longer holds; the number of changes."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        tx.run("racks.dhcp_pairs.forget_parted")
        tx.run("racks.dhcp_turns.forget_alone")
        pairs = tx.all("racks.dhcp_pairs.of_vlans")
        return sum(_judge(tx, row, now) for row in pairs)


def _leases_end(tx: Transaction, rack_id: int) -> timedelta:
    """How long after its death the last lease ends that a rack gave out."""
    row = tx.one("racks.dhcp_pairs.longest_lease", rack_id=rack_id)
    return max(LEASES_END, (row and row["longest"]) or LEASES_END)


def _judge(tx: Transaction, row: Row, now: datetime) -> bool:
    if row["number"] is not None and row["other_alive"]:
        tx.run("racks.dhcp_pairs.end_declaration", survivor_id=row["id"], dead_id=row["other_id"])
        text = f"{row['other_hostname']} is heard again: {row['hostname']} shares its DHCP pools with it once more"
        journal.record(tx, now, "DHCP_PARTNER_BACK", text, rack_id=row["other_id"])
        return True
    if row["number"] is not None or not _is_alone(tx, row, now):
        return False
    if tx.one("racks.dhcp_pairs.declare", survivor_id=row["id"], dead_id=row["other_id"], now=now) is None:
        return False
    text = (
        f"{row['other_hostname']} is dead by this region's word and by that of {row['hostname']}, whose dhcpd gives "
        f"out all addresses of their subnets {MCLT_S} s from now"
    )
    journal.record(tx, now, "DHCP_PARTNER_DOWN", text, rack_id=row["other_id"], level=journal.WARNING)
    return True


def _is_alone(tx: Transaction, row: Row, now: datetime) -> bool:
    """Whether both say that the other rack is dead, the survivor after the region last heard it."""
    if not row["alive"] or row["other_alive"] or row["own"] not in _NOT_IN_TOUCH:
        return False
    if row["other_seen_at"] is None:
        return True
    # That one went on alone before it died: it alone knows whom it gave addresses to, until those leases have ended.
    if row["other_own"] == _ALONE and now - row["other_seen_at"] < _leases_end(tx, row["other_id"]):
        return False
    return bool(row["updated_at"] > row["other_seen_at"])
