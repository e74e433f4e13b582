# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking racks whether their dhcpd would take a snippet: a region has no dhcpd of necessity.

Each configuration that the snippet would be in is judged as a whole. The rack whose configuration it is does that if it
lives; else any other, for what there is to judge is told. Where no rack has the snippet (its subnet is not served yet),
a configuration is judged that has little besides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from rackyard.region.context import Context
from rackyard.region.db.network.dhcp_snippets import Snippet
from rackyard.region.db.pool import Row
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import Conflict, Invalid
from rackyard.region.services.network.network import Network
from rackyard.region.services.racks import desired, dhcp_snippets
from rackyard.region.services.racks.dhcp_snippets import Snippets

# What an agent says of itself that can do this; one of the release before does not look for such questions.
ABILITY = "dhcp_check"
WAIT_S = 20.0
# Longer than that nobody waits for an answer.
_FORGOTTEN_AFTER = timedelta(minutes=5)
# Networks that nobody has (RFC 5737, RFC 3849), for a snippet that no rack has yet.
_NOWHERE = ("192.0.2.0/24", "2001:db8::/64")


@dataclass(frozen=True)
class Question:
    """A section of the desired state for one of the two daemons, and the rack that it would be of."""

    rack_id: int | None
    daemon: str
    section: Mapping[str, Any]


def require_taken(ctx: Context, network: Network, snippets: Sequence[Snippet], new: Snippet) -> None:
    """Have `new`, which is one of `snippets`, judged among all that are enabled.

    Raises Invalid with dhcpd's words; Conflict when no rack is there to ask, or when one does not answer in time."""
    with ctx.db.transaction() as tx:
        racks = tx.all("racks.dhcp_checks.racks", ability=ABILITY)
    able = [row["id"] for row in racks if row["alive"] and row["able"]]
    if not able:
        raise Conflict(_nobody(new, racks))
    by_question: dict[str, Question] = {}
    for question in _questions(ctx, network, racks, snippets, new):
        by_question.setdefault(json.dumps([question.daemon, question.section], sort_keys=True), question)
    with ctx.notifier.subscribe("rackyard_dhcp_checks") as heard:
        ids = _ask(ctx, able, list(by_question.values()), new)
        try:
            give_up_at = ctx.clock.monotonic() + WAIT_S
            while True:
                with ctx.db.transaction() as tx:
                    answers = tx.all("racks.dhcp_checks.read", ids=ids)
                for row in answers:
                    if row["words"]:
                        raise Invalid.field("value", f"dhcpd of {row['hostname']} would not take it: {row['words']}")
                silent = sorted({row["hostname"] for row in answers if row["words"] is None})
                if not silent and len(answers) == len(ids):
                    return
                if not heard.wait(give_up_at - ctx.clock.monotonic()):
                    raise Conflict(_late(new, silent))
        finally:
            with ctx.db.transaction() as tx:
                tx.run("racks.dhcp_checks.forget", ids=ids, before=ctx.clock.now() - _FORGOTTEN_AFTER)


def take(ctx: Context, rack: Rack) -> list[dict[str, Any]]:
    """The questions that wait for a rack, as the contract `dhcp-check` has them; none is given out twice."""
    with ctx.db.transaction() as tx:
        rows = tx.all("racks.dhcp_checks.take", rack_id=rack.id, now=ctx.clock.now())
    return [{"id": row["id"], **row["question"]} for row in sorted(rows, key=lambda row: int(row["id"]))]


def answer(ctx: Context, rack: Rack, check_id: int, words: str) -> bool:
    """What a rack's dhcpd says; False when nobody waits for it."""
    with ctx.db.transaction() as tx:
        return tx.run("racks.dhcp_checks.answer", id=check_id, rack_id=rack.id, words=words) > 0


def _ask(ctx: Context, able: Sequence[int], questions: Sequence[Question], new: Snippet) -> list[int]:
    about = {"name": new.name, "value": new.value}
    ids = []
    with ctx.db.transaction() as tx:
        for number, question in enumerate(questions):
            rack_id = question.rack_id if question.rack_id in able else able[number % len(able)]
            document = {**about, "daemon": question.daemon, "section": question.section}
            row = tx.one("racks.dhcp_checks.ask", rack_id=rack_id, question=document, now=ctx.clock.now())
            assert row is not None
            ids.append(int(row["id"]))
    return ids


def _questions(
    ctx: Context, network: Network, racks: Sequence[Row], snippets: Sequence[Snippet], new: Snippet
) -> list[Question]:
    enrolled = [Rack(row["id"], row["system_id"], row["hostname"]) for row in racks]
    sections = desired.dhcp_sections(ctx, enrolled, snippets)
    found = [
        Question(rack_id, daemon, section)
        for rack_id, both in sections.items()
        for daemon, section in both.items()
        if new.name in dhcp_snippets.names_in(section)
    ]
    asked = {question.daemon for question in found}
    return [*found, *(each for each in _stand_ins(network, Snippets.of(snippets), new) if each.daemon not in asked)]


def _stand_ins(network: Network, snippets: Snippets, new: Snippet) -> list[Question]:
    """The smallest configurations that have the snippet: of both families if it is for everything, else of its own."""
    scope = new.scope
    ranges = [known for known in network.ranges if known.id == scope.ip_range_id]
    subnet_id = ranges[0].subnet_id if ranges else scope.subnet_id
    if subnet_id is not None:
        cidrs = [network.subnet(str(subnet_id)).cidr]
    else:
        cidrs = [*_NOWHERE] if scope.is_global else [_NOWHERE[0]]
    pools = [{"start": each.start_ip, "end": each.end_ip, **snippets.for_range(each.id)} for each in ranges]
    inside = {"pools": pools, **(snippets.for_subnet(subnet_id) if subnet_id is not None else {})}
    return [_stand_in(cidr, inside, snippets) for cidr in cidrs]


def _stand_in(cidr: str, inside: Mapping[str, Any], snippets: Snippets) -> Question:
    parsed = ip_network(cidr)
    server = str(parsed.network_address + 1) if parsed.num_addresses > 1 else str(parsed.network_address)
    serves = "next_server" if parsed.version == 4 else "server"
    subnet = {"cidr": cidr, serves: server, **inside}
    section = {"networks": [{"name": "vlan-0", "subnets": [subnet]}], **snippets.for_everything()}
    if parsed.version == 6:
        return Question(None, "dhcp6", section)
    return Question(None, "dhcp", {**section, **snippets.for_machines()})


def _nobody(new: Snippet, racks: Sequence[Row]) -> str:
    living = [row["hostname"] for row in racks if row["alive"]]
    why = (
        f"{', '.join(living)} cannot check it yet; upgrade a rack"
        if living
        else "start a rack; `rackyard-region status` shows which there are"
    )
    return f"No rack that could check snippet {new.name} is alive, so it is not kept: {why}."


def _late(new: Snippet, silent: Sequence[str]) -> str:
    names = ", ".join(silent)
    return (
        f"{names} did not say within {WAIT_S:.0f} s whether dhcpd would take snippet {new.name}, so it is not kept; "
        f"try again, or look at `journalctl -u rackyard-rack` on {names}."
    )
