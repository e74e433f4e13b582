# SPDX-License-Identifier: GPL-3.0-or-later
"""The region's own tests of hardware: what they say of themselves, and that they are programs. Machines run them in the
lab."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rackyard.region import ephemeral

NAMES = {
    "badblocks", "fio", "gateway", "memtester", "network-link", "ntp", "smartctl-conveyance", "smartctl-long",
    "smartctl-short", "smartctl-validate", "stress-ng-cpu", "stress-ng-memory",
}  # fmt: skip


def test_own_tests_are_known_and_write_nothing() -> None:
    tests = ephemeral.tests()
    assert {test.metadata.name for test in tests} == NAMES
    assert {test.metadata.script_type for test in tests} == {"testing"}
    assert not [test.metadata.name for test in tests if test.metadata.destructive]
    assert not [test.metadata.name for test in tests if b"@KIND@" in test.body or b"@LIMIT@" in test.body]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_own_test_is_a_program(name: str) -> None:
    (body,) = (test.body for test in ephemeral.tests() if test.metadata.name == name)
    if body.startswith(b"#!/bin/sh\n"):
        checked = subprocess.run(["sh", "-n"], input=body, capture_output=True, check=False)
        assert checked.returncode == 0, checked.stderr
    else:
        compile(body, name, "exec")


def test_a_disk_that_can_be_read_passes_and_one_that_cannot_fails(tmp_path: Path) -> None:
    (body,) = (test.body for test in ephemeral.tests() if test.metadata.name == "badblocks")
    disk, script = tmp_path / "disk", tmp_path / "badblocks"
    disk.write_bytes(bytes(1024 * 1024))
    script.write_bytes(body)

    def read(path: Path) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["sh", str(script), f"--storage={path}"], capture_output=True, check=False)

    good = read(disk)
    assert (good.returncode, good.stdout) == (0, b"")
    assert read(tmp_path / "gone").returncode != 0
