# SPDX-License-Identifier: GPL-3.0-or-later
"""The only region loses its power while a machine fetches its system, and is back when that has done its work.

The machine has lost something too, since somebody declared what it shall be made of: a disk."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from gaps import waited_for
from lab_site import Lab, bmc_password, given, recap, stored

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


def drift(lab: Lab, *words: str, check: bool = True) -> tuple[str, dict]:
    """What the playbook says of m1, and its report."""
    report = lab.work / "drift.json"
    report.unlink(missing_ok=True)
    asked = {"rackyard_drift_machines": ["m1"], "rackyard_drift_check": True, "rackyard_drift_report": str(report)}
    said = lab.playbook("drift", "-e", json.dumps(asked), *words, check=check)
    return said, json.loads(report.read_text())


def fit_disks(lab: Lab, disks: list[dict]) -> None:
    """Make these the disks that m1 has when it is next powered on; what is on the others stays."""
    machine = {**given("m1"), "disks": disks}
    machine["bmc"]["address"] += "/24"
    machine["bmc"]["password"] = bmc_password("m1")
    description = {"lab_state": "present", "lab_machines_list": [machine]}
    lab.playbook("lab", "--tags", "lab_machines", "-e", json.dumps(description))


@pytest.fixture(scope="module")
def lost_disk(lab: Lab) -> Iterator[str]:
    """Serial of a disk that is no longer in m1 since all of its disks and a cable were declared; back afterwards."""
    m1, path = given("m1"), f"machines/{lab.machine('m1')['system_id']}/"
    (first, last), cable = m1["disks"], m1["nics"][0]
    expect = {
        "cpu_count": m1["cpus"],
        "memory": m1["memory_mib"],
        "bios_boot_method": m1["firmware"],
        "disks": [{"serial": first["serial"]}, {"serial": last["serial"]}],
        "nics": [{"mac_address": cable["mac"], "port": cable["port"]}],
    }
    region = lab.region()
    region.put(path, expect=json.dumps(expect))
    # The tests before have cut its power.
    waited_for(
        "rack1 is heard of, and is as declared",
        lambda: [rack["differences"] for rack in region.get("rackcontrollers/", op="drift")] == [[]],
        60,
    )
    assert not drift(lab)[1]["differs"]
    fit_disks(lab, [first])
    yield last["serial"]
    fit_disks(lab, [first, last])
    lab.region().put(path, expect="")


@pytest.mark.usefixtures("lost_disk")
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


def test_disk_that_is_gone_is_all_that_differs_from_what_was_declared(lab: Lab, lost_disk: str) -> None:
    said, report = drift(lab, "--check", "--diff", check=False)
    (machine,) = report["machines"]
    (difference,) = machine["differences"]
    assert report["differs"]
    assert (machine["hostname"], difference["what"]) == ("m1", "disks[1]")
    assert lost_disk in json.dumps(difference["declared"])
    assert lost_disk in said
    assert recap(said)["localhost"]["failed"] == 1
