# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that part controllers, in both directions or in one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from gaps import until
from ha_site import REGIONS, HaLab
from lab_site import eventually

DEAD_S, NAME_S = 10, 15
LEASES = 60
# As dhcpd writes them: of machines that nobody has registered, in addresses that it gives nobody.
LEASE = "rackyard-lease {action} 10.20.0.{host} 52:54:00:99:00:{host:02x} 600"
COUNT = "SELECT count(*) FROM lease WHERE mac::text LIKE '52:54:00:99:%' AND state = 'commit'"

JOB_WAITS = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY s), max(s) FROM (
  SELECT extract(epoch FROM taken_at - created_at) AS s FROM job
  WHERE kind = 'power_query' AND taken_at IS NOT NULL ORDER BY id DESC LIMIT 20
) AS waits
"""


def write_leases(lab: HaLab, action: str) -> None:
    lines = "\n".join(LEASE.format(action=action, host=20 + number) for number in range(LEASES))
    lab.ssh("rack1", "logger --tag dhcpd", stdin=lines)


@pytest.fixture
def leases(lab: HaLab) -> Iterator[None]:
    """What a test has rack1 tell of is taken back."""
    yield
    lab.run("lab", "heal")
    write_leases(lab, "release")
    assert eventually(lambda: lab.psql(COUNT) == ["0"], within_s=90)
    lab.psql("DELETE FROM lease WHERE mac::text LIKE '52:54:00:99:%'")


@pytest.mark.usefixtures("leases")
@pytest.mark.parametrize("way", ["both-ways", "from-the-rack", "to-the-rack"])
def test_rack_that_is_cut_off_from_every_region_is_dead_and_loses_no_report(lab: HaLab, way: str) -> None:
    for region in REGIONS:
        ends = (region, "rack1") if way == "to-the-rack" else ("rack1", region)
        lab.run("lab", "partition", *ends, *([] if way == "both-ways" else ["--one-way"]))
    seen = until({"rack is dead": lambda: not lab.alive("rack1"), "unnamed": lambda: lab.named("rack2")}, within_s=60)
    write_leases(lab, "commit")
    time.sleep(20)
    waiting = lab.psql(COUNT)
    lab.run("lab", "heal")
    seen |= until(
        {
            "alive again": lambda: lab.alive("rack1"),
            "named again": lambda: lab.named("rack1", "rack2"),
            "reports told": lambda: lab.psql(COUNT) == [str(LEASES)],
        },
        within_s=120,
    )
    told = lab.psql(COUNT)[0]
    fault = f"rack1 cut off from both regions, {way.replace('-', ' ')}"
    lab.note(f"cut-off-{way}", fault, f"nothing of {LEASES} reports ({told} arrived)", seen)
    assert waiting == ["0"], "the rack is not cut off"
    assert seen["rack is dead"] <= DEAD_S
    assert seen["unnamed"] <= NAME_S
    assert len(seen) == 5, seen
    assert seen["named again"] <= seen["alive again"] + NAME_S


def test_rack_that_loses_one_region_works_on_with_the_other(lab: HaLab) -> None:
    lab.run("lab", "partition", "rack1", "region1")
    order = until({"order of region1 done by region2's channel": lambda: lab.power_state("m1") == "off"}, within_s=40)
    time.sleep(20)
    assert lab.alive("rack1", "rack2")
    assert lab.named("rack1", "rack2", region="region1")
    lab.run("lab", "heal")
    channels = "its channels are whole again"

    def live() -> bool:
        racks = {rack["hostname"]: rack for rack in lab.region().get("controllers/")["racks"]}
        return all(channel["live"] for channel in racks["rack1"]["channels"])

    seen = order | until({channels: live}, within_s=90)
    lab.note("one-region-lost", "rack1 cut off from region1 alone", "nothing", seen)
    assert len(seen) == 2, seen


def test_region_without_the_database_leaves_racks_to_the_other(lab: HaLab) -> None:
    # Which member leads may have changed before; a region that is one does not lose its own.
    leader = lab.leader()
    cut_off, other = ("region1", "region2") if leader == "region2" else ("region2", "region1")
    lab.run("lab", "partition", cut_off, leader)
    lab.asked = cut_off
    refuses = until({f"{cut_off} says that it cannot": lambda: not lab.answers()}, within_s=60)
    lab.asked = other
    time.sleep(20)
    assert lab.alive("rack1", "rack2")
    order = until({f"order of {other}": lambda: lab.power_state("m3") == "off"}, within_s=40)
    lab.run("lab", "heal")
    lab.asked = cut_off
    seen = refuses | order | until({f"{cut_off} answers again": lab.answers}, within_s=60)
    lab.note("regions-apart", f"{cut_off} cut off from PostgreSQL", "its API", seen)
    assert len(seen) == 3, seen


def test_job_is_at_its_rack_at_once(lab: HaLab) -> None:
    for _turn in range(20):
        assert lab.power_state("m1") == "off"
    median, longest = lab.psql(JOB_WAITS)[0].split("|")
    lab.note(
        "jobs", "20 questions to a BMC", "nothing", {"commit to rack, median": float(median), "longest": float(longest)}
    )
    assert float(median) < 1
