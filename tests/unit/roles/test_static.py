# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every role and can be seen without running it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.parent.parent for path in ROOT.glob("roles/*/tasks/main.yml"))
TEMPLATES = sorted(ROOT.glob("roles/*/templates/**/*.j2"))
YAML_FILES = sorted(path for role in ROLES for path in role.glob("*/*.yml"))
HOST_PATHS = ("etc", "usr", "var")

every_role = pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)


def load(path: Path) -> Any:
    """The YAML document in a file, None when there is no file."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None


def tasks_in(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Tasks with those inside blocks."""
    for entry in entries:
        yield entry
        for part in ("block", "rescue", "always"):
            yield from tasks_in(entry.get(part, []))


def as_list(value: Any) -> list[Any]:
    """A list from a list, a single value, or nothing."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def options_of(role: Path) -> dict[str, dict[str, Any]]:
    """Options of all entry points of the role."""
    specifications = load(role / "meta/argument_specs.yml")["argument_specs"].values()
    return {name: option for entry in specifications for name, option in (entry.get("options") or {}).items()}


@every_role
def test_the_specification_says_what_the_defaults_say(role: Path) -> None:
    defaults = load(role / "defaults/main.yml") or {}
    options = options_of(role)
    assert set(options) >= set(defaults), "a default without a specification"
    missing = {name for name, option in options.items() if name not in defaults and not option.get("required")}
    assert not missing, "an optional input without a default"
    for name, option in options.items():
        if "default" in option:
            assert option["default"] == defaults[name], name


@every_role
def test_inputs_have_the_role_as_prefix_and_a_description(role: Path) -> None:
    for name, option in options_of(role).items():
        assert name.startswith(f"{role.name}_"), name
        assert option.get("type"), name
        assert option.get("description"), name


@every_role
def test_defaults_need_no_facts(role: Path) -> None:
    """The specification is checked, and so every default evaluated, before the first task."""
    text = (role / "defaults/main.yml").read_text(encoding="utf-8")
    assert not re.search(r"ansible_facts|ansible_distribution|ansible_default", text)


@every_role
def test_every_handler_is_notified_and_every_notification_handled(role: Path) -> None:
    handlers = as_list(load(role / "handlers/main.yml"))
    names = {handler["name"] for handler in handlers}
    heard = names | {topic for handler in handlers for topic in as_list(handler.get("listen"))}
    files = [*role.glob("tasks/*.yml"), *role.glob("handlers/*.yml")]
    notified = {name for path in files for task in tasks_in(load(path) or []) for name in as_list(task.get("notify"))}
    assert notified <= heard, "nobody handles this"
    silent = [h["name"] for h in handlers if not {h["name"], *as_list(h.get("listen"))} & notified]
    assert not silent, "nobody notifies this"


@every_role
def test_the_table_of_contents_names_every_task_file(role: Path) -> None:
    named = {"main.yml"}
    for path in role.glob("tasks/*.yml"):
        for task in tasks_in(load(path) or []):
            for module in ("import_tasks", "include_tasks"):
                given = task.get(f"ansible.builtin.{module}")
                named |= {given["file"] if isinstance(given, dict) else given} if given else set()
    entry_points = {f"{name}.yml" for name in load(role / "meta/argument_specs.yml")["argument_specs"]}
    unused = {path.name for path in role.glob("tasks/*.yml")} - named - entry_points
    assert not unused


@every_role
def test_no_inventory_group_is_named(role: Path) -> None:
    """Roles know tiers; only playbooks know groups."""
    for path in [*role.glob("tasks/*.yml"), *role.glob("templates/**/*.j2"), role / "defaults/main.yml"]:
        text = path.read_text(encoding="utf-8").replace("groups['all']", "")
        assert not re.search(r"\bgroups\s*[\[.]|\bgroup_names\b", text), path


@every_role
def test_the_readme_lists_inputs_and_files(role: Path) -> None:
    readme = (role / "README.md").read_text(encoding="utf-8")
    for heading in ("## Files this role owns", "## Variables", "## Examples", "## Check mode"):
        assert heading in readme
    rows = set(re.findall(r"^\| `([a-z0-9_]+)` \|", readme, flags=re.MULTILINE))
    assert rows == set(options_of(role))
    for template in role.glob("templates/**/*.j2"):
        target = template.relative_to(role / "templates").with_suffix("")
        variable_name = template.parent == role / "templates/var/lib/bind"
        if target.parts[0] in HOST_PATHS and not variable_name and "rackyard-tier" not in target.name:
            assert any(str(place) in readme for place in (target, target.parent)), f"/{target}"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "roles")))
def test_a_template_is_valid_and_says_who_manages_it(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    jinja2.Environment(autoescape=False, extensions=["jinja2.ext.do"]).parse(text)  # noqa: S701  # not HTML
    role = template.relative_to(ROOT / "roles").parts[0]
    if not text or role.startswith("lab_"):
        return
    head = "\n".join(text.splitlines()[:6])
    assert "SPDX-License-Identifier: GPL-3.0-or-later" in head
    assert re.search(rf"Managed by Ansible,? role rackyard[.]metal[.]{role}\b", head), "who manages this file?"
    assert not re.search(r"ansible_date_time|now\(", text), "a date would change the file on every run"


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(ROOT / "roles")))
def test_a_role_file_has_its_licence(path: Path) -> None:
    assert "SPDX-License-Identifier: GPL-3.0-or-later" in path.read_text(encoding="utf-8")[:120]


@pytest.mark.parametrize(("role", "package"), [("lab_network", "lldpd"), ("lab_machines", "openipmi")])
def test_a_daemon_that_the_lab_brings_does_not_start_with_the_host(role: str, package: str) -> None:
    """One that was there before is the host's own and stays as it is."""
    tasks = load(ROOT / "roles" / role / "tasks/create.yml")
    installing = next(
        n for n, task in enumerate(tasks) if package in task.get("ansible.builtin.apt", {}).get("name", [])
    )
    looking = next(n for n, task in enumerate(tasks) if task.get("register") == f"__{role}_{package}")
    disable = ["update-rc.d", package, "disable"]
    disabling = next(
        n for n, task in enumerate(tasks) if task.get("ansible.builtin.command", {}).get("argv") == disable
    )
    assert looking < installing < disabling
    assert tasks[disabling]["when"] == f"not __{role}_{package}.stat.exists"


# Daemons that Debian 12 and 13 confine. Containers have no AppArmor, so no run in the lab would notice.
CONFINED = {"dhcp": "usr.sbin.dhcpd", "dns": "usr.sbin.named", "ntp": "usr.sbin.chronyd", "proxy": "usr.sbin.squid"}


@pytest.mark.parametrize(("role", "profile"), CONFINED.items(), ids=CONFINED)
def test_a_confined_daemon_gets_leave_to_read_what_the_service_writes(role: str, profile: str) -> None:
    (run,) = [
        task for task in load(ROOT / "roles" / role / "tasks/main.yml") if "daemon_profile" in task.get("vars", {})
    ]
    assert run["ansible.builtin.import_role"] == {"name": "rackyard.metal.daemon", "tasks_from": "converge"}
    assert run["vars"]["daemon_profile"] == profile
    assert run["vars"]["daemon_service_dir"] == f"{{{{ {role}_service_dir }}}}"


def test_the_profile_is_loaded_before_the_files_that_a_confined_checker_judges() -> None:
    internals = load(ROOT / "roles/daemon/vars/main.yml")
    assert internals["__daemon_files"] == "{{ __daemon_service_entries + __daemon_profile_entries + daemon_files }}"
    assert "'after': __daemon_load_profile" in internals["__daemon_profile_entries"]
    assert "'block': true" in internals["__daemon_profile_entries"], "the rest of the file is the administrator's"


def test_every_role_with_handlers_or_daemons_survives_being_cut_off() -> None:
    """A change that is written but not yet taken over is noted on the host until it is."""
    for path in ROOT.glob("roles/*/tasks/*.yml"):
        for task in tasks_in(load(path) or []):
            for module in ("rackyard.metal.host_files", "rackyard.metal.code_tree"):
                if "notify" in task and module in task:
                    assert "pending" in task[module], f"{path}: {task['name']}"
            assert "notify" not in task or {"rackyard.metal.host_files", "rackyard.metal.code_tree"} & set(task), path


def test_daemons_are_installed_configured_and_run_in_one_place() -> None:
    alone = [
        f"{path.relative_to(ROOT)}: {task['name']}"
        for path in ROOT.glob("roles/*/tasks/*.yml")
        if path.parts[-3] not in ("daemon", "boot_image") and not path.parts[-3].startswith("lab_")
        for task in tasks_in(load(path) or [])
        if {"ansible.builtin.apt", "ansible.builtin.template", "ansible.builtin.file"} & set(task)
    ]
    assert not alone, "role daemon does this"


def test_task_names_are_verbs_without_a_prefix() -> None:
    odd = [
        f"{path.relative_to(ROOT)}: {task['name']}"
        for path in [*ROOT.glob("roles/*/tasks/*.yml"), *ROOT.glob("roles/*/handlers/*.yml")]
        for task in tasks_in(load(path) or [])
        if "|" in task["name"] or task["name"].split()[0] in {"Word", "Tell", "Mint"}
    ]
    assert not odd
