# SPDX-License-Identifier: GPL-3.0-or-later
"""Randomness is passed in. Every identifier and secret of the region is made here."""

from __future__ import annotations

import random
import secrets

FIRST_CHARACTERS = "abcdefghkmnpqrstwxyz"
CHARACTERS = FIRST_CHARACTERS + "346789"
SYSTEM_ID_LENGTH = 6


class Randomness:
    """Identifiers and secrets from a given source; the operating system's by default."""

    def __init__(self, source: random.Random | None = None) -> None:
        self._source = source or secrets.SystemRandom()

    def system_id(self) -> str:
        """Six characters that cannot be misread, the first one a letter."""
        rest = (self._source.choice(CHARACTERS) for _turn in range(SYSTEM_ID_LENGTH - 1))
        return self._source.choice(FIRST_CHARACTERS) + "".join(rest)

    def hex(self, size_bytes: int) -> str:
        """Lower-case hexadecimal text of that many random bytes."""
        return f"{self._source.getrandbits(size_bytes * 8):0{size_bytes * 2}x}"

    def boot_id(self) -> str:
        """The only identifier that ever stands on a kernel line."""
        return self.hex(16)

    def token(self, length: int = 32) -> str:
        """Letters and digits for keys and secrets (5.9 bits per character)."""
        alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        return "".join(self._source.choice(alphabet) for _turn in range(length))
