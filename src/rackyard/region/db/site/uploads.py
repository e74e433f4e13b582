# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that people upload as rows: the image, its uploads, and their chunks until a region has the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from rackyard.region.db.pool import Row, Transaction


@dataclass(frozen=True)
class Upload:
    """One version of an image: the file that was announced, and how much of it has come."""

    id: int
    image_id: int
    filetype: str
    sha256: str
    size_bytes: int
    received_bytes: int
    created_at: datetime
    changed_at: datetime
    completed_at: datetime | None
    refusal: str

    @property
    def is_complete(self) -> bool:
        """Whether a region has the file."""
        return self.completed_at is not None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.is_complete or self.refusal != ""


@dataclass(frozen=True)
class UploadedImage:
    """An image of a name for an architecture. Its uploads, oldest first, are read with one image only."""

    id: int
    name: str
    architecture: str
    title: str
    base_image: str
    uploads: tuple[Upload, ...] = field(default=())


def all_images(tx: Transaction) -> list[UploadedImage]:
    """Every uploaded image, newest first."""
    return [UploadedImage(**row) for row in tx.all("site.uploads.images")]


def find(tx: Transaction, image_id: int) -> UploadedImage | None:
    """One image with its uploads."""
    row = tx.one("site.uploads.image", id=image_id)
    if row is None:
        return None
    uploads = tuple(Upload(**each) for each in tx.all("site.uploads.of_image", image_id=image_id))
    return UploadedImage(**row, uploads=uploads)


def complete(tx: Transaction) -> list[tuple[str, int]]:
    """SHA-256 and size of what regions should have, newest first."""
    return [(row["sha256"], row["size_bytes"]) for row in tx.all("site.uploads.complete")]


def ensure(tx: Transaction, name: str, architecture: str, title: str | None, base_image: str | None) -> int:
    """The image of that name, locked; its id. A title or base image of None is left as it is."""
    row = tx.one(
        "site.uploads.ensure", name=name, architecture=architecture, title=title, base_image=base_image
    )  # fmt: skip
    assert row is not None
    return int(row["id"])


def same_content(tx: Transaction, image_id: int, filetype: str, sha256: str) -> Upload | None:
    """A complete upload with this content, if possible of that image; it stays until the transaction ends."""
    return _upload(tx.one("site.uploads.same_content", image_id=image_id, filetype=filetype, sha256=sha256))


def add(
    tx: Transaction, image_id: int, filetype: str, sha256: str, size_bytes: int, now: datetime, *, complete: bool
) -> int:
    """One more upload; its id."""
    row = tx.one(
        "site.uploads.add", image_id=image_id, filetype=filetype, sha256=sha256, size_bytes=size_bytes, now=now,
        complete=complete,
    )  # fmt: skip
    assert row is not None
    return int(row["id"])


def pending_bytes(tx: Transaction) -> int:
    """What has yet to be written for all uploads that are under way."""
    row = tx.one("site.uploads.pending_bytes")
    assert row is not None
    return int(row["size_bytes"])


def lock(tx: Transaction, image_id: int, upload_id: int) -> Upload | None:
    """One upload, which changes by nobody else until the transaction ends."""
    return _upload(tx.one("site.uploads.lock", id=upload_id, image_id=image_id))


def read(tx: Transaction, upload_id: int) -> Upload | None:
    """One upload."""
    return _upload(tx.one("site.uploads.read", id=upload_id))


def take_arrived(tx: Transaction) -> Upload | None:
    """An upload whose chunks are all there; nobody else takes it until the transaction ends."""
    return _upload(tx.one("site.uploads.take_arrived"))


def pieces(tx: Transaction, upload_id: int, at_once: int) -> Iterator[bytes]:
    """The content from its beginning, of which so many pieces are in memory at once."""
    start = 0
    while found := tx.all("site.uploads.pieces", upload_id=upload_id, start_byte=start, limit=at_once):
        for row in found:
            yield row["content"]
            start += len(row["content"])


def name_of(tx: Transaction, image_id: int) -> str:
    """What people call it; empty when it is gone."""
    row = tx.one("site.uploads.image", id=image_id)
    return "" if row is None else str(row["name"])


def _upload(row: Row | None) -> Upload | None:
    return Upload(**row) if row else None
