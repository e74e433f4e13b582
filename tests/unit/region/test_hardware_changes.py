# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

from rackyard.region.db.machines.facts import Counted
from rackyard.region.services.operations.hardware_changes import changes

NICS = ["52:54:00:00:00:01", "52:54:00:00:00:02"]
BEFORE = Counted(8, 16384, "S1", NICS, ["52:54:00:00:00:0a"], ["Example D1", "Example D2"])


def test_changes_are_told_one_by_one() -> None:
    now = Counted(4, 8192, "", ["52:54:00:00:00:01", "52:54:00:00:00:03", "52:54:00:00:00:0a"], [], ["Example D2"])
    assert changes(BEFORE, now) == [
        "4 CPUs instead of 8",
        "8192 MiB memory instead of 16384",
        "serial number unknown instead of S1",
        "disk Example D1 is gone",
        "NIC 52:54:00:00:00:02 is gone",
        "NIC 52:54:00:00:00:03 is new",
    ]


def test_other_order_and_what_a_kernel_keeps_back_are_no_change() -> None:
    assert changes(BEFORE, replace(BEFORE, memory_mib=16384 - 100, disks=BEFORE.disks[::-1])) == []
    assert changes(BEFORE, replace(BEFORE, memory_mib=16384 - 256)) == ["16128 MiB memory instead of 16384"]
