# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit trail costs whoever changes much."""

from __future__ import annotations

import statistics
import time

import pytest

from rackyard.region.cli_audit import deed_of
from rackyard.region.context import Context
from rackyard.region.services.machines import registry
from rackyard.region.services.machines.registry import Wish
from rackyard.region.services.site.authorisation import COMMAND_LINE

ROUNDS, MACHINES = 10, 100
# Measured: 1.26, without HTTP around it. Three entries for a machine: itself, its NIC, and which NIC it boots from.
MOST = 1.5


def create(ctx: Context, first: int) -> float:
    """How long so many machines take (s)."""
    began = time.perf_counter()
    for number in range(first, first + MACHINES):
        mac = f"52:54:00:00:{number // 256:02x}:{number % 256:02x}"
        registry.create(ctx, COMMAND_LINE, Wish(hostname=f"m{number}", macs=[mac]))
    return time.perf_counter() - began


@pytest.mark.alone
def test_a_thousand_machines_are_made_nearly_as_quickly_with_the_trail_as_without(ctx, execute) -> None:
    """Turn and turn about, so that both meet the same table."""
    acting = ctx.acting(deed_of(ctx, "bulk"))
    without, within = [], []
    for turn in range(ROUNDS):
        without.append(create(ctx, 2 * turn * MACHINES))
        within.append(create(acting, (2 * turn + 1) * MACHINES))
    assert execute("SELECT count(*) FROM audit WHERE object = 'machine' AND action = 'create'") == [
        (ROUNDS * MACHINES,)
    ]
    ratio = statistics.median(within) / statistics.median(without)
    each_ms = [statistics.median(times) / MACHINES * 1000 for times in (without, within)]
    print(f"a machine: {each_ms[0]:.2f} ms without, {each_ms[1]:.2f} ms with the audit trail, {ratio:.2f} times")
    assert ratio < MOST
