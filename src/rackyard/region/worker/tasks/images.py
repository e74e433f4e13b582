# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of images that another region has and this one lacks."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

from rackyard.region.context import Context
from rackyard.region.errors import Unavailable
from rackyard.region.services.racks.desired import REGION_HTTP_PORT
from rackyard.region.services.site import images
from rackyard.region.services.site.images import ImageFile

# No region has to be slower with one file; a worker that does one thing for longer counts as one that hangs.
FILE_S = 200.0
_TIMEOUT_S = 10.0
_CHUNK = 1 << 20
_PREFIX = ".fetch-"
_log = logging.getLogger(__name__)


def fetch_missing(ctx: Context, port: int = REGION_HTTP_PORT) -> str | None:
    """Fetch one file that a registered image names and this host lacks, from a region that has it; its place.

    One at a time, so that a pass has an end. None when nothing is missing. Raises Unavailable when no region gives it.
    """
    missing = images.missing(ctx)
    if not missing:
        return None
    for left_over in ctx.config.images.glob(f"{_PREFIX}*"):
        left_over.unlink(missing_ok=True)  # of a worker that was killed
    entry, reasons = missing[0], []
    for address in _other_regions(ctx):
        try:
            _fetch(address, port, entry, ctx.config.images)
        except (OSError, http.client.HTTPException) as reason:
            reasons.append(f"{address}: {reason}")
        else:
            _log.info("fetched %s from region %s; %s files are missing yet", entry.place, address, len(missing) - 1)
            return entry.place
    raise Unavailable(
        f"{len(missing)} files of registered images are missing in {ctx.config.images}, and no region gives "
        f"{entry.place} ({'; '.join(reasons) or 'there is no other region'}); "
        + ("delete the image and upload it again" if entry.name == images.UPLOADED_NAME else "run the image playbook")
    )


def _other_regions(ctx: Context) -> list[str]:
    with ctx.db.transaction() as tx:
        rows = tx.all("site.processes.addresses")
    return [each for each in dict.fromkeys(row["address"] for row in rows) if each not in ctx.config.addresses]


def _fetch(address: str, port: int, entry: ImageFile, directory: Path) -> None:
    """Raises OSError, also for a file that is not what the manifest names, and HTTPException."""
    connection = http.client.HTTPConnection(address, port, timeout=_TIMEOUT_S)
    descriptor, name = tempfile.mkstemp(dir=directory, prefix=_PREFIX)
    temporary = Path(name)
    try:
        connection.request("GET", f"/MAAS{images.URL_PREFIX}/{entry.place}")
        with os.fdopen(descriptor, "wb") as stream:
            digest = _copy(connection.getresponse(), stream, entry.size_bytes)
            os.fchmod(stream.fileno(), 0o644)
            stream.flush()
            os.fsync(stream.fileno())
        if digest != entry.sha256:
            raise OSError("what it gives is not the file that the manifest names")
        (directory / entry.sha256).mkdir(exist_ok=True)
        temporary.replace(directory / entry.place)
    finally:
        temporary.unlink(missing_ok=True)
        connection.close()


def _copy(answer: http.client.HTTPResponse, stream: BinaryIO, size_bytes: int) -> str:
    """The SHA-256 of what was copied: all of it, and not a byte more than there should be."""
    if answer.status != http.client.OK:
        raise OSError(f"it answered {answer.status}")
    give_up_at, digest, left = time.monotonic() + FILE_S, hashlib.sha256(), size_bytes
    while part := answer.read(min(_CHUNK, left + 1)):
        left -= len(part)
        if left < 0 or time.monotonic() > give_up_at:
            raise OSError("it gives more than the file" if left < 0 else f"it has not given the file in {FILE_S:.0f} s")
        digest.update(part)
        stream.write(part)
    return digest.hexdigest()
