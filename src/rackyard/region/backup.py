# SPDX-License-Identifier: GPL-3.0-or-later
"""A site as one archive, and a site from one: the database, the keys that are the site's, and its images if wanted."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rackyard
from rackyard.region.context import Context
from rackyard.region.db import dump, migrations
from rackyard.region.errors import Conflict, RackyardError
from rackyard.region.services.site import images, restoration
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard_core import archive
from rackyard_core.archive import ArchiveError, Facts, Manifest

_KEYS_FOLDER = Path("/etc/rackyard")
_SESSIONS_END_S, _LOOK_S = 5, 0.1


def contents(ctx: Context) -> dict[str, Any]:
    """What a backup would hold, or a restore would replace."""
    seen = restoration.holdings(ctx)
    return {**asdict(seen), "would_be_lost": seen.would_be_lost}


def save(ctx: Context, path: Path, *, with_images: bool, keys: Path = _KEYS_FOLDER) -> dict[str, Any]:
    """Write the archive, for the owner of its folder only. Raises RackyardError; there is no archive then."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".backup-") as folder:
            dumped = Path(folder, archive.DATABASE)
            facts = _dump(ctx, dumped)
            sources = {archive.DATABASE: dumped, **_keys(keys), **(_images(ctx) if with_images else {})}
            manifest = archive.write(path, facts, sources)
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
    except OSError as error:
        raise RackyardError(f"Cannot write the backup {path}: {error.strerror} ({error.filename})") from error
    return {
        "changed": True, "path": str(path), "taken_at": facts.taken_at, "schema": facts.schema,
        "holds": dict(facts.holds), "files": len(manifest.members), "size_bytes": path.stat().st_size,
    }  # fmt: skip


def restore(ctx: Context, path: Path, *, over_data: bool) -> dict[str, Any]:
    """Have database and images as an archive has them, and end what must not go on. Keys are in place already.

    A restore that was cut off begins anew; one that was done changes nothing, as long as no region has worked with it.
    Raises RackyardError for an archive that is damaged or of a newer schema, Conflict for a database that is in use or
    would lose something; nothing is changed then."""
    manifest = verified(path)
    seen = _with_few_sessions(ctx)
    if seen.restored_from == manifest.sha256:
        return {"changed": bool(_put_images(ctx, path, manifest)), "restored": "as it was before"}
    if seen.would_be_lost and not over_data:
        raise Conflict(
            f"The database of {ctx.config.name} is not empty: {seen.would_be_lost} would be lost; restore on a host "
            "that has none, or say that they may be lost (rackyard_restore_over_data, --over-data)"
        )
    if seen.sessions:
        raise Conflict(
            f"{seen.sessions} others have the database open; run `systemctl stop 'rackyard-region*'` on every region"
        )
    ctx.db.close()
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".restore-") as folder:
            dumped = Path(folder, archive.DATABASE)
            archive.extract(path, archive.DATABASE, dumped)
            dump.load(ctx.config.dsn, dumped, manifest.facts.taken_at, manifest.sha256)
    except (OSError, ArchiveError) as error:
        raise RackyardError(f"Cannot restore {path}: {error}") from error
    migrations.migrate(ctx.db)
    words = restoration.make_fit(ctx, COMMAND_LINE)
    return {"changed": True, "restored": words, "images": _put_images(ctx, path, manifest)}


def _with_few_sessions(ctx: Context) -> restoration.Holdings:
    """What a restore would replace. PostgreSQL ends a session a moment after a region that was stopped has left it."""
    deadline = ctx.clock.monotonic() + _SESSIONS_END_S
    while (seen := restoration.holdings(ctx)).sessions and ctx.clock.monotonic() < deadline:
        time.sleep(_LOOK_S)
    return seen


def verified(path: Path) -> Manifest:
    """The manifest of an archive that can be restored here. Raises RackyardError naming what is wrong."""
    try:
        manifest = archive.verify(path)
    except ArchiveError as error:
        raise RackyardError(str(error)) from error
    newest = max(migrations.available())
    if manifest.facts.schema > newest:
        raise RackyardError(
            f"{path} is of Rackyard {manifest.facts.version} with schema {manifest.facts.schema}; this release "
            f"({rackyard.__version__}) knows {newest}: install that one or a newer one"
        )
    return manifest


def _dump(ctx: Context, path: Path) -> Facts:
    with ctx.db.transaction() as tx:
        # pg_dump takes the snapshot over when it starts; a slow start must not end it.
        tx.run("site.migrations.wait_patiently")
        row = tx.one("site.restoration.freeze")
        assert row is not None
        dump.save(ctx.config.dsn, row["snapshot"], path)
    return Facts(
        version=rackyard.__version__,
        schema=row["schema"],
        taken_at=row["taken_at"].isoformat(),
        region=ctx.config.name,
        holds={name: row[name] for name in ("machines", "racks", "subnets")},
    )


def _keys(folder: Path) -> dict[str, Path]:
    found = {f"{archive.KEYS}{name}": folder / name for name in archive.KEY_FILES if (folder / name).exists()}
    missing = {"secrets.key", "tls/ca.key"} - {name.removeprefix(archive.KEYS) for name in found}
    if missing:
        raise RackyardError(
            f"{folder} on this host lacks {' and '.join(sorted(missing))}; take the backup on the first region"
        )
    return found


def _images(ctx: Context) -> dict[str, Path]:
    """Files of images, with the manifests that lie beside those of registered ones."""
    places = [f"{image.name}.json" for image in images.list_all(ctx)]
    places += [entry.place for entry in images.needed(ctx)]
    there = {f"{archive.IMAGES}{place}": ctx.config.images / place for place in places}
    return {name: path for name, path in there.items() if path.exists()}


def _put_images(ctx: Context, path: Path, manifest: Manifest) -> list[str]:
    """Images that this host lacks; a file that lies below its own SHA-256 is the right one."""
    put = []
    for member in manifest.paths(archive.IMAGES):
        target = ctx.config.images / member.removeprefix(archive.IMAGES)
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        half = target.with_name(f".{target.name}.half")
        archive.extract(path, member, half)
        half.chmod(0o644)
        half.replace(target)
        put.append(member)
    return put
