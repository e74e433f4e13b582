# SPDX-License-Identifier: GPL-3.0-or-later
"""People's passwords, kept as Argon2id hashes (RFC 9106) in PHC's text form, which holds its own parameters."""

from __future__ import annotations

import unicodedata

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

# RFC 9106 section 4, the second choice: for hosts that have other work. 64 MiB and some 0.1 s each.
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4, hash_len=32, salt_len=16, type=Type.ID)
# No password is known that has this hash. Who asks for an account that is not there waits as long as for one that is.
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$cmFja3lhcmQtbm9ib2R5IQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def hashed(password: str) -> str:
    """What is stored of a password."""
    return str(_HASHER.hash(_normal(password)))


def match(password: str, stored: str | None) -> bool:
    """Whether it is the password that this hash was made of. Takes as long when there is none."""
    try:
        _HASHER.verify(stored or NOBODY, _normal(password))
    except VerifyMismatchError:
        return False
    return stored is not None


def is_dated(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return bool(_HASHER.check_needs_rehash(stored))


def _normal(password: str) -> bytes:
    """The same characters are the same bytes from every keyboard (RFC 8265 section 4.2)."""
    return unicodedata.normalize("NFC", password).encode()
