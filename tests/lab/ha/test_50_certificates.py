# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate that is revoked: what its owner did, others do meanwhile."""

from __future__ import annotations

from gaps import until
from ha_site import HaLab
from lab_site import Lab

DEAD_S, NAME_S = 10, 15


def enrol_again(lab: Lab, rack: str) -> None:
    """As docs/troubleshooting.md has it for a rack that was revoked."""
    token = lab.ssh("region1", f"rackyard-region enroll-token --name {rack}").strip()
    lab.ssh(rack, "runuser -u rackyard -- rackyard-rack enroll --force --token-file -", stdin=token)


def test_revoked_rack_is_out_at_once_and_can_be_enrolled_again(lab: HaLab) -> None:
    known = lab.rack("rack1")["system_id"]
    lab.ssh("region1", "rackyard-region revoke-rack rack1")
    gone = until(
        {"no rack of the site": lambda: not lab.alive("rack1"), "unnamed": lambda: lab.named("rack2")}, within_s=60
    )
    enrol_again(lab, "rack1")
    seen = until(
        {"alive again": lambda: lab.alive("rack1"), "named again": lambda: lab.named("rack1", "rack2")}, within_s=60
    )
    lab.note("revoked", "rack1 revoked, and enrolled again", "rack1 meanwhile", gone | seen)
    assert gone["no rack of the site"] <= DEAD_S
    assert gone["unnamed"] <= NAME_S
    assert len(seen) == 2, seen
    assert lab.rack("rack1")["system_id"] == known, "VLANs and BMCs know it by this"
