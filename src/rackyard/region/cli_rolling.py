# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of `rackyard-region` for changing a site's hosts one after the other while machines boot."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from rackyard.region import draining as doors
from rackyard.region.context import Context
from rackyard.region.errors import Conflict, RackyardError, Unavailable
from rackyard.region.services.racks import draining
from rackyard.region.services.racks import health as rack_health
from rackyard.region.services.site import health
from rackyard.region.services.site.authorisation import COMMAND_LINE

_LOOK_S = 1.0

Command = Callable[[str, Callable[[Context, argparse.Namespace], dict[str, Any]], str], argparse.ArgumentParser]


def add(command: Command) -> None:
    """Add them to the program."""
    drain = command("drain", _drain, "close this region's doors while other regions serve, before its host is upgraded")
    drain.add_argument("--wait-s", type=float, default=30, help="for requests that came in before (default 30)")
    command("undrain", _undrain, "open them again")
    rack = command("drain-rack", _drain_rack, "take a rack out of use, and wait until no machine boots from it")
    rack.add_argument("name", help="the rack's hostname")
    rack.add_argument("--wait-s", type=float, default=600, help="fail when machines still need it then (default 600)")
    rack.add_argument(
        "--for-s", type=int, default=draining.DRAIN_S, help="seconds until it is in use again by itself (default 1800)"
    )
    command("undrain-rack", _undrain_rack, "put a rack to use again").add_argument("name", help="the rack's hostname")
    well = command("health", _health, "fail, with the reasons, unless this region, or a rack of it, is well")
    well.add_argument("--rack", default="", metavar="NAME", help="look at this rack")
    well.add_argument("--wait-s", type=float, default=0, help="wait for so long until it is (default 0)")


def _drain(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    drained = doors.begin(ctx, arguments.wait_s)
    return {"changed": drained.closed, "closed": drained.closed, "reason": drained.reason, "busy": drained.busy}


def _undrain(_ctx: Context, _arguments: argparse.Namespace) -> dict[str, Any]:
    return {"changed": doors.end()}


def _drain_rack(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    drained = draining.begin(ctx, COMMAND_LINE, arguments.name, arguments.for_s)
    try:
        waited_s = draining.wait(ctx, drained, arguments.wait_s)
    except RackyardError:
        draining.end(ctx, COMMAND_LINE, arguments.name)
        raise
    return {
        "changed": True,
        "waited_s": round(waited_s, 1),
        "handed_over": list(drained.handed_over),
        "dhcp_is_covered": drained.dhcp_is_covered,
        "orders_moved": drained.moved,
    }


def _undrain_rack(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    return {"changed": draining.end(ctx, COMMAND_LINE, arguments.name)}


def _health(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    give_up_at = ctx.clock.monotonic() + arguments.wait_s
    while True:
        try:
            troubles = rack_health.troubles(ctx, arguments.rack) if arguments.rack else health.troubles(ctx)
        except Unavailable as error:
            troubles = [error.message]
        if not troubles:
            return {"changed": False, "well": True}
        if ctx.clock.monotonic() >= give_up_at:
            raise Conflict(f"{arguments.rack or ctx.config.name} is not well: {'; '.join(troubles)}")
        time.sleep(_LOOK_S)
