# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -m rackyard.region.worker [--config FILE]`: run the region's worker until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from functools import partial
from math import inf
from pathlib import Path

from sdnotify import SystemdNotifier

from rackyard.daemons.supervisor import Systemd
from rackyard.region.config import DEFAULT_PATH, load
from rackyard.region.context import Context
from rackyard.region.db import migrations
from rackyard.region.errors import RackyardError
from rackyard.region.services.racks import dhcp_alone
from rackyard.region.services.site import database
from rackyard.region.services.site import images as site_images
from rackyard.region.worker import door, log_names, own_daemons
from rackyard.region.worker.leadership import Leadership
from rackyard.region.worker.loop import Loop, Task
from rackyard.region.worker.own_names import OwnNames
from rackyard.region.worker.own_state import OwnState
from rackyard.region.worker.tasks import deadlines, images, power, racks, tags, tidying, uploads

# Nobody waits for the worker, and tidying takes its time.
STATEMENT_TIMEOUT_S = 240


def tasks(ctx: Context, root: Path) -> list[Task]:
    """Everything the worker does; `root` is where the service-owned files of this host's daemons are."""
    daemons = own_daemons.OwnDaemons(ctx, Systemd(), root)
    own_names = OwnNames(ctx, Systemd(), root)
    own_state = OwnState(ctx, daemons, own_names, root)
    return [
        Task("leader's beat", 2, partial(deadlines.keep_time, ctx)),
        Task("rack liveness", 1, racks.RackLiveness(ctx, partial(door.is_open, ctx.config)).look),
        Task("DHCP pairs", 2, partial(dhcp_alone.judge, ctx)),
        Task("deadlines", 2, partial(deadlines.fail_past_deadline, ctx)),
        Task("lost jobs", 2, partial(power.expire_jobs, ctx)),
        Task("overdue steps", 5, partial(deadlines.note_overdue, ctx)),
        Task("power polling", power.POLL_PASS_S, partial(power.poll_power, ctx)),
        Task("definitions of tags", 3, partial(tags.evaluate, ctx)),
        Task("tidying", 120, partial(tidying.tidy, ctx)),
        Task("PostgreSQL's members", 10, partial(database.note_timeline, ctx)),
        Task("own state", 2, own_state.tell, leader_only=False),
        Task("heartbeat", 30, partial(own_daemons.beat, ctx), leader_only=False),
        Task("names", 15, own_names.update, leader_only=False, on_change=True, on_names=True, breath_s=0.5),
        Task("log names", 3, log_names.LogNames(ctx, Systemd(), root).apply, leader_only=False),
        Task("images of other regions", 15, partial(images.fetch_missing, ctx), leader_only=False),
        Task("uploaded images", 15, partial(uploads.tend, ctx), leader_only=False, on_change=True),
        Task("files of deleted images", 600, partial(site_images.remove_unnamed, ctx, spared_s=inf), leader_only=False),
        Task("own daemons", 60, daemons.apply, leader_only=False, on_change=True, breath_s=2.0),
    ]


def main() -> int:
    """Entry point; exit status 1 with a message when the configuration cannot be read."""
    parser = argparse.ArgumentParser(prog="rackyard.region.worker", description=__doc__)
    parser.add_argument("--config", type=Path, default=DEFAULT_PATH)
    parser.add_argument("--root", type=Path, default=own_daemons.ROOT, help="service-owned files of the daemons")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        ctx = Context.from_config(load(arguments.config), statement_timeout_s=STATEMENT_TIMEOUT_S)
        migrations.require(ctx.db)
    except RackyardError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    leadership = Leadership(ctx.config.dsn)
    systemd = SystemdNotifier()
    # What the worker starts (systemctl tells of its own failures so) does not speak in its name.
    os.environ.pop("NOTIFY_SOCKET", None)
    loop = Loop(ctx, tasks(ctx, arguments.root), leadership.held, alive=partial(systemd.notify, "WATCHDOG=1"))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.stop())
    systemd.notify("READY=1")
    try:
        loop.run()
    finally:
        leadership.close()
        ctx.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
