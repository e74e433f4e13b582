# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks that lost a region in one moment do not come back in one moment."""

from __future__ import annotations

from collections import Counter

from rackyard.rack.backoff import FIRST_S, MOST_S, Backoff, shortened


def back_after(outage_s: float) -> float:
    """When a rack that lost its region at 0 finds it again, if that takes so long."""
    backoff, now = Backoff(), 0.0
    while now < outage_s:
        now += backoff.next_s()
    return now - outage_s


def test_waits_grow_to_a_bound_and_begin_anew_after_a_success() -> None:
    backoff = Backoff()
    waits = [backoff.next_s() for _failure in range(10)]
    bounds = [min(FIRST_S * 2**failure, MOST_S) for failure in range(10)]
    assert all(0 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))
    backoff.reset()
    assert backoff.next_s() <= FIRST_S


def test_two_hundred_racks_come_back_over_many_seconds() -> None:
    for outage_s in (5.0, 60.0):
        times = [back_after(outage_s) for _rack in range(200)]
        seconds = Counter(int(at) for at in times)
        assert max(seconds.values()) < 100, seconds
        assert max(times) <= MOST_S


def test_what_began_together_does_not_go_on_together() -> None:
    waits = [shortened(30) for _rack in range(200)]
    assert 22.5 <= min(waits) < 24 < 28 < max(waits) <= 30
