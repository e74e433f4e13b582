# SPDX-License-Identifier: GPL-3.0-or-later
"""The only region loses its power while a machine fetches its system, and is back when that has done its work."""

from __future__ import annotations

import time

from gaps import waited_for
from lab_site import Lab, stored

from rackyard_core.client import RegionError

POSTS = "/var/lib/rackyard/posts"
# Most of it is the boot of an emulated machine.
BOOT_LIMIT_S, REPLAY_LIMIT_S = 900, 240
# Of a host that has ssh again: its PostgreSQL and its service have yet to come.
SERVICE_LIMIT_S = 120


def answers(lab: Lab) -> bool:
    """Whether the region's service is there."""
    try:
        lab.region().get("version/")
    except RegionError:
        return False
    return True


def test_machine_ends_ready_though_the_region_died_while_it_booted(lab: Lab) -> None:
    # It has forgotten the name by which m1 will reach it.
    lab.ssh("rack1", "systemctl restart named")
    region, system_id = lab.region(), lab.machine("m1")["system_id"]
    path = f"machines/{system_id}/"
    region.post(path, op="commission")

    def outcomes() -> dict[int, str]:
        return {row["step"]: row["outcome"] for row in region.get(path, op="boot_timeline")["steps"]}

    waited_for("the system is fetched", lambda: outcomes()[9] == "done", BOOT_LIMIT_S)
    waited_for("the rack keeps the boot", lambda: "is kept: 1" in lab.ssh("rack1", "rackyard-rack status"), 30)
    assert outcomes()[10] != "done", "the region has to die before the machine asks for its metadata"
    lab.run("lab", "kill", "region1")
    gap_began = time.monotonic()
    try:
        last_word = f"find {POSTS} -name '*-final' | grep -q . && echo there || true"
        waited_for("the machine has said its last word", lambda: lab.ssh("rack1", last_word).strip(), BOOT_LIMIT_S)
        posts = int(lab.ssh("rack1", f"find {POSTS} -path '*/refused' -prune -o -type f -name '*-*-*' -print | wc -l"))
    finally:
        lab.run("lab", "start", "region1")
    waited_for("the region answers", lambda: answers(lab), SERVICE_LIMIT_S)
    gap_s = time.monotonic() - gap_began
    replay_s = waited_for("m1 is Ready", lambda: lab.machine("m1")["status_name"] == "Ready", REPLAY_LIMIT_S)
    waited_for("step 12 is done", lambda: outcomes()[12] == "done", REPLAY_LIMIT_S)
    timeline = region.get(path, op="boot_timeline")
    assert {row["outcome"] for row in timeline["steps"]} == {"done"}
    assert lab.machine("m1")["power_state"] == "off"
    newest = region.get(f"nodes/{system_id}/results/")[0]["results"]
    assert {one["status_name"] for one in newest} == {"Passed"}
    assert not lab.ssh("rack1", f"find {POSTS} -mindepth 1 -type f -name '*-*-*'").strip(), (
        "all was sent, nothing refused"
    )
    stored(lab, "region-away", {"gap_s": round(gap_s), "posts": posts, "ready_after_s": round(replay_s)})
