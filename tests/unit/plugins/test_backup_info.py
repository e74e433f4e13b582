# SPDX-License-Identifier: GPL-3.0-or-later
"""backup_info: what a playbook hears of a backup, and why one cannot be restored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.rackyard.metal.plugins.modules import backup_info
from rackyard_core import archive
from rackyard_core.archive import Facts

FACTS = Facts("0.1.0", 11, "2026-01-31T02:00:00+00:00", "region1", {"machines": 2, "racks": 1, "subnets": 1})


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "dump").write_bytes(b"PGDMP")
    (tmp_path / "key").write_bytes(b"secret\n")
    sources = {"database.dump": tmp_path / "dump", "etc/rackyard/tls/ca.key": tmp_path / "key"}
    archive.write(tmp_path / "site.tar", FACTS, sources)
    return tmp_path / "site.tar"


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str], made: Path) -> Any:
    def run(**options: object) -> dict[str, Any]:
        arguments = {"path": str(made), "_ansible_remote_tmp": "/tmp", "_ansible_check_mode": True, **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            backup_info.main()
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        return said

    return run


def test_it_says_what_is_in_a_backup_and_shows_keys_only_when_asked(told: Any) -> None:
    said = told(newest_schema=11)
    assert (said["changed"], said["schema"], said["holds"]["machines"]) == (False, 11, 2)
    assert said["files"] == ["database.dump", "etc/rackyard/tls/ca.key"]
    assert "secret" not in json.dumps(said)
    assert told(keys=True)["key_files"] == {"/etc/rackyard/tls/ca.key": "secret\n"}


def test_a_newer_schema_is_refused_with_both_numbers(told: Any) -> None:
    said = told(newest_schema=10)
    assert said["failed"] is True
    assert "Rackyard 0.1.0 with schema 11; this release knows 10" in said["msg"]


def test_a_damaged_file_is_refused_by_name(told: Any, made: Path) -> None:
    made.write_bytes(made.read_bytes().replace(b"secret", b"secreT"))
    assert "etc/rackyard/tls/ca.key in " in told()["msg"]
