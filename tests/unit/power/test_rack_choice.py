# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rack talks to a BMC: by its addresses, by what it reached before, or found by a search."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_interface
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rackyard.region.db.power.rack_choice import Candidate, RackInterface
from rackyard.region.services.power import rack_choice
from rackyard.region.services.power.rack_choice import FRESH_FAILURE, Choice, Search

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BMC, ELSEWHERE = "10.30.0.11", "10.99.0.2/24"


def choose(racks: list[Candidate], **how: Any) -> Choice | Search | None:
    return rack_choice.choose(BMC, racks, NOW, **how)


def chosen(racks: list[Candidate], **how: Any) -> str:
    choice = choose(racks, **how)
    assert isinstance(choice, Choice), choice
    return choice.hostname


def rack(number: int, address: str = "10.30.0.2/24", **changes: Any) -> Candidate:
    ports = (RackInterface("mgmt0", ip_interface("10.10.0.21/24")), RackInterface("bmc0", ip_interface(address)))
    fields = {"rack_id": number, "hostname": f"rack{number}", "alive": True, "open_jobs": 0, "interfaces": ports}
    return Candidate(**(fields | changes))


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def test_rack_with_an_address_in_the_bmcs_subnet_is_chosen_and_the_reason_names_it():
    choice = choose([rack(1, ELSEWHERE), rack(2)])
    assert isinstance(choice, Choice)
    assert choice.hostname == "rack2"
    assert choice.reason == "rack2 has 10.30.0.2/24 on bmc0, the subnet of BMC 10.30.0.11 (10.30.0.0/24)"


def test_least_busy_then_most_recently_successful_then_first_name_wins():
    busy, recent = rack(1, open_jobs=3), rack(3, last_success_at=NOW)
    assert chosen([busy, rack(2), recent]) == "rack3"
    older = rack(2, last_success_at=ago(24 * 60))
    assert chosen([busy, older, recent]) == "rack3"
    assert chosen([rack(5), rack(4)]) == "rack4"


def test_rack_that_works_on_the_bmc_is_chosen_however_busy_it_is():
    at_it = rack(1, open_jobs=50, holds=True)
    assert chosen([at_it, rack(2)]) == "rack1"
    assert chosen([rack(1, holds=True, alive=False), rack(2)]) == "rack2"


def test_rack_that_reached_the_bmc_before_comes_after_those_in_its_subnet():
    routed = rack(1, ELSEWHERE, last_success_at=ago(1))
    assert chosen([routed, rack(2, open_jobs=9)]) == "rack2"
    choice = choose([routed, rack(2, alive=False), rack(3, ELSEWHERE)])
    assert isinstance(choice, Choice)
    assert choice.reason == (
        "rack1 reached BMC 10.30.0.11 at 2026-01-01 11:59:00 UTC, though it has no address in the BMC's subnet"
    )


def test_rack_that_just_failed_comes_last_for_ten_minutes_and_is_told_so():
    routed = rack(2, ELSEWHERE, last_success_at=ago(600))
    failed = rack(1, last_success_at=ago(60), last_failure_at=ago(9.9))
    assert chosen([failed, routed]) == "rack2", "a route that works is better than an interface that does not"
    assert chosen([rack(1, last_failure_at=ago(10)), routed]) == "rack1"
    assert chosen([rack(1, last_failure_at=ago(9), last_success_at=ago(8)), rack(2)]) == "rack1", "it works again"
    alone = choose([failed])
    assert isinstance(alone, Choice)
    assert alone.reason.endswith("it did not reach it at 2026-01-01 11:50:06 UTC, and no other rack is left")
    other = choose([failed, rack(2)])
    assert isinstance(other, Choice)
    assert other.reason.endswith("also possible: rack1 (failed at 2026-01-01 11:50:06 UTC)")


def test_racks_of_which_nothing_is_known_are_searched_together():
    search = choose([rack(3, ELSEWHERE), rack(1, ELSEWHERE), rack(2, ELSEWHERE, alive=False)])
    assert search == Search(
        (1, 3), "no rack is known to reach BMC 10.30.0.11; the first of rack1, rack3 that does gets the job"
    )
    assert choose([rack(1), rack(2, ELSEWHERE)], tried=[1]) == Search((2,), search_reason("rack2"))
    assert choose([rack(1), rack(2, ELSEWHERE)], tried=[1, 2]) is None


def search_reason(names: str) -> str:
    return f"no rack is known to reach BMC 10.30.0.11; the first of {names} that does gets the job"


def test_search_leaves_out_who_did_not_reach_the_bmc_lately():
    racks = [rack(1, ELSEWHERE, last_failure_at=ago(30)), rack(2, ELSEWHERE, last_failure_at=ago(90))]
    assert choose(racks, unreached_since=ago(60)) == Search((2,), search_reason("rack2"))
    assert choose(racks[:1], unreached_since=ago(60)) is None
    assert choose(racks) == Search((1, 2), search_reason("rack1, rack2"))


def test_dead_racks_are_not_chosen_and_the_refusal_names_racks_and_remedy():
    dead = rack(1, alive=False)
    assert choose([dead]) is None
    words = rack_choice.refusal(BMC, [dead])
    assert "BMC 10.30.0.11" in words
    assert "rack1 (not alive; mgmt0 10.10.0.21/24, bmc0 10.30.0.2/24)" in words
    assert "systemctl status rackyard-rack" in words
    assert "rackyard-region enroll-token" in rack_choice.refusal(BMC, [])


def test_refusal_tells_what_each_live_rack_found():
    words = rack_choice.refusal(BMC, [rack(1, ELSEWHERE, last_failure_at=ago(5), failure="no route to host")])
    assert "rack1 (mgmt0 10.10.0.21/24, bmc0 10.99.0.2/24; no route to host)" in words
    assert "correct power_address" in words


TIMES = st.none() | st.integers(0, 2000).map(ago)
RACKS = st.lists(
    st.builds(
        rack, st.integers(1, 12), st.sampled_from(["10.30.0.2/24", ELSEWHERE]), alive=st.booleans(),
        open_jobs=st.integers(0, 3), last_success_at=TIMES, last_failure_at=TIMES,
    ),
    max_size=8, unique_by=lambda each: each.rack_id,
)  # fmt: skip


@given(RACKS, st.sets(st.integers(1, 12)), st.randoms())
def test_choice_is_a_live_untried_rack_and_none_of_a_better_class_is_left(racks, tried, random):
    choice = choose(racks, tried=tried)
    shuffled = random.sample(racks, len(racks))
    assert choose(shuffled, tried=tried) == choice, "the order of rows does not matter"
    left = {each.rack_id: each for each in racks if each.alive and each.rack_id not in tried}

    def near(each: Candidate) -> bool:
        return each.interfaces[1].address == ip_interface("10.30.0.2/24")

    def rank(each: Candidate) -> tuple[bool, bool]:
        fresh = each.last_failure_at is not None and NOW - each.last_failure_at < FRESH_FAILURE
        since = each.last_success_at is None or each.last_success_at <= (each.last_failure_at or NOW)
        return fresh and since, not near(each)

    known = [each for each in left.values() if near(each) or each.last_success_at]
    match choice:
        case None:
            assert not left
        case Search():
            assert not known
            assert set(choice.rack_ids) == set(left)
        case Choice():
            assert rank(left[choice.rack_id]) == min(map(rank, known))
