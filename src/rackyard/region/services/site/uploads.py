# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that people upload: announced first, then sent in chunks to any region, until a region has the file.

PostgreSQL is all that regions share: chunks wait in it until the worker of a region writes them to a file, checks its
size and SHA-256 and drops them (`worker/tasks/uploads.py`). Source of names and file types: MAAS API 2.0,
`boot-resources/`."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import IO

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import uploads as rows
from rackyard.region.db.site.uploads import Upload, UploadedImage
from rackyard.region.errors import BadRequest, Conflict, Invalid, NotFound
from rackyard.region.services.site import images, settings, validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise
from rackyard_core import filetypes

# Where a name has none.
DEFAULT_OS = "custom"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9][A-Za-z0-9._-]{0,63})?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# One row of a chunk: all of it that a request has in memory.
PIECE_BYTES = 512 * 1024
# Left for everything else on the disk.
SPARE_BYTES = 512 * 1024 * 1024
# How long the last chunk waits to hear whether the whole is right; a larger file is asked about later.
VERDICT_S = 30.0


@dataclass(frozen=True)
class Wish:
    """What somebody wants to upload. A title or base image of None is left as it is."""

    name: str | None
    architecture: str | None
    filetype: str | None
    sha256: str | None
    size_bytes: int | None
    title: str | None
    base_image: str | None


@dataclass(frozen=True)
class Chunk:
    """The next bytes of a file. `start_byte` is where the sender believes that they belong, if it says so."""

    stream: IO[bytes]
    size_bytes: int
    start_byte: int | None = None


@dataclass(frozen=True)
class _File:
    """What will be in the upload."""

    filetype: str
    sha256: str
    size_bytes: int


def list_all(ctx: Context) -> list[UploadedImage]:
    """Every uploaded image, newest first, without its uploads."""
    with ctx.db.transaction() as tx:
        return rows.all_images(tx)


def find(ctx: Context, image_id: int) -> UploadedImage | None:
    """One uploaded image with its uploads, None when there is none."""
    with ctx.db.transaction() as tx:
        return rows.find(tx, image_id)


def create(ctx: Context, actor: Actor, wish: Wish) -> UploadedImage:
    """Announce a file: the newest upload of the image says where it is to be sent, or that its content is there
    already. An upload of the same image that is under way ends; a complete one is kept until the new one is complete.

    Raises Forbidden; Invalid for what cannot be used, a file that is too large or for which there is no room."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_IMAGES)
        name, architecture, file = _checked(tx, wish)
        base_image = None if wish.base_image is None else _name("base_image", wish.base_image, empty=True)
        title = None if wish.title is None else validation.text("title", wish.title)
        image_id = rows.ensure(tx, name, architecture, title, base_image)
        same = _same_content(ctx, tx, image_id, file)
        if same is None:
            tx.run("site.uploads.delete_unfinished", image_id=image_id)
            _require_room(ctx, tx, file)
            upload_id = _add(ctx, tx, image_id, file, complete=False)
        elif same.image_id == image_id and same.filetype == file.filetype:
            upload_id = same.id
            tx.run("site.uploads.delete_unfinished", image_id=image_id)
        else:
            upload_id = _add(ctx, tx, image_id, file, complete=True)
            tx.run("site.uploads.delete_older", image_id=image_id, id=upload_id)
        image = rows.find(tx, image_id)
        assert image is not None
        return image


def receive(ctx: Context, actor: Actor, image_id: int, upload_id: int, chunk: Chunk) -> Upload:
    """Take the next bytes of a file. With the last of them, wait for a worker to have written and checked it.

    Raises Forbidden; NotFound when the upload was given up or replaced; Conflict when the chunk does not begin where
    the last one ended; BadRequest when the upload is complete already, when the chunk has more bytes than are missing,
    and when the whole is not the file that was announced."""
    give_up_at = ctx.clock.monotonic() + VERDICT_S
    with ctx.notifier.subscribe("rackyard_uploads", str(upload_id)) as subscription:
        upload = _take(ctx, actor, image_id, upload_id, chunk)
        while upload.received_bytes == upload.size_bytes and not upload.has_ended:
            if not subscription.wait(give_up_at - ctx.clock.monotonic()):
                break
            with ctx.db.transaction() as tx:
                upload = _there(rows.read(tx, upload_id), image_id, upload_id)
    if upload.refusal:
        raise BadRequest(upload.refusal)
    return upload


def _take(ctx: Context, actor: Actor, image_id: int, upload_id: int, chunk: Chunk) -> Upload:
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_IMAGES)
        upload = _there(rows.lock(tx, image_id, upload_id), image_id, upload_id)
        _require_next(upload, chunk)
        received = upload.received_bytes
        while received < upload.received_bytes + chunk.size_bytes:
            left = upload.received_bytes + chunk.size_bytes - received
            piece = chunk.stream.read(min(PIECE_BYTES, left))
            if not piece:
                raise BadRequest(f"The chunk ended {left} bytes before its Content-Length; send it again.")
            tx.run("site.uploads.add_piece", upload_id=upload_id, start_byte=received, content=piece)
            received += len(piece)
        tx.run("site.uploads.received", id=upload_id, received_bytes=received, now=ctx.clock.now())
        return _there(rows.read(tx, upload_id), image_id, upload_id)


def _require_next(upload: Upload, chunk: Chunk) -> None:
    anew = "announce the file again with POST boot-resources/"
    if upload.refusal:
        raise BadRequest(f"{upload.refusal} Nothing more is taken; {anew}.")
    if upload.is_complete:
        raise BadRequest(f"The file is complete: all of its {upload.size_bytes} bytes are there; send nothing more.")
    if chunk.size_bytes <= 0:
        raise BadRequest("The chunk is empty; send the next bytes of the file.")
    if chunk.start_byte is not None and chunk.start_byte != upload.received_bytes:
        raise Conflict(
            f"The chunk begins at byte {chunk.start_byte}, and {upload.received_bytes} of {upload.size_bytes} bytes "
            "are there; go on from there. If nothing of yours is missing, somebody else sends the same file."
        )
    if upload.received_bytes + chunk.size_bytes > upload.size_bytes:
        raise BadRequest(
            f"That is too much: {upload.received_bytes} of {upload.size_bytes} bytes are there, and the chunk has "
            f"{chunk.size_bytes}; nothing of it was taken. If two programs send the file, stop both, and {anew}."
        )


def _there(upload: Upload | None, image_id: int, upload_id: int) -> Upload:
    if upload is None:
        raise NotFound(
            f"Image {image_id} has no upload {upload_id}: it was given up because nothing came for hours, the image "
            "was deleted, or another upload of it was begun; announce the file again with POST boot-resources/."
        )
    return upload


def _checked(tx: Transaction, wish: Wish) -> tuple[str, str, _File]:
    required = {"name": wish.name, "architecture": wish.architecture, "sha256": wish.sha256, "size": wish.size_bytes}
    missing = {field: ["This field is required."] for field, value in required.items() if value in (None, "")}
    if missing:
        raise Invalid(missing)
    name = _name("name", wish.name or "")
    architecture = validation.architecture("architecture", wish.architecture or "")
    filetype, sha256 = (wish.filetype or "tgz").lower(), (wish.sha256 or "").lower()
    if filetype not in filetypes.FILES:
        known = ", ".join(filetypes.FILES)
        raise Invalid.field("filetype", f"{validation.shown(filetype)} cannot be uploaded; use one of {known}.")
    if not _SHA256.fullmatch(sha256):
        raise Invalid.field("sha256", "This is no SHA-256; give the 64 hexadecimal digits that sha256sum prints.")
    size_bytes, largest_mib = wish.size_bytes or 0, int(settings.get(tx, "largest_upload_mib"))
    if not 0 < size_bytes <= largest_mib * 2**20:
        raise Invalid.field(
            "size",
            f"An image has 1 byte to {largest_mib} MiB, not {size_bytes} bytes; the setting largest_upload_mib says "
            "how large one may be.",
        )
    return name, architecture, _File(filetype, sha256, size_bytes)


def _name(field: str, text: str, *, empty: bool = False) -> str:
    """`os/release`; one without an os is the site's own, as in MAAS."""
    if empty and not text:
        return ""
    if not _NAME.fullmatch(text):
        raise Invalid.field(
            field,
            f"{validation.shown(text)} names no image; write os/release, such as custom/web-1, each of letters, digits "
            "and . _ - characters.",
        )
    return text if "/" in text else f"{DEFAULT_OS}/{text}"


def _same_content(ctx: Context, tx: Transaction, image_id: int, file: _File) -> Upload | None:
    """A complete upload of the same content that this region has on its disk: one that the database alone knows of may
    have been lost, and is healed by sending it again."""
    same = rows.same_content(tx, image_id, file.filetype, file.sha256)
    if same is None or not (ctx.config.images / images.uploaded_file(same.sha256, same.size_bytes).place).exists():
        return None
    if same.size_bytes != file.size_bytes:
        raise Invalid.field(
            "size", f"The file with this SHA-256 is there, and has {same.size_bytes} bytes, not {file.size_bytes}."
        )
    return same


def _require_room(ctx: Context, tx: Transaction, file: _File) -> None:
    """For the chunks and the file: PostgreSQL may be on the same disk."""
    needed = 2 * file.size_bytes + rows.pending_bytes(tx) + SPARE_BYTES
    free = shutil.disk_usage(ctx.config.images).free
    if free < needed:
        raise Invalid.field(
            "size",
            f"Region {ctx.config.name} has {_mib(free)} MiB left for images, and needs {_mib(needed)}: twice the file "
            f"(its chunks wait in the database), what other uploads still need, and {_mib(SPARE_BYTES)} to spare; "
            "delete images, or give the disk more room.",
        )


def _add(ctx: Context, tx: Transaction, image_id: int, file: _File, *, complete: bool) -> int:
    return rows.add(
        tx, image_id, file.filetype, file.sha256, file.size_bytes, ctx.clock.now(), complete=complete
    )  # fmt: skip


def _mib(size_bytes: int) -> int:
    return -(-size_bytes // 2**20)
