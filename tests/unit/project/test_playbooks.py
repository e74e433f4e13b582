# SPDX-License-Identifier: GPL-3.0-or-later
"""Tags of the playbooks, and what the collection says that it needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ansible
import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = sorted(ROOT.glob("playbooks/*.yml"))
MODULES = ("ansible.builtin.import_role", "ansible.builtin.include_role")


def load(path: Path) -> Any:
    """The YAML document in a file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def tasks_in(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Tasks with those inside blocks."""
    for entry in entries:
        yield entry
        for part in ("block", "rescue", "always"):
            yield from tasks_in(entry.get(part, []))


def roles_of(playbook: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Short names of the roles that a playbook runs, and the entry or the task that runs each."""
    for play in load(playbook):
        for entry in play.get("roles", []):
            yield entry["role"], entry
        for task in tasks_in(play.get("pre_tasks", []) + play.get("tasks", [])):
            shared = task.get("ansible.builtin.import_tasks")
            for one in [task] if shared is None else load(playbook.parent / shared):
                for module in MODULES:
                    if module in one:
                        yield one[module]["name"], one


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda path: path.name)
def test_every_role_has_its_tag(playbook: Path) -> None:
    for name, entry in roles_of(playbook):
        short = name.removeprefix("rackyard.metal.")
        assert {short, "always"} & set(entry.get("tags", [])), f"{name} cannot be chosen with --tags {short}"
        included = entry.get("ansible.builtin.include_role")
        assert included is None or short in included["apply"]["tags"], f"{name}: its tasks do not inherit the tag"


# Where a look at the host finds something to do for them.
INCLUDED = ("daemons_of_both.yml", "daemons_of_racks.yml")


def chosen(tmp_path: Path, tag: str) -> dict[str, set[str]]:
    """Roles with tasks that `site.yml --tags TAG` would run, by play; files that it includes count as plays."""
    included = [
        {
            "name": name,
            "hosts": "racks",
            "tasks": [{"ansible.builtin.import_tasks": str(ROOT / "playbooks/tasks" / name)}],
        }
        for name in INCLUDED
    ]
    (tmp_path / "included.yml").write_text(yaml.safe_dump(included))
    (tmp_path / "hosts").write_text("[regions]\nregion1\n[racks]\nrack1\n")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(tmp_path / "hosts"), "--list-tasks"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(
        [*command, "--tags", tag, "playbooks/site.yml", str(tmp_path / "included.yml")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        if play := re.match(r"  play #\d+ \(.*?\): (.*?)\t", line):
            roles = found.setdefault(play.group(1), set())
        # The judgement of a role's variables always runs.
        elif task := re.match(r"      (?:rackyard[.]metal[.])?(\w+) : (?!Validating arguments)", line):
            roles.add(task.group(1))
    return found


def test_one_daemon_can_be_chosen_with_what_it_builds_on(tmp_path: Path) -> None:
    found = chosen(tmp_path, "dns")
    assert {"controller_identity", "service_runtime", "daemon"} <= found["Regions"], (
        "packages, the user, and the key of updates"
    )
    assert {"daemon", "service_runtime"} <= found["Code of racks"], "packages, and the user"
    assert found["daemons_of_both.yml"] == {"dns", "daemon"}
    assert found["daemons_of_racks.yml"] == set()
    assert "rack_service" not in found["Racks"]


def test_daemons_are_looked_at_and_run_by_the_tags_of_their_roles() -> None:
    look, both = load(ROOT / "playbooks/tasks/daemons.yml")
    racks = next(
        task
        for play in load(ROOT / "playbooks/rack.yml")
        for task in play["pre_tasks"]
        if "daemons_of_racks" in str(task)
    )
    roles = [[task["tags"] for task in load(ROOT / "playbooks/tasks" / name)] for name in INCLUDED]
    assert [[tag] for tag in both["tags"]] == roles[0]
    assert [[tag] for tag in racks["tags"]] == roles[1]
    assert look["tags"] == both["tags"] + racks["tags"]


def test_each_tag_of_the_site_chooses_its_role(tmp_path: Path) -> None:
    everything = chosen(tmp_path, "all")
    for role in set().union(*everything.values()) - {"daemon"}:
        found = chosen(tmp_path, role)
        for play in [play for play, roles in everything.items() if role in roles]:
            assert role in found.get(play, set()), f"--tags {role} in play {play}"


def test_upgrade_is_the_halves_of_the_site_with_one_host_at_a_time() -> None:
    halves = load(ROOT / "playbooks/upgrade.yml")
    site = [play["import_playbook"] for play in load(ROOT / "playbooks/site.yml") if "import_playbook" in play]
    # Members of the database come before, all at once and once: an upgrade restarts none.
    assert (
        ["database.yml", *(half["import_playbook"] for half in halves)]
        == site
        == ["database.yml", "region.yml", "rack.yml"]
    )
    for half in halves:
        (play,) = load(ROOT / "playbooks" / half["import_playbook"])
        # A batch that fails as a whole ends all. Ansible counts a host that is away twice with this, and goes on.
        assert "any_errors_fatal" not in play
        for variables, at_once in (({}, "100%"), (half["vars"], 1)):
            templar = Templar(loader=DataLoader(), variables=variables)
            assert templar.template(trust_as_template(play["serial"])) == at_once


# What the collection needs.


def wanted() -> dict[str, str]:
    """Collections that it depends on, with their versions."""
    return dict(load(ROOT / "galaxy.yml")["dependencies"])


def test_dependencies_are_the_same_for_galaxy_and_for_a_bare_controller() -> None:
    listed = {entry["name"]: entry["version"] for entry in load(ROOT / "collections/requirements.yml")["collections"]}
    assert listed == wanted()


def test_dependencies_are_what_is_used() -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for pattern in ("roles/**/*.yml", "roles/**/*.j2", "playbooks/**/*.yml", "plugins/**/*.py")
        for path in ROOT.glob(pattern)
    ]
    used = {name for text in texts for name in re.findall(r"\b((?:community|ansible)[.][a-z_]+)[.][a-z_]+", text)}
    assert used - {"ansible.builtin", "ansible.module_utils", "ansible.plugins", "ansible.errors"} == set(wanted())


def test_the_pinned_collections_suffice() -> None:
    site_packages = Path(ansible.__file__).parents[1]
    for name, least in wanted().items():
        place = Path(site_packages, "ansible_collections", *name.split("."), "MANIFEST.json")
        version = re.search(r'"version": "([0-9.]+)"', place.read_text(encoding="utf-8"))
        assert version, name
        assert numbers(version.group(1)) >= numbers(least.removeprefix(">=")), f"{name} {version.group(1)}"


def numbers(version: str) -> list[int]:
    """A version that can be compared."""
    return [int(part) for part in version.split(".")]


def test_every_role_wants_the_ansible_that_the_collection_wants() -> None:
    least = load(ROOT / "meta/runtime.yml")["requires_ansible"].removeprefix(">=").removesuffix(".0")
    for path in ROOT.glob("roles/*/meta/main.yml"):
        assert load(path)["galaxy_info"]["min_ansible_version"] == least, path
    pinned = re.search(
        r"^ansible-core==([0-9.]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert pinned
    assert numbers(pinned.group(1)) >= numbers(least)
