# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a region: stores one number after another by the region's own database layer, and says of each what became of
it, `stored`, `undecided` or `refused`, with the time. A number is tried once; nothing here repeats it.

    PYTHONPATH=/usr/lib/rackyard/current python3 - NAME <database_writer.py
"""

from __future__ import annotations

import sys
import time

from rackyard.region.config import load
from rackyard.region.db.pool import Database
from rackyard.region.errors import RackyardError, Undecided

PAUSE_S = 0.02


def outcome(database: Database, writer: str, number: int) -> str:
    """Try to store a number, once."""
    try:
        with database.transaction() as tx:
            tx.script(f"INSERT INTO acknowledged (writer, number) VALUES ('{writer}', {number})")  # noqa: S608  # ours
    except Undecided:
        return "undecided"
    except RackyardError:
        return "refused"
    return "stored"


def main() -> None:
    """Until somebody closes the pipe or ends the process."""
    database, number = Database(load().dsn, size=1), 0
    while True:
        number += 1
        print(outcome(database, sys.argv[1], number), number, time.time(), flush=True)
        time.sleep(PAUSE_S)


main()
