# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's pages say what is there: each variable, each file that a role leaves, and no link leads nowhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.rackyard.metal.plugins.modules import static_route, subnet
from rackyard.rack import cli as rack_cli
from rackyard.region import cli as region_cli

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("roles/*/README.md"), ROOT / "README.md"])
# The lab takes itself away with ./run lab down; an internal role has no files of its own.
ROLES = [
    path
    for path in sorted(ROOT.glob("roles/*/README.md"))
    if not path.parent.name.startswith("lab_") and "(internal)" not in path.read_text(encoding="utf-8").splitlines()[0]
]
# Set by the lab's own inventory.
LAB = {"rackyard_lab_dir"}
# What stands in backquotes or after a prompt.
TOLD = re.compile(
    r"(?:`|^[#$] .*?)(playbooks/|rackyard-region |rackyard-rack )(?!rackyard-)([a-z][a-z-_]+)\b", re.MULTILINE
)
COMMANDS = {"rackyard-region ": region_cli.main, "rackyard-rack ": rack_cli.main}
NAME = re.compile(r"\brackyard_[a-z][a-z0-9_]*")
LEAF_FILES = [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("playbooks/tasks/*.yml")]


def test_every_variable_that_is_read_has_a_line_and_no_other() -> None:
    rows = re.findall(
        r"^\| `(rackyard_\w+)` \|", (ROOT / "docs/variables.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(rows) == len(set(rows))
    assert set(rows) == inputs()


def test_defaults_are_told_as_they_are() -> None:
    page = (ROOT / "docs/variables.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(rackyard_\w+)` \| `([^`]*)` \|", page, re.MULTILINE))
    given: dict[str, set[str]] = {}
    for path in ROOT.glob("roles/*/defaults/main.yml"):
        for name, value in re.findall(r"(rackyard_\w+) \| default\(('[^']*'|\[[^\]]*\])\)", path.read_text("utf-8")):
            given.setdefault(name, set()).add(value)
    assert given, "the roles' defaults are written in another way now"
    for name, values in given.items():
        if name in told and values != {"[]"}:
            assert {value.strip("'") or "''" for value in values} == {told[name]}, name


def inputs() -> set[str]:
    """Names that roles' defaults read, and that playbooks read without setting them; internals have no line."""
    defaults = {
        name
        for path in ROOT.glob("roles/*/defaults/main.yml")
        if not path.parts[-3].startswith("lab_")
        for value in (yaml.safe_load(path.read_text("utf-8")) or {}).values()
        for name in NAME.findall(str(value))
    }
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in LEAF_FILES]
    own = set(yaml.safe_load((ROOT / "playbooks/group_vars/all.yml").read_text(encoding="utf-8")))
    made = {name for document in documents for name in assigned(document)}
    texts = [path.read_text(encoding="utf-8") for path in LEAF_FILES if path.name not in ("lab.yml", "demo.yml")]
    code = "\n".join(line for text in texts for line in text.splitlines() if not line.lstrip().startswith("#"))
    read = set(NAME.findall(code))
    asked_for = {name for name in read if re.search(rf"\b{name} (is (not )?defined|\| default)", code)}
    internal = own - {"rackyard_tiers", "rackyard_first_region"}
    return (defaults | (read - made) | (asked_for & {"rackyard_api_key"})) - internal - LAB


def assigned(node: Any) -> Iterator[str]:
    """Names that tasks set: facts, registered results, variables of a task, hosts and groups that a play adds."""
    if isinstance(node, list):
        for one in node:
            yield from assigned(one)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key == "register":
            yield value
        elif key in ("vars", "ansible.builtin.set_fact"):
            yield from value
        elif key in ("groups", "hosts") and isinstance(value, str):
            yield value
        yield from assigned(value)


def owned(readme: Path) -> list[str]:
    """Absolute paths that a role's README lists as its own, without those that it only speaks of."""
    text = readme.read_text(encoding="utf-8")
    section = re.search(r"^## Files this role owns\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    assert section, readme
    items = re.split(r"^- ", section[1], flags=re.MULTILINE)[1:]
    return [path for item in items for path in paths_in(item.replace("\n", " "))]


def paths_in(item: str) -> Iterator[str]:
    said = re.split(r"(?:;|: zones of|, as a whole|\(`|\. )", item)[0]
    for span in re.findall(r"`([^`]+)`", said):
        if span.startswith("/"):
            yield span.rstrip("/")


def removed() -> list[str]:
    """Paths and patterns that the section about uninstalling takes away or tells what to do with."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    section = text.split("## Take Rackyard off a host")[1]
    words = [word for line in section.splitlines() for word in re.split(r"[\s`,;:|]+", line)]
    return [word.rstrip("/") for word in words if word.startswith("/")] + apparmor(section)


def apparmor(section: str) -> list[str]:
    return [f"/etc/apparmor.d/local/{name}" for name in re.findall(r"usr\.sbin\.\w+", section)]


@pytest.mark.parametrize("readme", ROLES, ids=lambda path: path.parent.name)
def test_everything_that_a_role_owns_is_taken_away_again(readme: Path) -> None:
    gone = removed()
    left = [path for path in owned(readme) if not any(covers(pattern, path) for pattern in gone)]
    assert left == []


REMOVE = yaml.safe_load((ROOT / "playbooks/remove.yml").read_text(encoding="utf-8"))


def taken_away() -> set[tuple[str, str]]:
    """Roles and their parts that the playbook takes away."""
    waiting = [task for play in REMOVE for task in play["tasks"]]
    found = set()
    while waiting:
        task = waiting.pop()
        waiting += task.get("block", [])
        given = task.get("ansible.builtin.import_role")
        if given:
            found.add((given["name"].removeprefix("rackyard.metal."), given["tasks_from"]))
    return found


def test_the_playbook_takes_away_each_part_that_a_role_can() -> None:
    parts = {(path.parts[-3], path.stem) for path in ROOT.glob("roles/*/tasks/remove*.yml")} - {("daemon", "remove")}
    assert taken_away() == parts
    # The images that are built, on whatever host, are a cache; the keys go with the data.
    assert {readme.parent.name for readme in ROLES} - {role for role, _part in parts} == {"boot_image"}


def accounts(readme: Path, module: str) -> set[str]:
    """Names of the users or groups that a role makes, one by one or in a loop over one of its variables."""
    variables = readme.parent / "vars/main.yml"
    known = yaml.safe_load(variables.read_text(encoding="utf-8")) if variables.exists() else {}
    made: set[str] = set()
    making = [path for path in readme.parent.glob("tasks/*.yml") if not path.stem.startswith("remove")]
    for task in (task for path in making for task in flat(path)):
        given = task.get(f"ansible.builtin.{module}")
        if given is not None:
            made |= {item["name"] for item in known[task["loop"].strip("{} ")]} if "loop" in task else {given["name"]}
    return made


def test_every_user_and_group_that_a_role_makes_is_taken_away_again() -> None:
    """A user's own group goes with the user."""
    section = (ROOT / "docs/operations.md").read_text(encoding="utf-8").split("## Take Rackyard off a host")[1]
    for module, command in (("user", "deluser"), ("group", "delgroup")):
        made = {name for readme in ROLES for name in accounts(readme, module)}
        assert made, "roles make them in another way now"
        assert made == set(re.findall(rf"\b{command} ([\w-]+)", section))


def flat(path: Path) -> Iterator[dict[str, Any]]:
    """Tasks of a file, those inside blocks too."""
    waiting = list(yaml.safe_load(path.read_text(encoding="utf-8")) or [])
    while waiting:
        task = waiting.pop()
        waiting += task.get("block", [])
        yield task


def covers(pattern: str, path: str) -> bool:
    """Whether removing the pattern removes the path; placeholders stand for anything."""
    plain = re.sub(r"<domain>", "rackyard.internal", re.sub(r"<version>", "17", path))
    return fnmatchcase(plain, pattern) or plain.startswith(f"{pattern}/") or fnmatchcase(plain, f"{pattern}/*")


def test_owned_paths_are_found_at_all() -> None:
    found = [path for readme in ROLES for path in owned(readme)]
    assert "/etc/tftpd-hpa.map" in found
    assert "/etc/bind/rackyard.key" in found
    assert len(found) > 25


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


def test_commands_of_the_pages_can_be_parsed() -> None:
    for page in ROOT.glob("docs/*.md"):
        for line in re.findall(r"^[#$] (.+)$", "\n".join(blocks(page)), re.MULTILINE):
            assert shlex.split(line, comments=True), f"{page.name}: {line}"


def test_playbooks_and_commands_that_pages_tell_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    told = {(page.name, *each) for page in PAGES for each in TOLD.findall(page.read_text(encoding="utf-8"))}
    assert len(told) > 100
    for page, tier, command in told:
        if tier == "playbooks/":
            assert (ROOT / f"playbooks/{command}.yml").exists(), f"{page}: playbook {command}"
            continue
        with pytest.raises(SystemExit) as ended:
            COMMANDS[tier]([command, "--help"])
        capsys.readouterr()
        assert ended.value.code == 0, f"{page}: {tier}{command}"


def test_networks_that_a_page_declares_are_what_the_modules_take() -> None:
    spec = yaml.safe_load(subnet.DOCUMENTATION)["options"]
    known = {
        "rackyard_subnets": spec.keys(),
        "rackyard_static_routes": yaml.safe_load(static_route.DOCUMENTATION)["options"].keys(),
    }
    found = 0
    for text in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/networks.md").read_text(encoding="utf-8"), re.DOTALL):
        for name, entries in yaml.safe_load(text).items():
            for entry in entries:
                found += 1
                vlans = {key for vlan in entry.get("vlans", []) for key in vlan} - {"vid", "name"}
                assert vlans <= spec.keys(), name
                assert name == "rackyard_fabrics" or entry.keys() <= known[name], name
                assert all(part.keys() <= spec["ranges"]["suboptions"].keys() for part in entry.get("ranges", []))
    assert found > 5


def blocks(page: Path) -> list[str]:
    return re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
