# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab before anything is installed: what can reach what, and check mode on hosts that have nothing."""

from __future__ import annotations

from lab_site import Lab, recap


def test_lab_status_names_every_host_and_machine(lab: Lab) -> None:
    status = lab.run("lab", "status")
    for name in ("ry-mgmt", "ry-pxe-a", "ry-bmc-a", "region1", "rack1", "m1", "m2"):
        assert name in status


def test_check_mode_on_untouched_hosts_succeeds_and_changes_nothing(lab: Lab) -> None:
    packages = "dpkg-query -W -f '${Package}\\n' | sort | sha256sum; find /etc -type f | sort | sha256sum"
    before = {host: lab.ssh(host, packages) for host in ("region1", "rack1")}
    numbers = recap(lab.playbook("site", "--check"))
    for host in ("region1", "rack1"):
        assert numbers[host]["failed"] == 0
        assert numbers[host]["changed"] > 10, "check mode must say what would change"
        assert lab.ssh(host, packages) == before[host]


def test_region_has_no_way_to_the_bmcs_and_the_rack_has(lab: Lab) -> None:
    probe = "ping -c1 -W2 10.30.0.11 >/dev/null && echo reached || echo blocked"
    assert lab.ssh("region1", probe).strip() == "blocked"
    assert lab.ssh("rack1", probe).strip() == "reached"
