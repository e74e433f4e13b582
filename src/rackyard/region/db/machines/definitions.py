# SPDX-License-Identifier: GPL-3.0-or-later
"""What lshw said of machines, and how far the definitions of tags are with it, as rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Definition:
    """A tag's definition. `evaluated_to` is the last machine that it was evaluated for, None when it was for all."""

    id: int
    definition: str
    evaluated_to: int | None


@dataclass(frozen=True)
class Document:
    """What lshw said of a machine; the version grows with each that comes."""

    machine_id: int
    version: int
    document: bytes = field(repr=False)


def keep(tx: Transaction, machine_id: int, document: bytes, now: datetime) -> None:
    """The newest document of a machine; every definition has to look at it."""
    tx.run("machines.definitions.keep_document", machine_id=machine_id, document=document, now=now)


def defined(tx: Transaction) -> list[Definition]:
    """The definitions that can be evaluated."""
    return [Definition(**row) for row in tx.all("machines.definitions.defined")]


def new_documents(tx: Transaction, limit: int, size_bytes: int) -> list[Document]:
    """Documents that came and that no definition has looked at: at most so many, and so many bytes of them."""
    return [Document(**row) for row in tx.all("machines.definitions.new_documents", limit=limit, bytes=size_bytes)]


def next_documents(tx: Transaction, after: int, limit: int, size_bytes: int) -> list[Document]:
    """The same of the documents of machines after one."""
    found = tx.all("machines.definitions.next_documents", after=after, limit=limit, bytes=size_bytes)
    return [Document(**row) for row in found]


def lock_unchanged(tx: Transaction, seen: Collection[Definition]) -> dict[int, str]:
    """Those of these definitions that are still the same, by tag with the tag's name; the tags locked."""
    texts = {one.id: one.definition for one in seen}
    found = tx.all("machines.definitions.lock_tags", ids=list(texts))
    return {row["id"]: row["name"] for row in found if row["definition"] == texts[row["id"]]}


def lock_machines(tx: Transaction, seen: Sequence[Document]) -> set[int]:
    """Those of these machines that are still there and have said nothing else since; they stay there.

    Lock tags before."""
    return {row["id"] for row in tx.all("machines.definitions.lock_machines", **_columns(seen))}


def assign(
    tx: Transaction, wanted: Iterable[tuple[int, int]], unwanted: Iterable[tuple[int, int]], now: datetime
) -> None:
    """Give tags to machines and take others from them; pairs of tag and machine."""
    for query, pairs in (("put_on", list(wanted)), ("take_off", list(unwanted))):
        if pairs:
            tag_ids, machine_ids = zip(*pairs, strict=True)
            tx.run(f"machines.definitions.{query}", tag_ids=list(tag_ids), machine_ids=list(machine_ids), now=now)


def seen(tx: Transaction, documents: Sequence[Document]) -> None:
    """No definition has to look at these documents for that they are new."""
    tx.run("machines.definitions.seen", **_columns(documents))


def advance(tx: Transaction, tag_ids: Collection[int], after: int, evaluated_to: int | None) -> None:
    """These definitions, if they still were at machine `after`, are now further, or through with all (None)."""
    tx.run("machines.definitions.advance", ids=list(tag_ids), after=after, evaluated_to=evaluated_to)


def _columns(documents: Sequence[Document]) -> dict[str, list[int]]:
    return {
        "ids": [document.machine_id for document in documents],
        "versions": [document.version for document in documents],
    }
