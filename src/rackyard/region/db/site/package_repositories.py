# SPDX-License-Identifier: GPL-3.0-or-later
"""Package repositories as rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Source:
    """What a package repository is. No `distributions` mean the release that a machine boots, an empty `key` that
    packages are signed by somebody whom the image trusts already."""

    name: str
    url: str
    distributions: list[str]
    components: list[str]
    arches: list[str]
    key: str
    enabled: bool
    disable_sources: bool


@dataclass(frozen=True)
class PackageRepository:
    """One package repository."""

    id: int
    source: Source


@dataclass(frozen=True)
class AptSource:
    """A package repository as one machine has it, in the terms of sources.list(5)."""

    id: int
    url: str
    suites: list[str]
    components: list[str]
    arch: str
    key: str
    disable_sources: bool


def lock(tx: Transaction) -> None:
    """One change of package repositories at a time."""
    tx.run("site.package_repositories.lock")


def every(tx: Transaction) -> list[PackageRepository]:
    """All of them by id."""
    return [PackageRepository(row.pop("id"), Source(**row)) for row in tx.all("site.package_repositories.all")]


def add(tx: Transaction, source: Source) -> int:
    """A new one; its id."""
    row = tx.one("site.package_repositories.add", **asdict(source))
    assert row is not None
    return int(row["id"])


def update(tx: Transaction, repository_id: int, source: Source) -> None:
    """What it is now."""
    tx.run("site.package_repositories.update", id=repository_id, **asdict(source))


def delete(tx: Transaction, repository_id: int) -> None:
    """Remove it."""
    tx.run("site.package_repositories.delete", id=repository_id)


def of_boot(tx: Transaction, boot_id: str) -> list[AptSource]:
    """What the machine of that boot (by the id on its kernel line) has beside its image's own repositories."""
    return [AptSource(**row) for row in tx.all("site.package_repositories.of_boot", boot_id=boot_id)]
