# SPDX-License-Identifier: GPL-3.0-or-later
"""What a region needs of its database before its processes start: schema, first operator's key, the site's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rackyard.region import key_file
from rackyard.region.context import Context
from rackyard.region.db import migrations
from rackyard.region.services.site import settings
from rackyard.region.services.site.authorisation import COMMAND_LINE


@dataclass(frozen=True)
class Wanted:
    """An administrator with a key in a file, or none, and settings by name, as text; others stay as they are."""

    username: str = ""
    key_file: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


def prepare(ctx: Context, wanted: Wanted, *, check: bool) -> list[str]:
    """Bring about what is missing, in one go; what that was, or with `check` would be, in words.

    A schema that is not there yet can say nothing of keys and settings, so with `check` it is named alone.
    Raises RackyardError, BadRequest and Invalid for a setting that is unknown or wrong, before any is changed.
    """
    applied = migrations.missing(ctx.db) if check else migrations.migrate(ctx.db)
    done = [f"migration {version}" for version in applied]
    if check and applied:
        return done
    differing = settings.differing(ctx, wanted.settings)
    if wanted.key_file and _lacks_key(ctx, wanted.username, wanted.key_file, check=check):
        done.append(f"key {wanted.key_file}")
    for name, text in differing.items():
        if not check:
            settings.put(ctx, COMMAND_LINE, name, text)
        done.append(f"setting {name}")
    return done


def _lacks_key(ctx: Context, username: str, path: Path, *, check: bool) -> bool:
    """Whether the file has, or had, no working key of the administrator."""
    return not key_file.works(ctx, username, path) if check else key_file.ensure(ctx, username, path)
