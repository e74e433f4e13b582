# SPDX-License-Identifier: GPL-3.0-or-later
"""Single tasks of roles, by ansible-playbook on files of their own: what is somebody else's stays."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[3]
ROLES = ROOT / "roles"
# As Debian 12 and 13 ship it, as far as it matters here.
NGINX = """user www-data;
worker_processes auto;
pid {place}/pid;

events {{
\tworker_connections 768;
\t# multi_accept on;
}}

http {{ }}
"""


def tasks_of(role: str, name: str, *wanted: str) -> list[dict[str, Any]]:
    """The tasks of a role's file, those with the wanted names if there are some."""
    tasks: list[dict[str, Any]] = yaml.safe_load((ROLES / role / "tasks" / name).read_text(encoding="utf-8"))
    found = [task for task in tasks if not wanted or task["name"] in wanted]
    assert len(found) == (len(wanted) or len(tasks))
    return found


def run(folder: Path, tasks: list[dict[str, Any]], **variables: Any) -> int:
    """Run tasks on this machine; how many changed something."""
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    (folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
    (folder / "ansible.cfg").write_text("[defaults]\n")
    (folder / "variables.json").write_text(json.dumps({"ansible_python_interpreter": sys.executable, **variables}))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default"}
    done = subprocess.run(
        [*command, "-e", "@variables.json", "play.yml"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return int(re.findall(r"changed=(\d+)", done.stdout)[-1])


def raise_connections(folder: Path) -> int:
    """What role http does to the main file of a nginx that is there."""
    tasks = tasks_of("http", "connections.yml")
    for task in tasks:
        assert task["ansible.builtin.replace"]["path"] == "/etc/nginx/nginx.conf"
        task["ansible.builtin.replace"]["path"] = str(folder / "nginx.conf")
    return run(folder, tasks, http_worker_connections=8192, __http_is_new=False)


def test_nginx_gets_connections_for_a_thousand_machines_and_files_for_them(tmp_path: Path) -> None:
    main = tmp_path / "nginx.conf"
    main.write_text(NGINX.format(place=tmp_path))
    assert raise_connections(tmp_path) == 1
    assert re.findall(r"worker_\w+ \d+;", main.read_text()) == [
        "worker_rlimit_nofile 16384;", "worker_connections 8192;",
    ]  # fmt: skip
    judge = ["/usr/sbin/nginx", "-t", "-e", "stderr", "-c", str(main)]
    judged = subprocess.run(judge, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stderr
    assert raise_connections(tmp_path) == 0


def test_connections_that_somebody_has_chosen_stay(tmp_path: Path) -> None:
    chosen = NGINX.format(place=tmp_path).replace("768", "1024")
    (tmp_path / "nginx.conf").write_text(chosen)
    assert raise_connections(tmp_path) == 0
    assert (tmp_path / "nginx.conf").read_text() == chosen


@pytest.mark.parametrize(("installed", "goes"), [([], True), (["nginx"], False)], ids=["new", "there before"])
def test_the_default_site_goes_only_with_the_nginx_that_this_run_brings(installed: list[str], goes: bool) -> None:
    internals = yaml.safe_load((ROLES / "http/vars/main.yml").read_text(encoding="utf-8"))
    variables = {key: trust_as_template(value) for key, value in internals.items() if isinstance(value, str)}
    variables |= {"__daemon_host": {"packages": installed}, "http_tiers": [], "__http_by_tier": {}, "__http_unit": []}
    files = Templar(loader=DataLoader(), variables=variables).template(trust_as_template("{{ __http_files }}"))
    assert files == ([{"path": "/etc/nginx/sites-enabled/default", "state": "absent"}] if goes else [])


def test_what_was_there_is_remembered_before_packages_come() -> None:
    listing, installing = tasks_of("daemon", "packages.yml")
    assert listing["ansible.builtin.include_tasks"] == "host.yml"
    assert "ansible.builtin.apt" in installing
    (looking,) = tasks_of("daemon", "host.yml")
    assert looking["register"] == "__daemon_host"


def test_logs_that_are_old_go_with_the_folders_that_they_leave_empty(tmp_path: Path) -> None:
    store = tmp_path / "log/machines"
    for machine, days in (("gone", 40), ("here", 40), ("here", 1)):
        file = store / machine / f"day-{days}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("line\n")
        age(file, days)
    for folder in (store / "gone", store / "here"):
        age(folder, 40)
    rules = tmp_path / "rackyard-syslog.conf"
    text = (ROLES / "syslog/templates/etc/tmpfiles.d/rackyard-syslog.conf.j2").read_text(encoding="utf-8")
    inputs = {"syslog_tiers": ["region"], "syslog_machines_dir": str(store), "syslog_keep_days": 30}
    rules.write_text(str(Templar(loader=DataLoader(), variables=inputs).template(trust_as_template(text))))
    clean = ["systemd-tmpfiles", "--clean", str(rules)]
    done = subprocess.run(clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(str(path.relative_to(store)) for path in store.rglob("*")) == ["here", "here/day-1.log"]


def age(path: Path, days: int) -> None:
    """As if it had last been written so many days ago."""
    at = path.stat().st_mtime - days * 86400
    os.utime(path, (at, at))


def test_images_on_their_way_are_kept_for_the_next_region_and_no_longer(tmp_path: Path) -> None:
    cache = tmp_path / "images"
    now, before, oldest, foreign = "a" * 16, "b" * 16, "c" * 16, "notes"
    for days, name in ((9, now), (1, before), (2, oldest), (9, foreign)):
        (cache / name).mkdir(parents=True)
        age(cache / name, days)
    pruning = tasks_of(
        "boot_image", "register.yml", "Find the images that went through the playbook's own host",
        "Remove superseded images from the playbook's own host",
    )  # fmt: skip
    variables = {
        "boot_image_transfer_cache": str(cache), "boot_image_keep": 2, "boot_image_builder": "localhost",
        "boot_image_built": [{"key": now}],
    }  # fmt: skip
    assert run(tmp_path, pruning, **variables) == 1
    assert {path.name for path in cache.iterdir()} == {now, before, foreign}
    assert run(tmp_path, pruning, **variables) == 0
