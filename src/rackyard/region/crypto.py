# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets at rest: encrypted with a key outside the database, or kept only as a hash."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from rackyard.region.errors import RackyardError


class SecretBox:
    """Seals short texts such as BMC passwords by the newest of its keys; opens what any of them sealed.

    Keys are lines, the newest first (Fernet: AES-CBC with HMAC). Those of a file are followed: a key that is added
    there holds from the next call on, in every process."""

    def __init__(self, keys: bytes, path: Path | None = None) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._newest, self._all = _boxes(keys)

    @classmethod
    def from_file(cls, path: Path) -> SecretBox:
        """Read the keys. Raises RackyardError naming the file."""
        return cls(_read(path), path)

    def encrypt(self, text: str) -> bytes:
        """The sealed form of `text`, for a bytea column."""
        self._follow()
        return self._newest.encrypt(text.encode())

    def decrypt(self, sealed: bytes) -> str:
        """The text again. Raises RackyardError if it was sealed with another key."""
        self._follow()
        try:
            return self._all.decrypt(bytes(sealed)).decode()
        except InvalidToken as error:
            raise RackyardError(
                "A stored secret was sealed with another key; restore the secrets key or set the password again"
            ) from error

    def is_newest(self, sealed: bytes) -> bool:
        """Whether the newest key opens it, so that the others are not needed for it."""
        self._follow()
        try:
            self._newest.decrypt(bytes(sealed))
        except InvalidToken:
            return False
        return True

    def _follow(self) -> None:
        stamp = _stamp(self._path)
        if self._path is not None and stamp not in (None, self._stamp):
            self._newest, self._all = _boxes(_read(self._path))
            self._stamp = stamp


def _stamp(path: Path | None) -> tuple[int, int] | None:
    """What tells a replaced file from the one before; None when there is none, or no right to look."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns) if found is not None else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RackyardError(f"Cannot read the secrets key {path}: {error.strerror}; run the region playbook") from error


def _boxes(keys: bytes) -> tuple[Fernet, MultiFernet]:
    try:
        boxes = [Fernet(key) for key in keys.split()]
        return boxes[0], MultiFernet(boxes)
    except (ValueError, IndexError) as error:
        raise RackyardError("The secrets key is not 32 bytes in urlsafe base64; restore it from backup") from error


def secret_hash(secret: str) -> bytes:
    """SHA-256 of a random secret (long and random, so no salt or stretching is needed)."""
    return hashlib.sha256(secret.encode()).digest()


def secret_matches(secret: str, expected_sha256: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(secret_hash(secret), bytes(expected_sha256))
