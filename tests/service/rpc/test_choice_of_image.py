# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image a machine boots, what is kept of superseded ones, and how its BMC is told to boot it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rackyard.region.context import Context
from rackyard.region.errors import BadRequest
from rackyard.region.services.site import images
from rackyard.region.services.site.authorisation import COMMAND_LINE

from .conftest import RackClient
from .play import INTERFACES, AgentPlay, declare_network, register_machine

Register = Callable[..., int]


@pytest.fixture
def register(world: Context, tmp_path: Path) -> Register:
    """Register an image of a suite; its id."""

    def build(suite: str, revision: str = "1", *, beside: bool = False) -> int:
        files = []
        for role, name in (("kernel", "vmlinuz"), ("initrd", "initrd.img"), ("squashfs", "filesystem.squashfs")):
            content = f"{suite} {revision} {role}".encode()
            digest = hashlib.sha256(content).hexdigest()
            place = world.config.images / digest
            place.mkdir(exist_ok=True)
            (place / name).write_bytes(content)
            files.append({"role": role, "name": name, "sha256": digest, "size_bytes": len(content)})
        path = tmp_path / f"{suite}.json"
        path.write_text(json.dumps({"name": f"{suite}-ephemeral", "arch": "amd64", "suite": suite, "files": files}))
        return images.register(world, COMMAND_LINE, path, beside=beside)[0].id

    return build


@pytest.fixture
def agent(api: Any, rack: RackClient) -> AgentPlay:
    """A rack that serves the machines' network."""
    rack.register(*INTERFACES)
    declare_network(api, rack.system_id)
    return AgentPlay(rack)


def squashfs(suite: str, revision: str = "1") -> str:
    return f"/images/{hashlib.sha256(f'{suite} {revision} squashfs'.encode()).hexdigest()}/filesystem.squashfs"


def booted(api: Any, agent: AgentPlay, system_id: str) -> str:
    """Commission the machine; the squashfs that its loader is told."""
    response = api.post(f"machines/{system_id}/?op=commission")
    assert response.status_code == 200, response.get_data(as_text=True)
    agent.report(agent.job())
    return str(agent.boots()["squashfs"])


def test_machine_boots_the_release_that_it_names_and_others_the_default(
    api: Any, agent: AgentPlay, register: Register
) -> None:
    register("bookworm")
    register("trixie", beside=True)
    m1 = register_machine(api)
    assert booted(api, agent, m1) == squashfs("bookworm")
    agent_done(api, agent, m1)
    changed = api.put(f"machines/{m1}/", data={"commissioning_suite": "Trixie"})
    assert changed.get_json()["commissioning_suite"] == "trixie"
    assert booted(api, agent, m1) == squashfs("trixie")
    agent_done(api, agent, m1)
    assert api.put(f"machines/{m1}/", data={"description": "the suite stays"}).status_code == 200
    register("trixie", "2", beside=True)
    assert booted(api, agent, m1) == squashfs("trixie", "2")
    agent_done(api, agent, m1)
    api.put(f"machines/{m1}/", data={"commissioning_suite": ""})
    assert booted(api, agent, m1) == squashfs("bookworm")


def agent_done(api: Any, agent: AgentPlay, system_id: str) -> None:
    """Abort, so that the machine can be commissioned again."""
    assert api.post(f"machines/{system_id}/?op=abort").status_code == 200
    agent.report(agent.job(), "off")


def test_release_without_an_image_is_refused_naming_those_there_are(
    api: Any, agent: AgentPlay, register: Register
) -> None:
    register("bookworm")
    register("trixie", beside=True)
    m1 = register_machine(api)
    api.put(f"machines/{m1}/", data={"commissioning_suite": "forky"})
    response = api.post(f"machines/{m1}/?op=commission")
    assert response.status_code == 400
    assert "commissioning_suite is forky, and there are only amd64 images of bookworm, trixie" in response.text
    assert "boot_image_more_suites" in response.text


@pytest.mark.parametrize("suite", ["../trixie", "12", "tri xie", "t" * 33])
def test_suite_that_is_no_code_name_is_refused(api: Any, agent: AgentPlay, suite: str) -> None:
    m1 = register_machine(api)
    response = api.put(f"machines/{m1}/", data={"commissioning_suite": suite})
    assert response.status_code == 400
    assert list(response.get_json()) == ["commissioning_suite"]


def test_first_image_is_the_default_even_when_registered_beside(api: Any, register: Register) -> None:
    register("trixie", beside=True)
    register("bookworm", beside=True)
    listed = {image["title"]: image for image in api.get("boot-resources/").get_json()}
    assert {suite: image["is_default"] for suite, image in listed.items()} == {"trixie": True, "bookworm": False}
    assert all(image["is_current"] for image in listed.values())


def test_prune_keeps_the_newest_of_each_release_the_default_and_what_boots(
    api: Any, agent: AgentPlay, register: Register, world: Context
) -> None:
    booting = register("bookworm", "1")
    m1 = register_machine(api)
    assert booted(api, agent, m1) == squashfs("bookworm", "1")
    dropped = register("bookworm", "2")
    kept = [register("bookworm", "3"), register("bookworm", "4"), register("trixie", "1", beside=True)]
    register("bookworm", "3")  # an operator goes back: the default is not the newest

    before = {path.name for path in world.config.images.iterdir()}
    gone = images.prune(world, COMMAND_LINE, 1, spared_s=0)
    known = {image["id"] for image in api.get("boot-resources/").get_json()}
    assert known == {booting, *kept}
    assert dropped not in known
    refused = api.delete(f"boot-resources/{booting}/")
    assert (refused.status_code, refused.text.partition("; ")[0].endswith("while a machine boots it")) == (409, True)
    after = {path.name for path in world.config.images.iterdir()}
    assert len(before - after) == 3, "kernel, initrd and squashfs of the dropped image"
    assert before - after <= set(gone)
    assert images.prune(world, COMMAND_LINE, 1, spared_s=0) == []

    agent_done(api, agent, m1)
    images.prune(world, COMMAND_LINE, 1, spared_s=0)
    assert booting not in {image["id"] for image in api.get("boot-resources/").get_json()}


def test_prune_spares_files_that_were_just_copied_and_what_is_no_image(world: Context, register: Register) -> None:
    register("bookworm")
    copied, stale = world.config.images / ("a" * 64), world.config.images / ("b" * 64)
    for path in (copied, stale, world.config.images / "operator"):
        path.mkdir()
    os.utime(stale, (world.clock.now().timestamp() - 7 * 86400,) * 2)
    os.utime(copied, (world.clock.now().timestamp() - 60,) * 2)
    assert images.prune(world, COMMAND_LINE, 2) == [stale.name]
    assert copied.is_dir()
    assert (world.config.images / "operator").is_dir()
    with pytest.raises(BadRequest, match="at least 1"):
        images.prune(world, COMMAND_LINE, 0)


@pytest.mark.parametrize(
    ("firmware", "chosen", "told"),
    [
        ("uefi", None, "efi"),
        ("uefi", "auto", "efi"),
        ("uefi", "legacy", "legacy"),
        ("bios", "auto", "auto"),
        ("", "auto", "auto"),
        ("bios", "efi", "efi"),
    ],
)
def test_bmc_boots_as_the_firmware_is_unless_the_operator_says_otherwise(
    api: Any, agent: AgentPlay, register: Register, execute: Any, firmware: str, chosen: str | None, told: str
) -> None:
    register("bookworm")
    m1 = register_machine(api)
    if chosen is not None:
        assert api.put(f"machines/{m1}/", data={"power_parameters_power_boot_type": chosen}).status_code == 200
    execute("UPDATE machine SET firmware_type = %s", (firmware,))
    assert api.post(f"machines/{m1}/?op=commission").status_code == 200
    assert agent.job()["power"]["options"]["power_boot_type"] == told
    shown = api.get(f"machines/{m1}/?op=power_parameters").get_json()
    assert shown.get("power_boot_type") == chosen, "what the operator chose stays as it is"
