# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers the network runs as rackyard-web, which can neither write what a daemon reads nor reload a daemon."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from role_variables import trusted

ROOT = Path(__file__).resolve().parents[3]
TIERS = {
    "region": ("dns", "http", "ntp", "postgres", "proxy", "syslog", "region_service"),
    "rack": ("dhcp", "dns", "http", "ntp", "proxy", "syslog", "tftp", "rack_service"),
}
# A host may be in both.
TIERS["region rack"] = tuple(dict.fromkeys((*TIERS["region"], *TIERS["rack"])))
SITE = {
    "rackyard_region_url": "http://192.0.2.11:5240/MAAS",
    "rackyard_region_addresses": ["192.0.2.11"],
    "rackyard_first_region": "host1",
    "inventory_hostname": "host1",
    "inventory_hostname_short": "host1",
    "ansible_facts": {"distribution_major_version": "12"},
    "__daemon_host": {"release": "12", "packages": [], "groups": [], "users": {}},
    "controller_identity_addresses": [],
    "controller_identity_name": "host1",
    # What a task reads on the first region.
    "__controller_identity_read": {"stdout_lines": []},
    "__controller_identity_member_signed": {"certificate": ""},
    "rackyard_database_members": {"host1": "192.0.2.11"},
}
# All that the user who faces the network may write: its sockets, and on a rack what its agent takes away and judges.
WRITABLE = {
    "region": {"/run/rackyard/web"},
    "rack": {"/run/rackyard/web", "/var/lib/rackyard/boot", "/var/lib/rackyard/posts"},
}
WRITABLE["region rack"] = WRITABLE["rack"]
SECTION = re.compile(r"^(\w+)=(.*)$", re.MULTILINE)
each_tier = pytest.mark.parametrize("tier", TIERS)


def load(path: Path) -> Any:
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def templar(role: str, tier: str, **more: Any) -> Templar:
    """Templates with the variables of a role on a host of the tier."""
    folder = ROOT / "roles" / role
    variables = SITE | {"role_path": str(folder), "rackyard_tiers": tier.split()}
    variables |= trusted(load(folder / "defaults/main.yml") | load(folder / "vars/main.yml") | more)
    return Templar(loader=DataLoader(), variables=variables)


def tasks_of(role: str) -> Iterator[dict[str, Any]]:
    """Tasks of a role, those inside blocks too."""
    paths = [path for path in sorted((ROOT / "roles" / role / "tasks").glob("*.yml")) if "remove" not in path.stem]
    waiting = [task for path in paths for task in load(path)]
    while waiting:
        task = waiting.pop()
        waiting += task.get("block", [])
        yield task


@cache
def entries(tier: str) -> list[dict[str, Any]]:
    """Every file and directory that the roles write on a host of the tier, as module host_files gets them."""
    found: list[dict[str, Any]] = []
    for role in (*TIERS[tier], "service_runtime", *(["controller_identity"] if "region" in tier else [])):
        for task in tasks_of(role):
            files = task.get("rackyard.metal.host_files", {}).get("files") or task.get("vars", {}).get("daemon_files")
            if files is not None:
                found += templar(role, tier).template(trusted(files))
            found += service_directory(role, tier, task.get("vars", {}))
    return found


def service_directory(role: str, tier: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    """The directory of a daemon that the service writes into, as role daemon makes it."""
    if "daemon_service_dir" not in given:
        return []
    inputs = load(ROOT / "roles" / role / "defaults/main.yml") | given
    expression = load(ROOT / "roles/daemon/vars/main.yml")["__daemon_service_entries"]
    return list(templar("daemon", tier, **inputs).template(trusted(expression)))


def may_write(entry: dict[str, Any]) -> bool:
    """Whether user rackyard-web, in no group but its own, may write the file or what is in the directory."""
    mode = int(entry.get("mode") or ("0755" if entry.get("state") == "directory" else "0644"), 8)
    as_owner = entry.get("owner", "root") == "rackyard-web" and mode & 0o200
    as_group = entry.get("group", "root") in ("rackyard-web", "rackyard-ca") and mode & 0o020
    return bool(as_owner or as_group or mode & 0o002)


def rendered(role: str, tier: str, template: str) -> str:
    text = (ROOT / "roles" / role / "templates" / f"{template}.j2").read_text(encoding="utf-8")
    return str(templar(role, tier).template(trust_as_template(text)))


def units(tier: str) -> dict[str, dict[str, list[str]]]:
    """Settings of our units with those that hold for all of them and their own drop-ins; an empty value starts anew."""
    written = [entry for entry in entries(tier) if "rackyard-" in entry["path"] and "/systemd/system/" in entry["path"]]
    sandbox = "etc/systemd/system/rackyard-.service.d/sandbox.conf"
    found = {}
    for role, entry in itertools.product([f"{each}_service" for each in tier.split()], written):
        if entry["path"].endswith(".service") and (ROOT / f"roles/{role}/templates{entry['path']}.j2").exists():
            drop_ins = [one for one in written if one["path"].startswith(f"{entry['path']}.d/")]
            mine = [one.get("template", f"{one['path'].lstrip('/')}.j2").removesuffix(".j2") for one in drop_ins]
            texts = [rendered(role, tier, name) for name in (entry["path"].lstrip("/"), *mine)]
            found[Path(entry["path"]).name] = settings("\n".join([rendered("service_runtime", tier, sandbox), *texts]))
    return found


def settings(text: str) -> dict[str, list[str]]:
    """Values of each key as systemd adds them up: User and Group are the last, an empty one forgets those before."""
    found: dict[str, list[str]] = {}
    for key, value in SECTION.findall(text):
        found[key] = [*found.get(key, []), *value.split()] if value else []
    return found


@each_tier
def test_what_answers_the_network_is_the_weak_user_and_nothing_else_is(tier: str) -> None:
    """gunicorn and no other program of ours answers it."""
    known = units(tier)
    answering = {name for name, unit in known.items() if unit["ExecStart"][0] == "/usr/bin/gunicorn"}
    assert len(answering) == {"region": 4, "rack": 1, "region rack": 5}[tier]
    for name, unit in known.items():
        user = "rackyard-web" if name in answering else "rackyard"
        assert (unit["User"][-1], unit["Group"][-1]) == (user, user), name


@each_tier
def test_its_sandbox_lets_it_write_only_what_is_its_own(tier: str) -> None:
    for name, unit in units(tier).items():
        if unit["User"][-1] == "rackyard-web":
            assert set(unit["ReadWritePaths"]) <= WRITABLE[tier], name
            assert unit["ProtectSystem"][-1] == "strict", name
            assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"] == [], name
        assert unit.get("SupplementaryGroups", []) == (["rackyard-ca"] if "-rpc@" in name else []), name


@each_tier
def test_it_can_write_nothing_of_what_the_roles_make_but_its_own(tier: str) -> None:
    assert {entry["path"] for entry in entries(tier) if may_write(entry)} == WRITABLE[tier]


@each_tier
def test_each_directory_that_a_daemon_includes_is_the_services_and_closed_to_it(tier: str) -> None:
    """Nor may it own, and so rename, a directory above one of them."""
    closed = {entry["path"]: entry for entry in entries(tier)}
    daemons = [role for role in TIERS[tier] if f"{role}_service_dir" in load(ROOT / f"roles/{role}/defaults/main.yml")]
    assert len(daemons) >= 5
    for role in daemons:
        directory = load(ROOT / f"roles/{role}/defaults/main.yml")[f"{role}_service_dir"]
        assert closed[directory]["owner"] == closed[directory]["group"] == "rackyard"
        above = {str(path) for path in Path(directory).parents}
        assert not above & WRITABLE[tier]


@each_tier
def test_polkit_lets_the_other_user_alone_change_daemons(tier: str) -> None:
    for each in tier.split():
        rule = rendered(f"{each}_service", tier, f"etc/polkit-1/rules.d/50-rackyard-{each}.rules")
        assert re.findall(r"subject\.(.+?) &&", rule) == ['user === "rackyard"']
        assert len(re.findall("return ", rule)) == 1
        named = set(re.search(r"var units = (\[.*\]);", rule)[1].replace('"', "").strip("[]").split(", "))  # type: ignore[index]  # it matches, or the test fails
        assert not {name for name in named if name.startswith("rackyard")}, "a unit of ours is nobody's to restart"


def test_what_faces_machines_does_not_see_the_keys_of_a_region_on_its_host() -> None:
    boot = units("region rack")["rackyard-rack-boot.service"]
    closed = {path.lstrip("-") for path in boot["InaccessiblePaths"]}
    keys = {entry["path"] for entry in entries("region rack") if entry.get("group") in ("rackyard-web", "rackyard-ca")}
    web_reads = {path for path in keys if path.startswith("/etc/rackyard/")} - {"/etc/rackyard/rack.toml"}
    assert {"/etc/rackyard/secrets.key", "/etc/rackyard/region.toml"} <= web_reads
    assert not [path for path in web_reads if not any(path == one or path.startswith(f"{one}/") for one in closed)]
    assert "/run/postgresql" in closed
    assert "InaccessiblePaths" not in units("rack")["rackyard-rack-boot.service"]


def test_the_weak_user_is_in_no_group_of_another() -> None:
    (making,) = [task for task in tasks_of("service_runtime") if "ansible.builtin.user" in task]
    assert making["loop"] == "{{ __service_runtime_users }}"
    users = load(ROOT / "roles/service_runtime/vars/main.yml")["__service_runtime_users"]
    groups = {user["name"]: user["groups"] for user in users}
    assert groups["rackyard-web"] == []
    assert set(groups) == {"rackyard-web", "rackyard"}
