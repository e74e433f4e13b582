# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of keys that seal secrets: one a line, the newest first. It is replaced at once, for its owner and group."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.fernet import Fernet

from rackyard.region.errors import Conflict, RackyardError

# Longer than any transaction that may have sealed something with the key before.
SETTLED_S = 60


def add(path: Path) -> int:
    """Put a new key before the others; how many there are. Raises RackyardError naming the file."""
    with _alone(path):
        keys = [Fernet.generate_key(), *path.read_bytes().split()]
        _replace(path, keys)
    return len(keys)


def drop_old(path: Path) -> int:
    """Leave the newest key only; how many went. Nothing may be sealed with them any more.

    Raises RackyardError naming the file, Conflict when the newest key is too young."""
    with _alone(path):
        keys = path.read_bytes().split()
        if len(keys) > 1:
            check_settled(path)
            _replace(path, keys[:1])
    return len(keys) - 1


def check_settled(path: Path) -> None:
    """Raise Conflict while something may still be on its way that was sealed with the key before."""
    if time.time() - path.stat().st_mtime < SETTLED_S:
        raise Conflict(f"The newest key in {path} is younger than {SETTLED_S} s; drop the old ones later")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One change at a time: of two, the later one would forget the other's key, and what it has sealed."""
    try:
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)
    except OSError as error:
        raise RackyardError(f"Cannot change {path}: {error.strerror}; run this as root") from error


def _replace(path: Path, keys: list[bytes]) -> None:
    old = path.stat()
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(b"\n".join(keys) + b"\n")
        os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, old.st_mode & 0o7777)
        stream.flush()
        os.fsync(descriptor)
    Path(temporary).replace(path)
