# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a subnet is in use, by what, and which of its addresses are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network

from rackyard.region.context import Context
from rackyard.region.db.network import addresses as rows
from rackyard.region.db.network.addresses import Listed
from rackyard.region.services.network import picture
from rackyard.region.services.network.addresses import Span, gaps, span, usable


@dataclass(frozen=True)
class Part:
    """Addresses side by side that are used alike. Purposes are MAAS's words; none means that they are free."""

    start: int
    end: int
    purposes: Sequence[str]

    @property
    def count(self) -> int:
        """How many they are."""
        return self.end - self.start + 1


@dataclass(frozen=True)
class Usage:
    """All addresses that hosts can have in a subnet, in parts, in order."""

    cidr: str
    parts: Sequence[Part]

    @property
    def taken(self) -> list[Part]:
        """Those that something has or that are set apart."""
        return [part for part in self.parts if part.purposes]

    @property
    def free(self) -> list[Part]:
        """Those that a machine can get."""
        return [part for part in self.parts if not part.purposes]


def of_subnet(ctx: Context, specifier: str) -> Usage:
    """What the addresses of a subnet are used for. Raises NotFound."""
    with ctx.db.transaction() as tx:
        network = picture.load(tx)
        subnet = network.subnet(specifier)
        used = rows.used(tx, subnet.cidr, ctx.clock.now())
    ranges = [(span(known.start_ip, known.end_ip), known.type) for known in network.ranges_of(subnet)]
    single = [(span(each.ip, each.ip), each.purpose) for each in used]
    # A lease of a dynamic range is what the range is for.
    outside = [(own, purpose) for own, purpose in single if not any(_inside(own, whole) for whole, _type in ranges)]
    return Usage(subnet.cidr, _parts(usable(subnet.cidr), [*ranges, *outside]))


def listed(ctx: Context, specifier: str) -> list[Listed]:
    """Who has which address of a subnet, in order. Raises NotFound."""
    with ctx.db.transaction() as tx:
        return rows.listed(tx, picture.load(tx).subnet(specifier).id, ctx.clock.now())


def shown(cidr: str, number: int) -> str:
    """An address of the subnet, from its number."""
    network = ip_network(cidr)
    return str(network[number - int(network.network_address)])


def _inside(part: Span, whole: Span) -> bool:
    return whole[0] <= part[0] and part[1] <= whole[1]


def _parts(within: Span, used: Sequence[tuple[Span, str]]) -> list[Part]:
    purposes: dict[Span, set[str]] = {}
    for own, purpose in used:
        if _inside(own, within):
            purposes.setdefault(own, set()).add(purpose)
    taken = [Part(start, end, sorted(words)) for (start, end), words in purposes.items()]
    free = [Part(start, end, ()) for start, end in gaps(within, purposes)]
    return _joined(sorted([*taken, *free], key=lambda part: part.start))


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Neighbours of one kind as one part; ranges stay what they are."""
    found: list[Part] = []
    for part in parts:
        last = found[-1] if found else None
        if last and last.end + 1 == part.start and list(last.purposes) == list(part.purposes) == ["assigned-ip"]:
            found[-1] = Part(last.start, part.end, part.purposes)
        else:
            found.append(part)
    return found
