# SPDX-License-Identifier: GPL-3.0-or-later
"""A rack that judges snippets with the real dhcpd, in this process: its agent's half without the way between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rackyard.rack.dhcp_checks import words_of
from rackyard.region.context import Context
from rackyard.region.db.racks.identity import Rack
from rackyard.region.services.racks import dhcp_checks


@contextmanager
def judging(ctx: Context, rack: Rack, root: Path) -> Iterator[list[str]]:
    """While it judges; the daemons that it was asked about, in order."""
    asked: list[str] = []
    over = threading.Event()

    def judge() -> None:
        with ctx.notifier.subscribe("rackyard_jobs", rack.system_id) as heard:
            while not over.is_set():
                for check in dhcp_checks.take(ctx, rack):
                    asked.append(check["daemon"])
                    dhcp_checks.answer(ctx, rack, check["id"], words_of(check, root))
                heard.wait(0.2)

    thread = threading.Thread(target=judge)
    thread.start()
    try:
        yield asked
    finally:
        over.set()
        thread.join()
