# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that are being commissioned while something dies."""

from __future__ import annotations

from typing import Any

from gaps import waited_for
from ha_site import HaLab

MACHINES = ("m1", "m2", "m3")
# Numbers of the twelve steps.
CONFIGURED, FETCHED, FACTS, STORED = 8, 9, 11, 12
# Of three emulated machines beside five hosts on two processors, which boot twice where a loader gave up.
BOOT_LIMIT_S = 1500


class Boots:
    """Machines that are being commissioned; what is known of them is asked of the region that the lab asks."""

    def __init__(self, lab: HaLab, names: tuple[str, ...] = MACHINES) -> None:
        self.lab = lab
        self.ids = {name: str(lab.machine(name)["system_id"]) for name in names}
        for system_id in self.ids.values():
            lab.region().post(f"machines/{system_id}/", op="commission")

    def timeline(self, name: str) -> dict[str, Any]:
        """The timeline of a machine's boot."""
        return dict(self.lab.region().get(f"machines/{self.ids[name]}/", op="boot_timeline"))

    def outcomes(self, name: str) -> dict[int, str]:
        """How each of a machine's twelve steps stands."""
        return {row["step"]: row["outcome"] for row in self.timeline(name)["steps"]}

    def any_at(self, step: int) -> bool:
        """Whether a machine has done a step."""
        return any(self.outcomes(name)[step] == "done" for name in self.ids)

    def all_at(self, step: int) -> bool:
        """Whether all machines have done a step."""
        return all(self.outcomes(name)[step] == "done" for name in self.ids)

    def statuses(self) -> dict[str, str]:
        """Each machine's status."""
        return {name: str(self.lab.machine(name)["status_name"]) for name in self.ids}

    def ready(self) -> bool:
        """Whether all of them are Ready; an operation that failed ends the test at once."""
        found = self.statuses()
        failed = {name: self.timeline(name)["diagnosis"] for name, status in found.items() if "Fail" in status}
        assert not failed, failed
        return set(found.values()) == {"Ready"}

    def end(self) -> float:
        """Seconds until all of them are Ready."""
        return waited_for("all machines are Ready", self.ready, BOOT_LIMIT_S)

    def lost(self) -> str:
        """What has become of what they said: all of it, or the test fails."""
        for name, system_id in self.ids.items():
            steps = self.outcomes(name)
            assert {steps[number] for number in range(1, FACTS + 1)} == {"done"}, (name, steps)
            newest = self.lab.region().get(f"nodes/{system_id}/results/")[0]["results"]
            assert {one["status_name"] for one in newest} == {"Passed"}, (name, newest)
        return f"none of {len(self.ids)} machines"

    def abort(self) -> None:
        """Leave no machine in an operation that a failed test began."""
        for name, status in self.statuses().items():
            if status == "Commissioning":
                self.lab.region().post(f"machines/{self.ids[name]}/", op="abort")
