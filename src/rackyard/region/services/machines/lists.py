# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of machines, however long, read in portions by hostname.

Which machines a list has, and in which order, is settled when it begins. Each portion is then read by itself and shows
its moment: who takes a list slowly holds neither a connection nor an old snapshot, and only one portion at a time is in
memory. So a machine that is there all the time is shown once, whatever it is called meanwhile, as it is when that
portion is read; one that goes, or no longer matches, before that is not shown, and neither is one that comes later. A
page (a list with a limit) is one portion."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, Self, TypeVar

from rackyard.region.context import Context
from rackyard.region.db.machines import registry as rows
from rackyard.region.db.machines.registry import Listing, MachineFilter
from rackyard.region.db.pool import Transaction
from rackyard.region.services.machines import filters, registry
from rackyard.region.services.machines.registry import EVERYTHING, MachineDetails, Parts

# With all that a machine has, some 20 kB each; and with a few columns of it.
DETAILED, SHORT = 500, 2000


class Part(Protocol):
    """What a portion has of its machines."""

    @property
    def ids(self) -> Sequence[int]:
        """Of each machine."""

    @property
    def hostnames(self) -> Sequence[str]:
        """Of each machine."""

    def first(self, count: int) -> Self:
        """So many of them."""


Found = TypeVar("Found", bound=Part)
Read = Callable[[Transaction, MachineFilter], Found]


@dataclass(frozen=True)
class Portion(Generic[Found]):
    """Machines that were read at once. `more` says that the list was cut at its limit."""

    found: Found
    more: bool = False


@dataclass(frozen=True)
class Detailed:
    """Machines with what belongs to them."""

    machines: Sequence[MachineDetails]

    @property
    def ids(self) -> Sequence[int]:
        """Of each machine."""
        return [details.machine.id for details in self.machines]

    @property
    def hostnames(self) -> Sequence[str]:
        """Of each machine."""
        return [details.machine.hostname for details in self.machines]

    def first(self, count: int) -> Detailed:
        """So many of them."""
        return Detailed(self.machines[:count])


def detailed(ctx: Context, wanted: MachineFilter, parts: Parts = EVERYTHING) -> Iterator[Portion[Detailed]]:
    """Matching machines: at most five statements for a portion, one for each kind of thing to filter by, and one for a
    list of several portions. Raises Invalid, with the first portion, for what there is not."""

    def read(tx: Transaction, part: MachineFilter) -> Detailed:
        return Detailed(registry.select(ctx, tx, part, parts))

    return _portions(ctx, wanted, DETAILED, read)


def short(ctx: Context, wanted: MachineFilter, columns: Collection[str]) -> Iterator[Portion[Listing]]:
    """The same with these columns only (of the query machines.registry.few): one statement for a portion."""

    def read(tx: Transaction, part: MachineFilter) -> Listing:
        return rows.few(tx, part, columns)

    return _portions(ctx, wanted, SHORT, read)


def _portions(ctx: Context, wanted: MachineFilter, size: int, read: Read[Found]) -> Iterator[Portion[Found]]:
    with ctx.db.reading() as tx:
        known = filters.resolved(ctx, tx, wanted)
        portion = _first(read, tx, known, size)
        rest = [] if known.limit is not None else _rest(tx, known, portion.found, size)
    yield portion
    del portion  # so that no more than one of them is there at a time
    for at in range(0, len(rest), size):
        yield Portion(_later(ctx, replace(known, ids=rest[at : at + size]), read))


def _first(read: Read[Found], tx: Transaction, known: MachineFilter, size: int) -> Portion[Found]:
    if known.limit is None:
        return Portion(read(tx, replace(known, limit=size)))
    # One more than a page has tells whether there is another.
    found = read(tx, replace(known, limit=known.limit + 1))
    return Portion(found.first(known.limit), more=True) if len(found.ids) > known.limit else Portion(found)


def _rest(tx: Transaction, known: MachineFilter, found: Part, size: int) -> list[int]:
    """Those that are not in the first portion. By their ids: a machine may be called otherwise since it was read."""
    if len(found.ids) < size:
        return []
    shown = set(found.ids)
    return [machine_id for machine_id in rows.ids(tx, known) if machine_id not in shown]


def _later(ctx: Context, wanted: MachineFilter, read: Read[Found]) -> Found:
    with ctx.db.reading() as tx:
        return read(tx, wanted)
