# SPDX-License-Identifier: GPL-3.0-or-later
"""Who waits for an answer is alive, and who does not wait any more is in doubt: pass by pass, by the test's clock."""

from __future__ import annotations

from typing import Any

import pytest

from rackyard.region.context import Context
from rackyard.region.rpc.presence import Presence
from rackyard.region.services.racks import liveness
from rackyard.region.turns import Turns
from rackyard.region.worker.tasks import racks

from .conftest import RackClient
from .play import INTERFACES


def id_of(world: Context) -> int:
    with world.db.transaction() as tx:
        return int(tx.all("racks.view.racks")[0]["id"])


@pytest.fixture
def quick(api: Any, rack: RackClient) -> RackClient:
    """A rack of the region in this process."""
    rack.register(*INTERFACES)
    return rack


def test_rack_that_waits_here_is_alive_whoever_says_it_hung_up_there(quick: RackClient, world: Context):
    rack_id, here, there = id_of(world), Turns(), Turns()
    looks = Presence(world, here), Presence(world, there)
    with here.take((rack_id, "jobs")):
        with there.take((rack_id, "jobs")):
            for each in looks:
                each.look()
        for each in reversed(looks):
            each.look()
        world.clock.advance(liveness.AWAY_S + 1)
        assert racks.bury_dead_racks(world) == 0
    for each in looks:
        each.look()
    world.clock.advance(liveness.AWAY_S - 1)
    assert racks.bury_dead_racks(world) == 0
    world.clock.advance(2)
    assert racks.bury_dead_racks(world) == 1


def test_any_call_takes_the_doubt_away(quick: RackClient, world: Context):
    turns = Turns()
    presence = Presence(world, turns)
    with turns.take((id_of(world), "jobs")):
        presence.look()
    presence.look()
    quick.post("services", {"services": []})
    world.clock.advance(liveness.AWAY_S + 1)
    assert racks.bury_dead_racks(world) == 0


def test_poll_of_a_caller_that_has_hung_up_ends_and_counts_no_more(quick: RackClient, world: Context):
    turns, woken = Turns(), []
    gone = False
    with turns.take((id_of(world), "jobs"), lambda: gone) as turn:
        turn.on_end(lambda: woken.append(1))
        assert turns.racks() == {id_of(world)}
        gone = True
        assert turns.racks() == set()
        assert woken == [1]


def test_calm_writes_nothing(quick: RackClient, world: Context, execute: Any):
    turns = Turns()
    presence = Presence(world, turns)
    with turns.take((id_of(world), "jobs")):
        presence.look()
        before = execute("SELECT xmin FROM rack")
        statements: list[str] = []
        world.db.on_statement = statements.append
        presence.look()
        assert statements == ["racks.liveness.seen"]
        assert execute("SELECT xmin FROM rack") == before
    world.db.on_statement = None


def test_region_that_does_not_listen_judges_nobody_nor_soon_afterwards(
    quick: RackClient, world: Context, monkeypatch: pytest.MonkeyPatch
):
    listens, monotonic = False, world.clock.monotonic()
    monkeypatch.setattr(world.clock, "monotonic", lambda: monotonic)
    task = racks.RackLiveness(world, lambda: listens)
    world.clock.advance(liveness.SILENCE_S + 1)
    assert task.look() == 0
    listens = True
    assert task.look() == 0
    monotonic += racks.COME_BACK_S - 1
    assert task.look() == 0
    monotonic += 2
    assert task.look() == 1
