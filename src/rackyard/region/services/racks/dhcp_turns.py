# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks that serve subnets together restart their dhcpd one after the other: one of them always answers.

What restarts dhcpd (subnets, pools, options) is given to one rack; its partners keep what they have until it has said
what became of it, and a moment longer, in which both dhcpds find each other again. What dhcpd is told while it runs
(hosts, a dead partner) waits for nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rackyard.region.context import Context
from rackyard.region.db.pool import Row, Transaction

# A rack that is heard and does not say what became of its document holds up its partners for so long.
TURN_S = 60
# In which dhcpd and its partner find each other after a restart.
REUNION_S = 10

Section = dict[str, Any]


def given(ctx: Context, rack_id: int, partner_ids: Sequence[int], section: Section) -> tuple[Section, bool]:
    """The DHCP section that a rack gets now, and whether that is an older one because a partner has its turn."""
    wanted = _restarting(section)
    if not partner_ids:
        return section, False
    with ctx.db.transaction() as tx:
        row = tx.one("racks.dhcp_turns.read", rack_id=rack_id)
    if row is not None and row["given"] == wanted:
        return section, False
    with ctx.db.transaction() as tx:
        turns = _locked(tx, [rack_id, *partner_ids])
        own = turns.get(rack_id)
        if own is not None and any(_holds_up(turns.get(each), own) for each in partner_ids):
            return {**section, **_with_declarations(own["given"], section)}, True
        tx.run("racks.dhcp_turns.take", rack_id=rack_id, given=wanted)
    return section, False


def end(tx: Transaction, rack_id: int, generation: int) -> None:
    """A rack has said what became of its dhcpd with that generation; its partners may go on after a moment."""
    tx.run("racks.dhcp_turns.end", rack_id=rack_id, generation=generation)


def _locked(tx: Transaction, rack_ids: Sequence[int]) -> dict[int, Row]:
    rows = tx.all("racks.dhcp_turns.lock", rack_ids=sorted(rack_ids), turn_s=TURN_S, reunion_s=REUNION_S)
    return {row["rack_id"]: row for row in rows}


def _holds_up(partner: Row | None, own: Row) -> bool:
    """Whether a living partner has its turn. Two that are only about to become a pair begin together: a dhcpd that
    never saw its partner answers nobody."""
    return partner is not None and partner["busy"] and bool(_names(partner["given"]) & _names(own["given"]))


def _names(restarting: Section) -> set[str]:
    return {pair["name"] for pair in restarting["pairs"]}


def _restarting(section: Section) -> Section:
    """The part of a section that stands in dhcpd's file."""
    pairs = [{**pair, "partner_down": None} for pair in section["pairs"]]
    return {"networks": section["networks"], "pairs": pairs}


def _with_declarations(restarting: Section, section: Section) -> Section:
    declared = {pair["name"]: pair["partner_down"] for pair in section["pairs"]}
    pairs = [{**pair, "partner_down": declared.get(pair["name"])} for pair in restarting["pairs"]]
    return {**restarting, "pairs": pairs}
