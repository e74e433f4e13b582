# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of the ephemeral system: what a manifest says, and registering one.

A manifest is JSON:

    {"name": "debian-bookworm-amd64", "arch": "amd64", "suite": "bookworm",
     "files": [{"role": "kernel", "name": "vmlinuz", "sha256": "<64 hex>", "size_bytes": 8000000}, ...]}

Roles are kernel, initrd, squashfs (one each) and loader (any number). A file lies at `<sha256>/<name>` below the
image directory, so that a URL never changes its content and every cache may keep it for ever.

Images that people upload (`uploads.py`) are rows of their own, which no machine boots from the network: here they are
the files that every region should have.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import images as rows
from rackyard.region.db.site import uploads
from rackyard.region.db.site.images import Image
from rackyard.region.errors import BadRequest, Conflict, NotFound
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
SINGLE_ROLES = ("kernel", "initrd", "squashfs")
URL_PREFIX = "/images"
# Files are copied to a region before their image is registered; nobody takes this long over it.
SPARED_S = 6 * 3600.0
# An uploaded file is made within the transaction that makes it known.
UPLOADED_NAME, UPLOADED_SPARED_S = "image", 600.0


@dataclass(frozen=True)
class ImageFile:
    """One file of an image."""

    role: str
    name: str
    sha256: str
    size_bytes: int

    @property
    def place(self) -> str:
        """Below the image directory, and below /images of every server."""
        return f"{self.sha256}/{self.name}"


@dataclass(frozen=True)
class Paths:
    """URL paths of what a machine boots, as racks serve them."""

    kernel: str
    initrd: str
    squashfs: str


def files(manifest: Mapping[str, Any]) -> list[ImageFile]:
    """The files of a manifest, checked. Raises BadRequest naming the entry that is wrong."""
    entries = manifest.get("files")
    if not isinstance(entries, list):
        raise BadRequest("The manifest has no list of files; build the image again with the image playbook.")
    return [_file(entry) for entry in entries]


def paths(manifest: Mapping[str, Any]) -> Paths:
    """Where racks serve kernel, initrd and squashfs."""
    found = {entry.role: f"{URL_PREFIX}/{entry.place}" for entry in files(manifest)}
    return Paths(found["kernel"], found["initrd"], found["squashfs"])


def loaders(manifest: Mapping[str, Any]) -> list[ImageFile]:
    """The boot loaders that racks offer by TFTP."""
    return [entry for entry in files(manifest) if entry.role == "loader"]


def uploaded_file(sha256: str, size_bytes: int) -> ImageFile:
    """The file of an uploaded image: its place is that of its content, whatever the image is called."""
    return ImageFile("uploaded", UPLOADED_NAME, sha256, size_bytes)


def list_all(ctx: Context) -> list[Image]:
    """Every registered image, newest first."""
    with ctx.db.transaction() as tx:
        return rows.all_images(tx)


def read(ctx: Context, image_id: int) -> Image:
    """One image. Raises NotFound."""
    for image in list_all(ctx):
        if image.id == image_id:
            return image
    raise NotFound(f"There is no image {image_id}; list them with GET boot-resources/.")


def register(ctx: Context, actor: Actor, manifest_file: Path, *, beside: bool = False) -> tuple[Image, bool]:
    """Make this image the one that machines of its architecture boot; `beside` the default, only those that name its
    suite (the first image of an architecture is its default all the same). Returns it and whether anything changed.

    Raises Forbidden; BadRequest when the manifest is malformed or a file is missing or differs from it.
    """
    manifest = _load(manifest_file)
    for entry in files(manifest):
        _verify(ctx.config.images / entry.place, entry)
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_IMAGES)
        rows.lock(tx)
        there = rows.all_images(tx)
        known = next((image for image in there if image.manifest_sha256 == digest), None)
        image_id = known.id if known else rows.add(tx, manifest, digest, ctx.clock.now())
        rows.make_current(tx, image_id, manifest["arch"], manifest["suite"])
        default = next((image for image in there if image.arch == manifest["arch"] and image.is_default), None)
        # A newer image of the default's suite takes its place, however it is registered.
        if not beside or default is None or default.suite == manifest["suite"]:
            rows.make_default(tx, image_id, manifest["arch"])
        image = next(image for image in rows.all_images(tx) if image.id == image_id)
        return image, image != known


def prune(ctx: Context, actor: Actor, keep: int, *, spared_s: float = SPARED_S) -> list[str]:
    """Forget superseded images and remove files of this host that no image names; what went.

    The newest `keep` images of each architecture and suite stay, and so does every image that is the default, current
    for its suite, or booted by a machine now. A file younger than `spared_s` seconds may belong to an image that is
    about to be registered. Raises Forbidden; BadRequest when `keep` is less than one.
    """
    if keep < 1:
        raise BadRequest(f"Cannot keep {keep} images: keep at least 1 of each release.")
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_IMAGES)
        rows.lock(tx)
        gone = rows.delete_superseded(tx, keep)
    return gone + remove_unnamed(ctx, spared_s=spared_s)


def remove(ctx: Context, actor: Actor, image_id: int) -> None:
    """Forget an image, uploaded or registered; each region removes its files by itself.

    Raises Forbidden; NotFound; Conflict for a registered one that machines boot, or would boot next."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_IMAGES)
        if not tx.run("site.uploads.delete_image", id=image_id):
            _forget_registered(tx, image_id)


def _forget_registered(tx: Transaction, image_id: int) -> None:
    rows.lock(tx)
    image = next((image for image in rows.all_images(tx) if image.id == image_id), None)
    if image is None:
        raise NotFound(f"There is no image {image_id}; list them with GET boot-resources/.")
    if image.is_default or image.is_current:
        which = f"{image.arch} machines" if image.is_default else f"{image.arch} machines of suite {image.suite}"
        raise Conflict(
            f"Image {image.name} cannot be deleted: it is what {which} boot; build and register another one first, "
            "with the playbook rackyard.metal.image."
        )
    if not tx.run("site.images.delete_unused", id=image_id):
        raise Conflict(f"Image {image.name} cannot be deleted while a machine boots it; try again when that has ended.")


def remove_unnamed(ctx: Context, *, spared_s: float = SPARED_S) -> list[str]:
    """Remove files of this host that no image names; what went.

    A file younger than `spared_s` seconds may belong to an image that is about to be registered. One that was uploaded
    is spared no longer than UPLOADED_SPARED_S, so that with an endless `spared_s` only such files go."""
    named = {entry.sha256 for entry in needed(ctx)}
    now, gone = ctx.clock.now().timestamp(), []
    for path in sorted(ctx.config.images.iterdir()):
        limit_s = min(spared_s, UPLOADED_SPARED_S) if (path / UPLOADED_NAME).exists() else spared_s
        young = now - path.stat().st_mtime < limit_s
        if _SHA256.fullmatch(path.name) and path.name not in named and not young:
            shutil.rmtree(path)
            gone.append(path.name)
    return gone


def needed(ctx: Context) -> list[ImageFile]:
    """Every file that an image names, those of the newest registered image first, uploaded ones last; each once."""
    with ctx.db.transaction() as tx:
        named = [entry for image in rows.all_images(tx) for entry in files(image.manifest)]
        named += [uploaded_file(sha256, size_bytes) for sha256, size_bytes in uploads.complete(tx)]
    return list({entry.place: entry for entry in named}.values())


def missing(ctx: Context) -> list[ImageFile]:
    """Files that images name and this host lacks, in the order of `needed`."""
    return [entry for entry in needed(ctx) if not (ctx.config.images / entry.place).exists()]


def _load(manifest_file: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRequest(
            f"Cannot read {manifest_file}: {error.strerror}; build the image with the image playbook."
        ) from error
    except ValueError as error:
        raise BadRequest(f"{manifest_file} is not valid JSON: {error}; build the image again.") from error
    if not isinstance(manifest, dict):
        raise BadRequest(f"{manifest_file} is not a JSON object; build the image again.")
    for key in ("name", "arch", "suite"):
        if not _NAME.fullmatch(str(manifest.get(key, ""))):
            raise BadRequest(f"{manifest_file} has no usable {key!r}; build the image again.")
    roles = [entry.role for entry in files(manifest)]
    for role in SINGLE_ROLES:
        if roles.count(role) != 1:
            raise BadRequest(f"{manifest_file} names {roles.count(role)} files of the role {role}; it must name one.")
    return manifest


def _file(entry: object) -> ImageFile:
    if not isinstance(entry, dict):
        raise BadRequest("An entry of the manifest's files is not an object; build the image again.")
    role, name, sha256 = str(entry.get("role")), str(entry.get("name")), str(entry.get("sha256"))
    size_bytes = entry.get("size_bytes")
    if role not in (*SINGLE_ROLES, "loader"):
        raise BadRequest(f"File {name} of the manifest has the unknown role {role}; build the image again.")
    if not _NAME.fullmatch(name) or not _SHA256.fullmatch(sha256):
        raise BadRequest(f"File {name} of the manifest has no usable name or SHA-256; build the image again.")
    if not isinstance(size_bytes, int) or size_bytes <= 0:
        raise BadRequest(f"File {name} of the manifest has no size; build the image again.")
    return ImageFile(role, name, sha256, size_bytes)


def _verify(path: Path, entry: ImageFile) -> None:
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise BadRequest(f"Cannot read {path}: {error.strerror}; copy the image to this region first.") from error
    if digest != entry.sha256 or path.stat().st_size != entry.size_bytes:
        raise BadRequest(f"{path} is not the file that the manifest names; copy the image to this region again.")
