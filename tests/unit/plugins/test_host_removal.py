# SPDX-License-Identifier: GPL-3.0-or-later
"""host_removal: what is ours goes, what others put there stays, and check mode says so beforehand."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.rackyard.metal.plugins.module_utils.host_file import BEGIN, END
from ansible_collections.rackyard.metal.plugins.modules import host_removal

OURS = "# Managed by Ansible, role rackyard.metal.example.\n"
FIRST, LATER = "7.2026-01-01@10:00:00~", "8.2026-02-01@10:00:00~"
# There is no systemd where tests run: what was asked for is written down.
SYSTEMCTL = """#!/bin/sh
echo "$*" >> {calls}
case "$*" in
  show*example*) printf 'ActiveState=active\\nUnitFileState=enabled\\n' ;;
  show*) printf 'ActiveState=inactive\\nUnitFileState=\\n' ;;
  list-units*) echo 'example-1.service loaded active running An example' ;;
  is-active*) echo active ;;
esac
"""
NFT = """#!/bin/sh
echo "$*" >> {calls}
[ "$1" = list ] && echo 'table inet ours' && echo 'table inet theirs'
exit 0
"""

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemctl and nft were asked."""
    programs = tmp_path / "bin"
    programs.mkdir()
    path = tmp_path / "calls"
    for name, text in (("systemctl", SYSTEMCTL), ("nft", NFT)):
        (programs / name).write_text(text.format(calls=path))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return path


@pytest.fixture
def run(calls: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*, check: bool = False, **arguments: Any) -> dict[str, Any]:
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            host_removal.main()
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return call


def test_files_go_with_their_directories_and_a_second_run_finds_nothing(run: Run, tmp_path: Path) -> None:
    ours, shared = tmp_path / "ours", tmp_path / "shared"
    for folder in (ours / "deep", shared):
        folder.mkdir(parents=True)
        (folder / "file").write_text(OURS)
    (shared / "theirs").write_text("theirs")
    files = [{"path": str(folder), "state": "directory"} for folder in (ours, ours / "deep", shared)] + [
        {"path": str(folder / "file"), "template": "x.j2", "mode": "0600"} for folder in (ours / "deep", shared)
    ]
    told = run(files=files, check=True)["removed"]
    assert (shared / "file").exists()
    outcome = run(files=files)
    assert outcome["removed"] == told
    assert told[-2:] == [f"{ours}/deep/", f"{ours}/"]
    assert not ours.exists()
    assert [path.name for path in shared.iterdir()] == ["theirs"]
    assert run(files=files) == {**outcome, "changed": False, "removed": []}


def test_former_configuration_comes_back_and_its_copies_go(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "named.conf"
    path.write_text(f"{OURS}of Rackyard")
    (tmp_path / f"named.conf.{FIRST}").write_text("of the operator")
    (tmp_path / f"named.conf.{LATER}").write_text(f"{OURS}an earlier one of Rackyard")
    entry = {"path": str(path), "backup": True}
    assert run(files=[entry], check=True)["removed"] == [f"{path} as it was before"]
    assert path.read_text().startswith(OURS)
    assert run(files=[entry])["changed"] is True
    assert path.read_text() == "of the operator"
    assert [each.name for each in tmp_path.iterdir() if "named" in each.name] == ["named.conf"]
    assert run(files=[entry])["changed"] is False


def test_configuration_that_is_no_longer_ours_stays(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "squid.conf"
    path.write_text("somebody else's by now")
    (tmp_path / f"squid.conf.{FIRST}").write_text("older")
    assert run(files=[{"path": str(path), "backup": True}])["changed"] is False
    assert (tmp_path / f"squid.conf.{FIRST}").exists()


def test_only_the_marked_block_leaves_a_file_of_others(run: Run, tmp_path: Path) -> None:
    path, told = tmp_path / "pg_hba.conf", tmp_path / "told"
    path.write_text(f"{BEGIN}local rackyard\n{END}local all all peer\n")
    path.chmod(0o640)
    entry = {"path": str(path), "block": True, "after": f"touch {told}"}
    assert run(files=[entry])["removed"] == [f"the block of Rackyard in {path}"]
    assert path.read_text() == "local all all peer\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert told.exists()
    assert run(files=[entry])["changed"] is False


def test_damaged_block_is_not_guessed_at(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pg_hba.conf"
    path.write_text(f"{BEGIN}local rackyard\n")
    assert "put it back" in run(files=[{"path": str(path), "block": True}])["msg"]
    assert path.exists()


def test_trees_go_by_pattern_and_never_a_whole_top(run: Run, tmp_path: Path) -> None:
    for name in ("zone", "zone.jnl", "other"):
        (tmp_path / name).write_text("x")
    link = tmp_path / "zone.link"
    link.symlink_to(tmp_path / "other")
    assert len(run(trees=[f"{tmp_path}/zone*"])["removed"]) == 3
    assert (tmp_path / "other").exists()
    for much in ("/etc", "/", "/var/../etc"):
        assert "too much" in run(trees=[much], check=True)["msg"]


def test_units_and_tables_of_ours_end_before_anything_else(run: Run, calls: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(OURS)
    wanted = {
        "units": ["example-*", "gone.service"], "tables": ["inet ours", "inet absent"],
        "files": [{"path": str(path)}], "restarted": ["stays.service"],
    }  # fmt: skip
    told = ["unit example-1.service stopped and disabled", "nftables table inet ours", str(path)]
    assert run(check=True, **wanted)["removed"] == told
    changes = ("stop", "disable", "delete", "restart")
    assert not [line for line in calls.read_text().splitlines() if line.startswith(changes)]
    assert run(**wanted)["removed"] == told
    assert [line for line in calls.read_text().splitlines() if line.startswith(changes)] == [
        "stop -- example-1.service", "disable --quiet -- example-1.service", "delete table inet ours",
        "restart -- stays.service",
    ]  # fmt: skip


def test_directory_goes_in_check_mode_too_when_earlier_tasks_leave_it_empty(run: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("tree", "first"):
        (home / name).mkdir(parents=True)
    files = [{"path": str(home), "state": "directory"}, {"path": str(home / "tree/file"), "force": False}]
    told = run(check=True, files=files, trees=[str(home / "tree")], gone=[f"{home}/first/"])["removed"]
    assert told == [f"{home}/tree/", f"{home}/"]
    assert run(check=True, files=files, trees=[str(home / "tree")])["removed"] == [f"{home}/tree/"]
