# SPDX-License-Identifier: GPL-3.0-or-later
"""Ephemeral system images as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rackyard.region.db.pool import Transaction


@dataclass(frozen=True)
class Image:
    """A registered image; its files are named by the manifest."""

    id: int
    name: str
    arch: str
    suite: str
    manifest: dict[str, Any]
    manifest_sha256: str
    registered_at: datetime
    is_default: bool
    is_current: bool


def all_images(tx: Transaction) -> list[Image]:
    """Every image, newest first."""
    return [Image(**row) for row in tx.all("site.images.all")]


def lock(tx: Transaction) -> None:
    """One registration at a time."""
    tx.run("site.images.lock")


def add(tx: Transaction, manifest: dict[str, Any], manifest_sha256: str, now: datetime) -> int:
    """A new image; its id."""
    row = tx.one(
        "site.images.add",
        name=manifest["name"],
        arch=manifest["arch"],
        suite=manifest["suite"],
        manifest=manifest,
        manifest_sha256=manifest_sha256,
        now=now,
    )
    assert row is not None
    return int(row["id"])


def make_current(tx: Transaction, image_id: int, arch: str, suite: str) -> None:
    """This image is what machines boot that name its suite."""
    tx.run("site.images.clear_current", arch=arch, suite=suite, id=image_id)
    tx.run("site.images.set_current", id=image_id)


def delete_superseded(tx: Transaction, keep: int) -> list[str]:
    """Forget images beyond the newest ``keep`` of each suite that no machine boots; their names."""
    return [str(row["name"]) for row in tx.all("site.images.delete_superseded", keep=keep)]


def make_default(tx: Transaction, image_id: int, arch: str) -> None:
    """This image is what machines of its architecture boot from now on."""
    tx.run("site.images.clear_default", arch=arch, id=image_id)
    tx.run("site.images.set_default", id=image_id)
