# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side and the host's side of code_tree, put together without a connection between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.rackyard.metal.plugins.action import code_tree as controller
from ansible_collections.rackyard.metal.plugins.modules import code_tree as host

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Site:
    """A source tree and the directory of a host."""

    source: Path
    dest: Path

    def write(self, path: str, text: str) -> None:
        file = self.source / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def plan(self) -> tuple[str, host.Plan, dict[str, str], bytes]:
        contents = controller.read_sources({"rackyard": str(self.source)})
        manifest = controller.make_manifest(contents)
        release = controller.release_name("1.0", manifest)
        return release, host.decide(str(self.dest), release, manifest), manifest, controller.make_archive(contents)

    def converge(self) -> tuple[str, bool]:
        release, plan, manifest, archive = self.plan()
        archive_path = self.dest.parent / "archive.tar.gz"
        archive_path.write_bytes(archive)
        changed = plan.changes(release)
        if changed:
            host.bring(str(self.dest), release, str(archive_path), manifest)
        return release, changed


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "source", tmp_path / "dest")
    site.dest.mkdir()
    site.write("__init__.py", '__version__ = "1.0"\n')
    site.write("db/queries/machine.sql", "SELECT 1;\n")
    site.write("bin/runner", "#!/bin/sh\n")
    return site


def test_first_run_installs_and_activates_the_release(site: Site) -> None:
    release, changed = site.converge()
    current = site.dest / "current" / "rackyard"
    assert changed
    assert os.readlink(site.dest / "current") == release
    assert (current / "db/queries/machine.sql").read_text() == "SELECT 1;\n"
    assert (current / "bin/runner").stat().st_mode & 0o777 == 0o755
    assert (current / "__init__.py").stat().st_mode & 0o777 == 0o644


def test_second_run_changes_nothing(site: Site) -> None:
    site.converge()
    assert site.converge()[1] is False


def test_compiled_python_is_neither_sent_nor_a_difference(site: Site) -> None:
    site.write("__pycache__/x.cpython-311.pyc", "junk")
    site.converge()
    site.write("__pycache__/y.cpython-311.pyc", "junk")
    assert site.converge()[1] is False
    assert list((site.dest / "current/rackyard/__pycache__").glob("__init__.*.pyc"))


@pytest.mark.parametrize("damage", ["edited", "removed", "added"])
def test_a_release_changed_on_the_host_is_put_right(site: Site, damage: str) -> None:
    site.converge()
    file = site.dest / "current/rackyard/__init__.py"
    if damage == "edited":
        file.write_text("evil = True\n")
    elif damage == "removed":
        file.unlink()
    else:
        file.with_name("sitecustomize.py").write_text("evil = True\n")
    assert site.converge()[1] is True
    assert file.read_text() == '__version__ = "1.0"\n'
    assert not file.with_name("sitecustomize.py").exists()


def test_the_release_before_is_kept_and_older_ones_go(site: Site) -> None:
    first, _ = site.converge()
    site.write("__init__.py", "second = 2\n")
    second, _ = site.converge()
    assert os.readlink(site.dest / "previous") == first
    site.write("__init__.py", "third = 3\n")
    third, _ = site.converge()
    assert os.readlink(site.dest / "previous") == second
    assert host.releases(str(site.dest)) == sorted([second, third])
    assert site.converge()[1] is False


def test_going_back_to_the_release_before_keeps_the_newer_one(site: Site) -> None:
    first, _ = site.converge()
    site.write("__init__.py", "second = 2\n")
    second, _ = site.converge()
    site.write("__init__.py", '__version__ = "1.0"\n')
    assert site.converge() == (first, True)
    assert os.readlink(site.dest / "previous") == second


def test_deciding_changes_nothing_on_an_untouched_host(site: Site, tmp_path: Path) -> None:
    site.dest = tmp_path / "not" / "there"
    release, plan, _, _ = site.plan()
    assert plan.install
    assert plan.changes(release)
    assert not site.dest.exists()


def test_an_archive_that_does_not_match_leaves_the_old_release_active(site: Site) -> None:
    first, _ = site.converge()
    site.write("__init__.py", "second = 2\n")
    release, plan, manifest, archive = site.plan()
    manifest["rackyard/__init__.py"] = "0" * 64 + " 0644"
    archive_path = site.dest.parent / "archive.tar.gz"
    archive_path.write_bytes(archive)
    with pytest.raises(ValueError, match="expected hash"):
        host.act(str(site.dest), release, plan, str(archive_path), manifest)
    assert os.readlink(site.dest / "current") == first


def test_an_empty_source_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match="not-there holds no files"):
        controller.read_sources({"rackyard": str(tmp_path / "not-there")})


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../b", "a//b", ".hidden", "a b"])
def test_unsafe_paths_are_refused(path: str) -> None:
    assert not host.SAFE_PATH.match(path)


def test_a_restart_that_is_owed_is_a_change_until_it_is_done(site: Site) -> None:
    pending = site.dest.parent / "pending"
    code = {
        "dest": str(site.dest),
        "version": "1.0",
        "sources": {"rackyard": str(site.source)},
        "pending": str(pending),
    }
    tasks = [
        {"name": "Install", "rackyard.metal.code_tree": code, "register": "first"},
        {"name": "Run again after being cut off", "rackyard.metal.code_tree": code, "register": "second"},
        {"name": "Restart", "ansible.builtin.file": {"path": str(pending), "state": "absent"}},
        {"name": "Run again", "rackyard.metal.code_tree": code, "register": "third"},
        {"name": "Judge", "ansible.builtin.assert": {"that": ["first.changed", "second.changed", "not third.changed"]}},
    ]
    (site.dest.parent / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    (site.dest.parent / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {ROOT / 'collections'}\n")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local"]
    done = subprocess.run(
        [*command, "-e", f"ansible_python_interpreter={sys.executable}", "play.yml"],
        cwd=site.dest.parent,
        env={**os.environ, "ANSIBLE_CONFIG": str(site.dest.parent / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_runs_at_the_same_time_install_one_after_the_other(site: Site, tmp_path: Path) -> None:
    for number in range(60):
        site.write(f"part_{number}.py", f"VALUE = {number}\n" * 200)
    release, _plan, manifest, archive = site.plan()
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(archive)
    together, troubles = threading.Barrier(4), []

    def run() -> None:
        together.wait()
        try:
            host.bring(str(site.dest), release, str(path), manifest)
        except (OSError, ValueError) as trouble:
            troubles.append(trouble)

    runs = [threading.Thread(target=run) for _run in range(4)]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert troubles == []
    assert host.read_tree(str(site.dest / release)) == manifest
    assert os.readlink(site.dest / "current") == release
    assert sorted(entry.name for entry in site.dest.iterdir()) == sorted([release, "current"])


def test_what_another_run_removed_meanwhile_is_said(site: Site) -> None:
    release, _plan, manifest, _archive = site.plan()
    with pytest.raises(ValueError, match="another run has removed it meanwhile"):
        host.bring(str(site.dest), release, None, manifest)
    assert not os.path.lexists(site.dest / "current")
