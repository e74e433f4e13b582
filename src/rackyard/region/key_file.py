# SPDX-License-Identifier: GPL-3.0-or-later
"""API keys in files: the text form, readable by the owner only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rackyard.region.context import Context
from rackyard.region.errors import RackyardError
from rackyard.region.services.site import accounts
from rackyard.region.services.site.authorisation import COMMAND_LINE


def ensure(ctx: Context, username: str, path: Path) -> bool:
    """Have a working key of this administrator in the file; whether one had to be made.

    Raises RackyardError naming the file when it cannot be written.
    """
    if works(ctx, username, path):
        return False
    _write(path, accounts.create_admin(ctx, COMMAND_LINE, username, key_name=path.name))
    return True


def works(ctx: Context, username: str, path: Path) -> bool:
    """Whether the file has a working key of this administrator. Raises RackyardError when it cannot be read."""
    try:
        return accounts.key_is_valid(ctx, username, path.read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    except OSError as error:
        raise RackyardError(f"Cannot read {path}: {error.strerror}; run this as root") from error


def _write(path: Path, text: str) -> None:
    """Replace the file at once; a temporary file is made with mode 0600 and never wider."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
        Path(temporary).replace(path)
    except OSError as error:
        raise RackyardError(f"Cannot write {path}: {error.strerror}; run this as root") from error
