# SPDX-License-Identifier: GPL-3.0-or-later
"""A database as a file, and the file as a database: pg_dump, pg_restore and psql (package postgresql-client).

Source: https://www.postgresql.org/docs/15/app-pgdump.html, .../app-pgrestore.html, .../app-psql.html"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

from psycopg2.extensions import make_dsn, parse_dsn

from rackyard.region.errors import RackyardError

_MAX_WORDS = 1000


def save(dsn: str, snapshot: str, path: Path) -> None:
    """Write the whole database as that snapshot has it, in pg_dump's custom format. Raises RackyardError."""
    place, environment = _connection(dsn)
    command = [
        "pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--lock-wait-timeout=10s",
        f"--snapshot={snapshot}", f"--file={path}", f"--dbname={place}",
    ]  # fmt: skip
    _finished(_run(command, env=environment))


def load(dsn: str, path: Path, taken_at: str, archive_sha256: str) -> None:
    """Replace everything in the database by what the file has, in one transaction, and note that it is not fit for work
    yet. Raises RackyardError, and has changed nothing then."""
    place, environment = _connection(dsn)
    values = [f"--set=taken_at={taken_at}", f"--set=archive_sha256={archive_sha256}"]
    with tempfile.TemporaryFile(dir=path.parent) as script:
        script.write(_text("load_before.sql"))
        script.flush()
        _finished(_run(["pg_restore", "--no-owner", "--no-privileges", "--file=-", str(path)], stdout=script))
        script.seek(0, os.SEEK_END)
        script.write(_text("load_after.sql"))
        script.seek(0)
        # The end of the script commits: one that is cut off does nothing.
        command = ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", *values, f"--dbname={place}"]
        _finished(_run(command, env=environment, stdin=script, stdout=subprocess.DEVNULL))


def _text(name: str) -> bytes:
    return (resources.files(__package__) / name).read_bytes()


def _connection(dsn: str) -> tuple[str, dict[str, str]]:
    """The connection string without its password, which everybody would see, and an environment that has it."""
    given = parse_dsn(dsn)
    password = given.pop("password", None)
    return make_dsn(**given), {**os.environ, **({} if password is None else {"PGPASSWORD": password})}


def _run(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
    if shutil.which(command[0]) is None:
        raise RackyardError(f"{command[0]} is missing on this host; install Debian's postgresql-client")
    return subprocess.run(command, stderr=subprocess.PIPE, check=False, **options)


def _finished(done: subprocess.CompletedProcess[bytes]) -> None:
    if done.returncode != 0:
        words = " ".join(done.stderr.decode(errors="replace").split())
        raise RackyardError(f"{done.args[0]} failed: {words[:_MAX_WORDS] or f'exit status {done.returncode}'}")
