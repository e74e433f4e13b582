# SPDX-License-Identifier: GPL-3.0-or-later
"""What was uploaded becomes a file; what nobody sends any more, or needs any more, goes.

The processes that answer the network write no file, so that a worker does it: that of any region, and another one when
it dies over it, for it holds nothing but a lock in PostgreSQL."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import uploads as rows
from rackyard.region.db.site.uploads import Upload
from rackyard.region.errors import Unavailable
from rackyard.region.services.site import images, journal

# Of which nothing has come for so long, nobody sends any more.
KEEP = timedelta(hours=6)
# Rows of half a MiB.
_PIECES_AT_ONCE, _DROPPED_AT_ONCE = 4, 200
# Written through now and then: PostgreSQL ends a transaction that says nothing for a minute.
_FLUSH_BYTES = 64 * 1024 * 1024
_PREFIX = ".upload-"
_log = logging.getLogger(__name__)


def tend(ctx: Context) -> None:
    """One pass: files of what has arrived, then what is over. Raises Unavailable when a file cannot be written."""
    while assemble(ctx):
        pass
    give_up(ctx)
    drop_pieces(ctx)


def assemble(ctx: Context) -> bool:
    """Write one upload whose chunks are all there to its file, and say whether it is the one that was announced; False
    when there is none. Raises Unavailable when the file cannot be written; the chunks stay."""
    for left_over in ctx.config.images.glob(f"{_PREFIX}*"):
        left_over.unlink(missing_ok=True)  # of a worker that was killed
    with ctx.db.transaction() as tx:
        upload = rows.take_arrived(tx)
        if upload is None:
            return False
        name = rows.name_of(tx, upload.image_id)
        try:
            came = _write(ctx, tx, upload)
        except OSError as error:
            raise Unavailable(
                f"image {name} was uploaded, and its {upload.size_bytes} bytes cannot be written to "
                f"{ctx.config.images}: {error.strerror or error}; make room there"
            ) from error
        now = ctx.clock.now()
        if came is None:
            tx.run("site.uploads.set_complete", id=upload.id, now=now)
            tx.run("site.uploads.delete_older", image_id=upload.image_id, id=upload.id)
            journal.record(tx, now, "IMAGES", f"Image {name} is complete: {upload.size_bytes} bytes")
        else:
            refusal = f"What was sent of image {name} has the SHA-256 {came}, not {upload.sha256}."
            tx.run("site.uploads.refuse", id=upload.id, refusal=refusal, now=now)
            journal.record(tx, now, "IMAGES", refusal, level=journal.WARNING)
    _log.info("image %s: %s", name, "complete" if came is None else "not what was announced")
    return True


def give_up(ctx: Context) -> int:
    """Forget uploads of which nothing has come for long; of how many images."""
    before = ctx.clock.now() - KEEP
    with ctx.db.transaction() as tx:
        found = [row["image_id"] for row in tx.all("site.uploads.abandoned", before=before)]
    for image_id in found:
        with ctx.db.transaction() as tx:
            image = tx.one("site.uploads.lock_image", id=image_id)
            if image and tx.run("site.uploads.delete_abandoned", image_id=image_id, before=before):
                hours = KEEP.total_seconds() / 3600
                words = f"The upload of image {image['name']} was given up: nothing has come for {hours:.0f} hours"
                journal.record(tx, ctx.clock.now(), "IMAGES", words, level=journal.WARNING)
                tx.run("site.uploads.delete_empty", id=image_id)
    return len(found)


def drop_pieces(ctx: Context) -> None:
    """Remove the chunks of uploads that have ended."""
    dropped = _DROPPED_AT_ONCE
    while dropped == _DROPPED_AT_ONCE:
        with ctx.db.transaction() as tx:
            dropped = tx.run("site.uploads.delete_pieces", limit=_DROPPED_AT_ONCE)


def _write(ctx: Context, tx: Transaction, upload: Upload) -> str | None:
    """Have the file in its place; the SHA-256 of what came when that is another one. Raises OSError."""
    file = images.uploaded_file(upload.sha256, upload.size_bytes)
    with _temporary(ctx.config.images) as temporary:
        digest = _copy(tx, upload, temporary)
        if digest != upload.sha256:
            return digest
        target = ctx.config.images / file.place
        target.parent.mkdir(exist_ok=True)
        temporary.replace(target)
    return None


def _copy(tx: Transaction, upload: Upload, path: Path) -> str:
    digest, unwritten = hashlib.sha256(), 0
    with path.open("wb") as stream:
        for piece in rows.pieces(tx, upload.id, _PIECES_AT_ONCE):
            digest.update(piece)
            stream.write(piece)
            unwritten += len(piece)
            if unwritten >= _FLUSH_BYTES:
                stream.flush()
                os.fdatasync(stream.fileno())
                unwritten = 0
        os.fchmod(stream.fileno(), 0o644)
        stream.flush()
        os.fsync(stream.fileno())
    return digest.hexdigest()


@contextlib.contextmanager
def _temporary(directory: Path) -> Iterator[Path]:
    """A file of one's own below the directory, gone afterwards unless it got its name."""
    descriptor, name = tempfile.mkstemp(dir=directory, prefix=_PREFIX)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
