# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rackyard.region.services.boots import steps
from rackyard.region.services.boots.steps import Names, Recorded

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = Names(machine="m1", rack="rack1", bmc="10.30.0.11", mac="52:54:00:00:00:01")


def recorded(step: int, seconds: float, outcome: str = "done") -> Recorded:
    return Recorded(step, "somebody", START + timedelta(seconds=seconds), outcome, "")


def test_there_are_twelve_titled_steps_and_each_says_where_to_look():
    assert list(steps.RULES) == list(range(1, 13))
    assert steps.RULES[5].title == "address leased"
    assert all(rule.look_at and rule.overdue_s > 0 for rule in steps.RULES.values())


def test_boot_waits_for_the_step_after_the_furthest_one_even_over_a_gap():
    waiting = steps.pending([recorded(1, 0), recorded(2, 0), recorded(4, 3), recorded(7, 30)])
    assert waiting is not None
    assert (waiting.step, waiting.since) == (8, START + timedelta(seconds=30))


def test_nothing_is_awaited_after_the_last_step_or_a_failure():
    assert steps.pending([recorded(12, 100)]) is None
    assert steps.pending([recorded(4, 1), recorded(5, 9, "failed")]) is None
    assert steps.pending([]) is None


def test_diagnosis_names_step_time_and_place_to_look():
    waiting = steps.pending([recorded(4, 0)])
    assert waiting is not None
    words = steps.diagnose(waiting, START + timedelta(seconds=312), NAMES)
    assert "step 5 (address leased) has not happened 312 s after step 4 (powered on)" in words
    assert "the console of m1" in words
    assert "52:54:00:00:00:01" in words


def test_loader_by_ipv6_alone_is_not_overdue_while_firmware_tries_ipv4_in_between():
    """In the lab, 64 to 98 s pass from the lease of PXE over IPv6 to the loader by HTTP over IPv6."""
    leased = [recorded(4, 0), recorded(5, 64)]
    assert steps.arrange(leased, True, START + timedelta(seconds=64 + 110))[5]["outcome"] == "waiting"
    assert steps.arrange(leased, True, START + timedelta(seconds=64 + 130))[5]["outcome"] == "overdue"
    waiting = steps.pending(leased)
    assert waiting is not None
    words = steps.diagnose(waiting, START + timedelta(seconds=200), NAMES)
    assert "UDP 69" in words
    assert "TCP 5248" in words


def test_rows_have_times_from_step_to_step_and_tell_what_is_overdue():
    rows = steps.arrange([recorded(1, 0), recorded(2, 0.5)], True, START + timedelta(seconds=60))
    assert rows[1]["took_seconds"] == 0.5
    assert (rows[2]["outcome"], rows[3]["outcome"], rows[3]["at"]) == ("overdue", "waiting", None)
    ended = steps.arrange([recorded(1, 0), recorded(2, 0.5)], False, START + timedelta(seconds=60))
    assert ended[2]["outcome"] == "waiting"


def test_small_differences_of_clocks_are_not_shown():
    rows = steps.arrange([recorded(6, 10), recorded(7, 8.5), recorded(8, 11)], True, START)
    assert rows[6]["at"] == rows[5]["at"]
    assert rows[6]["took_seconds"] == 0
    assert rows[7]["took_seconds"] == 1
    apart = steps.arrange([recorded(6, 10), recorded(7, 2)], True, START)
    assert apart[6]["at"] != apart[5]["at"]
