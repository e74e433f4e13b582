# SPDX-License-Identifier: GPL-3.0-or-later
"""What a region gives a rack to keep, and what it does with posts that a rack delivers late."""

from __future__ import annotations

import json
import uuid
from base64 import b64decode
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from rackyard.region.context import Context
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.worker.tasks import deadlines, racks

from . import test_whole_commissioning as whole
from .conftest import RackClient, secret_of
from .hardware import MAC
from .play import MACHINE_IP, RACK_IP, AgentPlay, MachinePlay

agent, image, m1, machine = whole.agent, whole.image, whole.m1, whole.machine
commission, read = whole.commission, whole.read


@pytest.fixture
def boot_id(api: Any, agent: AgentPlay, m1: str) -> str:
    """A machine's loader has its configuration."""
    assert commission(api, m1).status_code == 200
    agent.report(agent.job())
    return str(agent.boots()["boot_id"])


@pytest.fixture
def other_rack(rack: RackClient, world: Context, tmp_path: Path) -> RackClient:
    client = RackClient(rack.server, "rack2", tmp_path)
    assert client.enroll(secret_of(enrolment.mint_token(world, COMMAND_LINE))).status == 200
    return client


class Late(MachinePlay):
    """A machine whose posts a rack delivers later: with a key, and the time at which it took them."""

    def deliver(self, status: str, key: str, at: datetime, **fields: Any) -> Any:
        data = {"op": "signal", "status": status, **{name: str(value) for name, value in fields.items()}}
        return self.client.post(
            f"{self.base}2012-03-01/",
            data=data,
            content_type="multipart/form-data",
            headers=self._headers() | {"X-Rackyard-Post-Key": key, "X-Rackyard-Post-Taken": at.isoformat()},
        )


@pytest.fixture
def late(client: FlaskClient, boot_id: str) -> Late:
    found = Late(client)
    found.read_preseed(boot_id)
    return found


def test_rack_keeps_what_the_region_itself_would_answer(
    agent: AgentPlay, boot_id: str, machine: MachinePlay, m1: str
) -> None:
    (boot,) = agent.rack.get("boots").body["boots"]
    assert (boot["boot_id"], boot["addresses"]) == (boot_id, [MACHINE_IP])
    kept = agent.rack.post("boot-metadata", {"boot_id": boot_id}).body
    assert (kept["system_id"], kept["hostname"], kept["addresses"], kept["ends_at"]) == (
        m1, "m1", [MACHINE_IP], boot["ends_at"],
    )  # fmt: skip
    documents = {name: b64decode(text) for name, text in kept["documents"].items()}
    assert documents["preseed"] == machine.preseed(boot_id).get_data()
    source = machine.read_preseed(boot_id)["datasource"]["MAAS"]
    assert {name: source[name] for name in ("consumer_key", "token_key", "token_secret")} == {
        name: kept[name] for name in ("consumer_key", "token_key", "token_secret")
    }
    assert documents["user-data"] == machine.get("latest/user-data").get_data()
    assert documents["maas-scripts"] == machine.get("latest/maas-scripts").get_data()


def test_each_rack_of_the_subnet_keeps_a_boot_and_no_other_rack(
    agent: AgentPlay, boot_id: str, other_rack: RackClient
) -> None:
    other_rack.register(("mgmt0", "10.10.0.22/24"))
    assert other_rack.get("boots").body["boots"] == []
    refused = other_rack.post("boot-metadata", {"boot_id": boot_id})
    assert (refused.status, "in a subnet of rack rack2" in refused.error) == (404, True)
    assert other_rack.get("boots").body["macs"] == [MAC], "but not that the machine is in one"
    other_rack.register(("mgmt0", "10.10.0.22/24"), ("pxe0", "10.20.0.3/24"))
    assert [boot["boot_id"] for boot in other_rack.get("boots").body["boots"]] == [boot_id]
    assert other_rack.post("boot-metadata", {"boot_id": boot_id}).status == 200


def test_each_rack_keeps_for_loaders_what_the_region_would_answer_them_there(
    agent: AgentPlay, boot_id: str, other_rack: RackClient
) -> None:
    other_rack.register(("mgmt0", "10.10.0.22/24"), ("pxe0", "10.20.0.3/24"))
    for rack, address in ((agent.rack, RACK_IP), (other_rack, "10.20.0.3")):
        kept = rack.post("boot-metadata", {"boot_id": boot_id}).body
        (line,) = kept["config"]["lines"]
        answered = AgentPlay(rack).boot_config(local_ip=address).body
        assert (line["mac"], line["local_ip"], line["params"]) == (MAC, address, answered["params"])
        for name in ("purpose", "kernel", "initrd", "squashfs"):
            assert kept["config"][name] == answered[name]


def test_kernel_line_has_the_words_of_the_machines_tags_also_where_a_rack_keeps_it(
    api: Any, agent: AgentPlay, boot_id: str
) -> None:
    (machine,) = api.get("machines/").get_json()
    for name, words in (("b", "quiet iommu=pt"), ("a", "console=ttyS1")):
        assert api.post("tags/", data={"name": name, "kernel_opts": words}).status_code == 200
        api.post(f"tags/{name}/?op=update_nodes", data={"add": machine["system_id"]})
    answered = agent.boot_config().body["params"]
    at = answered.index("console=ttyS1")
    assert answered[at - 1 : at + 3] == ["console=ttyS0,115200n8", "console=ttyS1", "quiet", "iommu=pt"]
    (line,) = agent.rack.post("boot-metadata", {"boot_id": boot_id}).body["config"]["lines"]
    assert line["params"] == answered


def test_boot_is_kept_from_its_beginning_where_its_machine_was_before_and_not_after_its_end(
    api: Any, agent: AgentPlay, m1: str, world: Context
) -> None:
    def told() -> tuple[list[list[str]], list[str]]:
        body = agent.rack.get("boots").body
        return [boot["macs"] for boot in body["boots"]], body["macs"]

    assert told() == ([], [])
    commission(api, m1)
    agent.report(agent.job())
    assert told() == ([], [MAC]), "nobody knows yet where it will be"
    boot_id = agent.boots()["boot_id"]
    assert told() == ([[MAC]], [MAC])
    api.post(f"machines/{m1}/?op=abort")
    assert told() == ([], [])
    assert agent.rack.post("boot-metadata", {"boot_id": boot_id}).status == 404
    world.clock.advance(3600)  # its lease is long over, and nobody has had the address since
    commission(api, m1)
    assert told() == ([[MAC]], [MAC])


def test_lease_that_another_machine_has_now_is_no_address_of_the_boot(agent: AgentPlay, boot_id: str) -> None:
    agent.lease(mac="52:54:00:00:00:99")
    assert agent.rack.get("boots").body["boots"] == []


def test_post_is_taken_once_by_its_key_and_dated_as_the_rack_took_it(
    late: Late, m1: str, world: Context, execute: Any
) -> None:
    number = late.scripts()["20-cpu"]
    said = world.clock.now() + timedelta(seconds=60)
    world.clock.advance(600)
    key = uuid.uuid4().hex
    assert late.deliver("WORKING", key, said, script_result_id=number).status_code == 200
    assert late.deliver("WORKING", key, said, script_result_id="nonsense is 400").status_code == 400
    # Another post under a key that was taken is the same post again.
    assert late.deliver("WORKING", key, said, script_result_id=number, exit_status=1).status_code == 200
    assert execute("SELECT status, started_at FROM script_result WHERE id = %s", (number,)) == [(1, said)]


@pytest.mark.parametrize("off_s", [-7 * 86400, 7 * 86400])
def test_clock_of_a_rack_dates_nothing_before_the_boot_or_into_the_future(
    late: Late, world: Context, execute: Any, off_s: float
) -> None:
    number = late.scripts()["20-cpu"]
    at = world.clock.now() + timedelta(seconds=off_s)
    assert late.deliver("WORKING", uuid.uuid4().hex, at, script_result_id=number).status_code == 200
    ((started, requested),) = execute(
        "SELECT result.started_at, boot.requested_at FROM script_result AS result "
        "JOIN boot ON boot.id = result.boot_id WHERE result.id = %s",
        (number,),
    )
    assert requested <= started <= world.clock.now()


def test_refused_post_is_not_taken_for_its_key(late: Late, execute: Any) -> None:
    key, number = uuid.uuid4().hex, late.scripts()["20-cpu"]
    now = datetime.now().astimezone()
    assert late.deliver("WORKING", key, now, script_result_id=999999).status_code == 400
    assert late.deliver("WORKING", key, now, script_result_id=number).status_code == 200
    assert execute("SELECT status FROM script_result WHERE id = %s", (number,)) == [(1,)]


def test_malformed_words_of_a_rack_count_as_not_said(late: Late, m1: str) -> None:
    for key, at in (("x" * 5000, "yesterday"), ("", "2026-01-01T00:00:00"), ("\u00e9", "")):
        headers = {"X-Rackyard-Post-Key": key.encode().decode("latin-1"), "X-Rackyard-Post-Taken": at}
        answer = late.client.post(f"{late.base}status/{m1}", json={"name": "x"}, headers=late._headers() | headers)
        assert answer.status_code == 204, (key, at)


def test_machine_behind_a_rack_that_is_cut_off_is_waited_for_and_has_time_when_the_rack_is_back(
    api: Any, agent: AgentPlay, late: Late, m1: str, world: Context
) -> None:
    scripts = late.scripts()
    late.signal("WORKING")
    world.clock.advance(40)
    assert racks.bury_dead_racks(world) == 1
    world.clock.advance(560)
    assert deadlines.fail_past_deadline(world) == 0, "its rack keeps what it says"
    agent.rack.get("boots")  # heard of again
    assert deadlines.fail_past_deadline(world) == 0, "what the rack has kept is on its way"
    said = world.clock.now() - timedelta(seconds=300)
    for number in scripts.values():
        answer = late.deliver("WORKING", uuid.uuid4().hex, said, script_result_id=number, exit_status=1)
        assert answer.status_code == 200
    assert late.deliver("FAILED", uuid.uuid4().hex, said, error="all failed").status_code == 200
    assert read(api, m1)["status_name"] == "Failed commissioning"
    assert "all failed" in read(api, m1)["status_message"]


def test_machine_whose_rack_stays_away_ends_with_its_operation(
    api: Any, agent: AgentPlay, late: Late, m1: str, world: Context
) -> None:
    late.signal("WORKING")
    world.clock.advance(40)
    racks.bury_dead_racks(world)
    for _minutes in range(30):
        world.clock.advance(120)
        deadlines.fail_past_deadline(world)
    assert read(api, m1)["status_name"] == "Failed commissioning"


def test_machine_that_is_silent_behind_another_rack_that_lives_fails_as_ever(
    api: Any, agent: AgentPlay, late: Late, m1: str, world: Context, other_rack: RackClient
) -> None:
    other_rack.register(("pxe0", "10.20.0.3/24"))
    late.signal("WORKING")
    world.clock.advance(40)
    other_rack.get("boots")
    assert racks.bury_dead_racks(world) == 1
    world.clock.advance(270)
    assert deadlines.fail_past_deadline(world) == 1
    assert read(api, m1)["status_name"] == "Failed commissioning"


def test_ten_minutes_without_any_region_cost_no_machine(api: Any, late: Late, m1: str, world: Context) -> None:
    deadlines.keep_time(world)
    late.signal("WORKING")
    world.clock.advance(600)
    assert deadlines.keep_time(world) > 600
    world.clock.advance(250)  # the replay takes its time
    deadlines.keep_time(world)
    assert deadlines.fail_past_deadline(world) == 0
    said = world.clock.now() - timedelta(seconds=500)
    assert late.deliver("FAILED", uuid.uuid4().hex, said, error="said in the gap").status_code == 200
    assert "said in the gap" in read(api, m1)["status_message"]


def test_configuration_from_a_racks_cache_is_the_seventh_and_the_eighth_step_and_each_further_one_is_told(
    api: Any, agent: AgentPlay, m1: str
) -> None:
    commission(api, m1)
    agent.report(agent.job())
    agent.lease()
    words = "grub: commissioning, while no region answered"

    def steps() -> list[tuple[str, str, str]]:
        story = json.loads(api.get(f"machines/{m1}/?op=boot_timeline").get_data())["steps"]
        return [(step["outcome"], step["by"], step["detail"]) for step in story if step["step"] in (7, 8)]

    agent.saw("boot-config", "boot", "grub: local, while no region answered", mac=MAC)
    assert [outcome for outcome, _by, _detail in steps()] == ["waiting"] * 2, "it went to its disk"
    agent.saw("boot-config", "boot", words, mac=MAC)
    assert steps() == [("done", "rack1 (boot service)", words)] * 2
    agent.saw("boot-config", "boot", words, mac=MAC)
    assert steps()[1][2] == f"{words}; again by rack1 (boot service): {words}"
    events = api.get("events/?op=query&hostname=m1&limit=1000").get_json()["events"]
    found = [event["description"] for event in events if event["type"] == "PERFORMING_PXE_BOOT"]
    assert [("local" in each, "while no region answered" in each) for each in sorted(found)] == [
        (False, True), (False, True), (True, True),
    ]  # fmt: skip


def test_metadata_from_a_racks_cache_is_the_tenth_step(api: Any, agent: AgentPlay, boot_id: str, m1: str) -> None:
    assert agent.saw("metadata", "boot", f"by {MACHINE_IP}, while no region answered").body["taken"] == 1
    story = json.loads(api.get(f"machines/{m1}/?op=boot_timeline").get_data())
    tenth = next(step for step in story["steps"] if step["step"] == 10)
    assert (tenth["outcome"], tenth["by"]) == ("done", "rack1 (boot service)")
