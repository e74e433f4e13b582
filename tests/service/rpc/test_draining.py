# SPDX-License-Identifier: GPL-3.0-or-later
"""A rack out of use while its host is upgraded: others come first, nothing begins at it, and nobody is caught."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rackyard.region import cli
from rackyard.region.context import Context
from rackyard.region.errors import Conflict, NotFound
from rackyard.region.services.racks import draining, health, names
from rackyard.region.services.site.authorisation import COMMAND_LINE

from .conftest import RackClient, write_toml
from .play import INTERFACES, RACK_IP, AgentPlay, another, declare_network, poll, register_machine

OTHER_IP = "10.20.0.3"


@pytest.fixture
def agent(api: Any, rack: RackClient) -> AgentPlay:
    """rack1, the only one in its subnet, at which a machine may be commissioned."""
    rack.register(*INTERFACES)
    declare_network(api, rack.system_id)
    return AgentPlay(rack)


@pytest.fixture
def commissioning(agent: AgentPlay, api: Any, execute: Any) -> Callable[[], str]:
    """Registers a machine and commissions it."""
    roles = ("kernel", "initrd", "squashfs")
    files = [{"role": role, "name": role, "sha256": "0" * 64, "size_bytes": 1} for role in roles]
    execute(
        "INSERT INTO image (name, arch, suite, manifest, manifest_sha256, registered_at, is_default) "
        "VALUES ('test', 'amd64', 'bookworm', %s, decode(repeat('00', 32), 'hex'), now(), true)",
        (json.dumps({"files": files}),),
    )

    def begin() -> str:
        system_id = register_machine(api)
        assert api.post(f"machines/{system_id}/?op=commission").status_code == 200
        return system_id

    return begin


def addresses_of_subnet(world: Context) -> set[str]:
    zone = names.wanted(world)[0]
    return {record.split()[2] for record in zone.labels.get("10-20-0-0--24", ())}


def begin(world: Context, hostname: str = "rack1") -> draining.Drained:
    return draining.begin(world, COMMAND_LINE, hostname)


def test_only_rack_of_a_subnet_keeps_its_name_and_leaves_it_to_another_one(
    agent: AgentPlay, world: Context, tmp_path: Path
) -> None:
    assert begin(world).handed_over == []
    assert addresses_of_subnet(world) == {RACK_IP}, "machines that began to boot still ask for metadata by it"
    another(agent.rack.server, world, tmp_path, "rack2", ("pxe0", f"{OTHER_IP}/24"))
    assert begin(world).handed_over == ["10.20.0.0/24"]
    assert addresses_of_subnet(world) == {OTHER_IP}
    assert draining.end(world, COMMAND_LINE, "rack1")
    assert addresses_of_subnet(world) == {RACK_IP, OTHER_IP}
    assert not draining.end(world, COMMAND_LINE, "rack1"), "it is in use"


def test_drained_rack_is_in_use_again_by_itself(agent: AgentPlay, world: Context, execute: Any) -> None:
    begin(world)
    ((for_s,),) = execute("SELECT extract(epoch FROM drained_until - now())::int FROM rack")
    assert draining.DRAIN_S - 60 < for_s <= draining.DRAIN_S
    execute("UPDATE rack SET drained_until = now() - interval '1 second'")
    begin_again = api_status(world)
    assert begin_again["drained_until"] is None


def api_status(world: Context) -> dict[str, Any]:
    from rackyard.region.services.site import overview

    return dict(overview.read(world)["racks"][0])


def test_nothing_is_switched_on_by_the_only_rack_until_it_is_back(
    agent: AgentPlay, commissioning: Callable[[], str], world: Context
) -> None:
    begin(world)
    commissioning()
    assert poll(agent.rack) == []
    draining.end(world, COMMAND_LINE, "rack1")
    assert [job["kind"] for job in poll(agent.rack)] == ["power_on"]


def test_waiting_orders_go_to_another_rack_that_reaches_the_bmc(
    agent: AgentPlay, commissioning: Callable[[], str], world: Context, tmp_path: Path
) -> None:
    commissioning()
    other = another(agent.rack.server, world, tmp_path, "rack2", ("bmc0", "10.30.0.3/24"))
    assert begin(world).moved == 1
    assert poll(agent.rack) == []
    assert [job["kind"] for job in poll(other.rack)] == ["power_on"]


def test_machine_between_power_on_and_image_is_waited_for(
    agent: AgentPlay, commissioning: Callable[[], str], world: Context
) -> None:
    commissioning()
    job = agent.job()
    drained = begin(world)
    assert [str(each) for each in draining.starting(world, drained.rack.id)] == ["m1 (being switched)"]
    agent.report(job)
    assert [each.step for each in draining.starting(world, drained.rack.id)] == [4]
    agent.lease()
    with pytest.raises(Conflict, match=r"m1 \(after step 5, address leased\); wait longer"):
        draining.wait(world, drained, 0)
    looks = []

    def meanwhile(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            agent.boots()

    draining.wait(world, drained, 60, meanwhile)
    assert len(looks) == 2, "it has its image: nothing of its boot needs the rack's processes now"


def test_machine_that_another_rack_leased_its_address_is_not_waited_for(
    agent: AgentPlay, commissioning: Callable[[], str], world: Context, tmp_path: Path
) -> None:
    commissioning()
    agent.report(agent.job())
    other = another(agent.rack.server, world, tmp_path, "rack2", ("pxe0", f"{OTHER_IP}/24"))
    drained = begin(world)
    assert [each.hostname for each in draining.starting(world, drained.rack.id)] == ["m1"], "it may come to this rack"
    other.lease()
    assert draining.starting(world, drained.rack.id) == []


def test_dhcp_is_left_to_a_partner_that_is_in_touch_and_to_no_other(
    agent: AgentPlay, api: Any, world: Context, execute: Any, tmp_path: Path
) -> None:
    other = another(agent.rack.server, world, tmp_path, "rack2", ("pxe0", f"{OTHER_IP}/24")).rack
    assert not begin(world).dhcp_is_covered, "rack1 alone answers there"
    execute("UPDATE vlan SET secondary_rack_id = (SELECT id FROM rack WHERE hostname = 'rack2')")
    assert not begin(world).dhcp_is_covered, "nobody knows whether the partner answers"
    pair = "-".join(["pair", *sorted([agent.rack.system_id, other.system_id])])
    for own, covered in (("communications-interrupted", False), ("normal", True)):
        execute("DELETE FROM dhcp_pair_state")
        execute(
            "INSERT INTO dhcp_pair_state (rack_id, name, own, partner, updated_at) "
            "SELECT id, %s, %s, 'normal', now() FROM rack WHERE hostname = 'rack2'",
            (pair, own),
        )
        assert begin(world).dhcp_is_covered is covered
    begin(world, "rack2")
    assert not begin(world).dhcp_is_covered, "the partner is out of use itself"


def test_command_leaves_the_rack_in_use_when_machines_still_boot_from_it(
    agent: AgentPlay, commissioning: Callable[[], str], world: Context, tmp_path: Path, capsys: Any
) -> None:
    commissioning()
    agent.report(agent.job())
    toml = tmp_path / "region.toml"
    write_toml(world.config, toml)
    assert cli.main(["drain-rack", "rack1", "--wait-s", "0", "--config", str(toml)]) == 1
    assert "m1 (after step 4, powered on)" in capsys.readouterr().err
    assert api_status(world)["drained_until"] is None
    agent.boots()
    assert cli.main(["drain-rack", "rack1", "--wait-s", "0", "--json", "--config", str(toml)]) == 0
    assert json.loads(capsys.readouterr().out)["handed_over"] == []
    assert api_status(world)["drained_until"] is not None
    with pytest.raises(NotFound):
        begin(world, "rack9")


def test_rack_is_well_when_its_daemons_run_on_what_is_wanted(agent: AgentPlay, world: Context, execute: Any) -> None:
    rack = agent.rack
    assert health.troubles(world, "rack1") == ["its daemons have not taken any desired state yet"]
    wanted = rack.get("desired").body["generation"]
    for generation, ok, expected in (
        (wanted - 1, True, [f"dns runs on generation {wanted - 1}, not on {wanted}"]),
        (wanted, False, ["dns refuses its configuration: no"]),
        (wanted, True, []),
    ):
        daemons = {"dns": {"ok": ok, "changed": False, "message": "" if ok else "no"}}
        assert rack.post("applied", {"generation": generation, "daemons": daemons}).status == 200
        assert health.troubles(world, "rack1") == expected
    services = [{"name": "dns", "state": "dead", "info": "it died"}]
    assert rack.post("services", {"services": services}).status == 200
    assert health.troubles(world, "rack1") == ["service dns is dead: it died"]
    execute("UPDATE rack SET alive = false")
    assert health.troubles(world, "rack1")[0].startswith("rack1 is not heard of")
