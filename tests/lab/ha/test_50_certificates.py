# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate that is revoked, or has ended: what its owner did, others do meanwhile."""

from __future__ import annotations

import shlex

from gaps import until
from ha_site import INVENTORY, HaLab
from lab_site import Lab, eventually

DEAD_S, NAME_S = 10, 15
IDENTITY = "/var/lib/rackyard/rack/identity"

# On a rack: a request for its key.
REQUEST = f"""
from pathlib import Path
from rackyard.rack.identity import request_for
print(request_for(Path("{IDENTITY}/rack.key").read_bytes(), "rack"))
"""
# On a region: signs a request as it would have done 31 days ago; what it signs lasts 30.
SIGN = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from rackyard.region.services.racks.identity import sign_rack
authority = [Path("/etc/rackyard/tls", name).read_bytes() for name in ("ca.crt", "ca.key")]
print(sign_rack(sys.stdin.read(), sys.argv[1], *authority, datetime.now(UTC) - timedelta(days=31)).pem)
"""


def python(script: str, *words: str) -> str:
    """A shell command that runs a script with Rackyard's own code."""
    return shlex.join(["env", "PYTHONPATH=/usr/lib/rackyard/current", "python3", "-c", script, *words])


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


def test_rack_whose_certificate_has_ended_is_stood_in_for_and_enrolled_again_by_its_playbook(lab: HaLab) -> None:
    """No region believes it any more, and no region may: somebody has to run the playbook."""
    known = lab.rack("rack1")["system_id"]
    request = lab.ssh("rack1", python(REQUEST))
    ended = lab.ssh("region1", python(SIGN, known), stdin=request)
    lab.ssh("rack1", f"cat > {IDENTITY}/rack.crt; systemctl restart rackyard-rack", stdin=ended)
    gone = until({"rack is dead": lambda: not lab.alive("rack1"), "unnamed": lambda: lab.named("rack2")}, within_s=90)
    said = eventually(lambda: "has ended" in lab.ssh("rack1", "rackyard-rack status", check=False), within_s=30)
    words = lab.ssh("rack1", "rackyard-rack status", check=False)
    lab.playbook("rack", "--limit", "rack1", inventory=INVENTORY)
    seen = until(
        {"alive after the playbook": lambda: lab.alive("rack1"), "named": lambda: lab.named("rack1", "rack2")},
        within_s=60,
    )
    lab.note("certificate-ended", "rack1's certificate has ended", "rack1 until its playbook runs", gone | seen)
    assert len(gone) == 2, gone
    assert said, words
    assert len(seen) == 2, seen
    assert lab.rack("rack1")["system_id"] == known, "VLANs and BMCs know it by this"
