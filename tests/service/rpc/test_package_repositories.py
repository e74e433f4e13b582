# SPDX-License-Identifier: GPL-3.0-or-later
"""Package repositories as a commissioning machine has them: apt takes what cloud-init is told to write."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from signed_repository import Apt, Signer, publish, served

from . import test_whole_commissioning as whole
from .play import AgentPlay, MachinePlay

agent, image, m1, machine = whole.agent, whole.image, whole.m1, whole.machine
SOURCES = "/etc/apt/sources.list.d/"


@pytest.fixture
def signers(tmp_path: Path) -> Iterator[tuple[Signer, Signer]]:
    made = Signer.make(tmp_path / "one"), Signer.make(tmp_path / "two")
    yield made
    for signer in made:
        signer.end()


def add(api: Any, **data: Any) -> dict[str, Any]:
    answer = api.post("package-repositories/", data=data)
    assert answer.status_code == 200, answer.text
    return dict(answer.json)


def written(api: Any, agent: AgentPlay, machine: MachinePlay, system_id: str) -> tuple[dict[str, str], str]:
    """What cloud-init writes on a machine that is commissioned now, by path, and the boot's id."""
    assert whole.commission(api, system_id).status_code == 200
    agent.report(agent.job())
    boot_id = str(agent.boots()["boot_id"])
    files = machine.read_preseed(boot_id).get("write_files", [])
    return {each["path"]: each["content"] for each in files}, boot_id


def test_machine_installs_what_the_vendor_has_signed_and_nothing_else(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, signers: tuple[Signer, Signer], tmp_path: Path
):
    vendor, stranger = signers
    publish(tmp_path / "http", vendor, "bookworm")
    with served(tmp_path / "http") as url:
        made = add(api, name="vendor", url=url, key=vendor.public)
        add(api, name="arm", url=url, arches="arm64")
        add(api, name="off", url=url, enabled="false")
        files, boot_id = written(api, agent, machine, m1)
        path = f"{SOURCES}rackyard-{made['id']}.sources"
        assert sorted(files) == ["/etc/apt/apt.conf.d/90rackyard-proxy", path], "its architecture's, and enabled"
        proxy = "http://10-20-0-0--24.rackyard.internal:8000"
        assert files["/etc/apt/apt.conf.d/90rackyard-proxy"].splitlines() == [
            f'Acquire::http::Proxy "{proxy}";',
            f'Acquire::https::Proxy "{proxy}";',
        ]
        apt = Apt.make(tmp_path / "root")
        for place, content in files.items():
            (apt.root / place.lstrip("/")).write_text(content)
        asked = apt.run("apt-config", "dump", "Acquire::https::Proxy")
        assert proxy in asked.stdout, asked.stderr
        updated = apt.run("apt-get", "update")
        assert updated.returncode == 0, updated.stderr
        assert "4.2" in apt.run("apt-cache", "policy", "vendor-tool").stdout
        kept = agent.rack.post("boot-metadata", {"boot_id": boot_id}).body["documents"]["preseed"]
        assert json.dumps(files[path]).encode() in b64decode(kept), "a rack says the same in the region's place"

        api.put("package-repositories/vendor/", data={"key": stranger.public})
        other = machine.read_preseed(boot_id)["write_files"][1]["content"]
        (apt.root / path.lstrip("/")).write_text(other)
        refused = apt.run("apt-get", "update")
        assert refused.returncode != 0
        assert "NO_PUBKEY" in refused.stderr


def test_apt_asks_for_the_releases_and_components_that_are_named(
    api: Any, agent: AgentPlay, machine: MachinePlay, m1: str, tmp_path: Path
):
    add(api, name="a", url="https://deb.example.org/debian", distributions="x x-updates", components="main,free")
    add(api, name="b", url="http://deb.example.org/flat", distributions="./", disable_sources="false")
    files, _boot_id = written(api, agent, machine, m1)
    apt = Apt.make(tmp_path / "root")
    for place, content in files.items():
        (apt.root / place.lstrip("/")).write_text(content)
    form = "$(SITE) $(RELEASE) $(COMPONENT) $(CREATED_BY)"
    listed = apt.run("apt-get", "indextargets", "--no-release-info", "--format", form)
    assert listed.returncode == 0, listed.stderr
    lines = {line for line in listed.stdout.splitlines() if line.endswith((" Packages", " Sources"))}
    named = {(suite, component) for suite in ("x", "x-updates") for component in ("main", "free")}
    expected = {f"https://deb.example.org/debian {suite} {component} Packages" for suite, component in named}
    assert lines == expected | {
        # What it has no component for, apt leaves as it is.
        "http://deb.example.org/flat ./ $(COMPONENT) Packages",
        "http://deb.example.org/flat ./ $(COMPONENT) Sources",
    }
