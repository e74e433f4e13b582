# SPDX-License-Identifier: GPL-3.0-or-later
"""Action daemons_settled, by ansible-playbook and a small role: none is left out that has something to do."""

from __future__ import annotations

import getpass
import grp
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
GROUP = grp.getgrgid(os.getgid()).gr_name


class Site:
    """A collection with role daemon and one that has it write a file from a template."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.collection = folder / "ansible_collections" / "rackyard" / "metal"
        for part in ("plugins", "roles/daemon"):
            shutil.copytree(ROOT / part, self.collection / part, ignore=shutil.ignore_patterns("__pycache__"))
        self.motd = folder / "motd"
        who = {"owner": getpass.getuser(), "group": GROUP}
        told = {
            "daemon_name": f"test-{os.getpid()}", "daemon_packages": ["motd"], "daemon_units": [],
            "daemon_files": "{{ __small_files }}", "daemon_proofs": ["test -s {{ small_path }}"],
            "daemon_must_restart": "{{ __small_other is changed }}",
        }  # fmt: skip
        small = {"name": "Run", "ansible.builtin.import_role": {"name": "rackyard.metal.daemon"}, "vars": told}
        self.write("tasks", [small])
        self.write("defaults", {"small_word": "Hello", "small_path": str(self.motd)})
        self.write("vars", {"__small_files": [{"path": "{{ small_path }}", "template": "motd.j2", **who}]})
        self.write("templates", "{{ small_word }} {{ inventory_hostname }}\n", "motd.j2")

    def write(self, kind: str, content: Any, name: str = "main.yml") -> None:
        path = self.collection / "roles" / "small" / kind / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))

    def settled(self, *options: str, roles: tuple[str, ...] = ("small",), **variables: Any) -> bool:
        """What a play is told, of a host with the package."""
        look = {"name": "Look", "rackyard.metal.daemons_settled": {"roles": list(roles)}, "register": "daemons"}
        tell = {"name": "Tell", "ansible.builtin.debug": {"msg": "settled={{ daemons.settled }}"}}
        (self.folder / "play.yml").write_text(
            json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [look, tell]}])
        )
        settings = f"[defaults]\ncollections_path = {self.folder}\n[connection]\npipelining = true\n"
        (self.folder / "ansible.cfg").write_text(settings)
        given = {"ansible_python_interpreter": sys.executable, "__daemon_host": {"packages": ["motd"]}, **variables}
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local"]
        done = subprocess.run(
            [*command, "-e", json.dumps(given), *options, "play.yml"],
            cwd=self.folder, env={**os.environ, "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return re.findall(r"settled=(\w+)", done.stdout) == ["True"]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_settled_is_what_the_role_would_leave_alone(site: Site) -> None:
    assert not site.settled(), "there is no file"
    assert not site.settled("--check")
    site.motd.write_text("Hello localhost\n")
    site.motd.chmod(0o644)
    assert site.settled()
    assert site.settled("--check")
    assert not site.settled(small_word="Hi"), "a variable of the host gives another file"
    assert not site.settled(__daemon_host={"packages": []}), "the package is missing"
    site.motd.chmod(0o600)
    assert not site.settled()


def test_what_is_not_proved_is_not_settled_and_is_not_asked_in_check_mode(site: Site) -> None:
    site.write("vars", {"__small_files": []})
    assert not site.settled(), "the proof fails"
    assert site.settled("--check")
