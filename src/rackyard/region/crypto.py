# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets at rest: encrypted with a key outside the database, or kept only as a hash."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from rackyard.region.errors import RackyardError


class SecretBox:
    """Encrypts short texts such as BMC passwords (Fernet: AES-CBC with HMAC)."""

    def __init__(self, key: bytes) -> None:
        try:
            self._fernet = Fernet(key)
        except ValueError as error:
            raise RackyardError("The secrets key is not 32 bytes in urlsafe base64; restore it from backup") from error

    @classmethod
    def from_file(cls, path: Path) -> SecretBox:
        """Read the key. Raises RackyardError naming the file."""
        try:
            return cls(path.read_bytes().strip())
        except OSError as error:
            raise RackyardError(
                f"Cannot read the secrets key {path}: {error.strerror}; run the region playbook"
            ) from error

    def encrypt(self, text: str) -> bytes:
        """The sealed form of `text`, for a bytea column."""
        return self._fernet.encrypt(text.encode())

    def decrypt(self, sealed: bytes) -> str:
        """The text again. Raises RackyardError if it was sealed with another key."""
        try:
            return self._fernet.decrypt(bytes(sealed)).decode()
        except InvalidToken as error:
            raise RackyardError(
                "A stored secret was sealed with another key; restore the secrets key or set the password again"
            ) from error


def secret_hash(secret: str) -> bytes:
    """SHA-256 of a random secret (long and random, so no salt or stretching is needed)."""
    return hashlib.sha256(secret.encode()).digest()


def secret_matches(secret: str, expected_sha256: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(secret_hash(secret), bytes(expected_sha256))
