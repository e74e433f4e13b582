# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input and broken hardware on the running site: a message that names object and remedy, and nothing lost."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from lab_site import Lab, fetch

from rackyard_core.client import RegionError

RUNNING_BOOT = "select boot_id from boot where outcome = 'running';"
BMC = "10.30.0.13"
FIRST_POOL = {"start": "10.20.0.100", "end": "10.20.0.150"}
SECOND_POOL = {"start": "10.20.0.120", "end": "10.20.0.199"}


@pytest.fixture(scope="module")
def unplugged(lab: Lab) -> dict[str, Any]:
    """A machine that works, but whose only NIC is plugged into the wrong switch: it finds no DHCP server."""
    machine = {
        "name": "spare",
        "firmware": "bios",
        "cpus": 1,
        "memory_mib": 256,
        "disks": [],
        "nics": [{"mac": "52:54:00:20:09:09", "bridge": "ry-bmc-a", "port": "swb-spare"}],
        "bmc": {"address": "10.30.0.13/24", "bridge": "ry-bmc-a", "user": "rackyard", "password": "lab-spare-1"},
        "system": {"manufacturer": "Rackyard", "product": "Lab Machine", "serial": "RYLAB0009"},
    }
    definition = lab.work / "unplugged.json"
    definition.write_text(json.dumps({"lab_machines_list": [machine]}))
    lab.playbook("lab", "-e", f"@{definition}")
    return machine


@pytest.fixture
def spare_machine(lab: Lab, unplugged: dict[str, Any]) -> Iterator[str]:
    """That machine, registered; forgotten afterwards."""
    machine = lab.region().post(
        "machines/",
        commission="false",
        hostname="spare",
        mac_addresses=unplugged["nics"][0]["mac"],
        power_type="ipmi",
        power_parameters_power_address=BMC,
        power_parameters_power_user=unplugged["bmc"]["user"],
        power_parameters_power_pass=unplugged["bmc"]["password"],
    )
    yield machine["system_id"]
    lab.region().delete(f"machines/{machine['system_id']}/")


def power_state(lab: Lab, system_id: str) -> str:
    return str(lab.region().get(f"machines/{system_id}/", op="query_power_state")["state"])


def test_wrong_bmc_password_is_said_after_one_login(lab: Lab, unplugged: dict[str, Any], spare_machine: str) -> None:
    region = lab.region()
    region.put(f"machines/{spare_machine}/", power_parameters_power_pass="not the password")
    lab.capture("ry-bmc-a")
    with pytest.raises(RegionError, match=r"10\.30\.0\.13.*user"):
        power_state(lab, spare_machine)
    time.sleep(5)
    wire = lab.captures["ry-bmc-a"]
    wire.stop()
    # RMCP+ (authentication type 6) carries RAKP message 1, what a BMC counts as a login, in payload type 0x12, and the
    # BMC's answer in 0x13. pyghmi asks again when a busy BMC is silent for 0.5 s; after an answer it must not.
    rakp = wire.frames(f"udp port 623 and host {BMC} and udp[12] = 6 and (udp[13] = 0x12 or udp[13] = 0x13)")
    order = " ".join("login" if f"> {BMC}.623:" in frame else "answer" for frame in rakp)
    assert re.fullmatch("login( login)*( answer)+", order), rakp
    region.put(f"machines/{spare_machine}/", power_parameters_power_pass=unplugged["bmc"]["password"])
    assert power_state(lab, spare_machine) == "off"


def test_unreachable_bmc_is_named_within_thirty_seconds(
    lab: Lab, unplugged: dict[str, Any], spare_machine: str
) -> None:
    elsewhere = {"power_parameters_power_address": "10.30.0.99"}
    with pytest.raises(RegionError, match=r"power_pass"):
        lab.region().put(f"machines/{spare_machine}/", **elsewhere)
    password = unplugged["bmc"]["password"]
    lab.region().put(f"machines/{spare_machine}/", **elsewhere, power_parameters_power_pass=password)
    began = time.monotonic()
    with pytest.raises(RegionError, match=r"10\.30\.0\.99"):
        power_state(lab, spare_machine)
    assert time.monotonic() - began < 35


def test_machine_that_never_boots_fails_at_its_deadline_with_a_diagnosis(lab: Lab, spare_machine: str) -> None:
    lab.ssh("region1", "rackyard-region setting set commissioning_timeout_s 60")
    try:
        region = lab.region()
        region.post(f"machines/{spare_machine}/", op="commission")
        boot_id = lab.ssh("region1", "runuser -u rackyard -- psql -qtA rackyard", stdin=RUNNING_BOOT)
        preseed = f"http://10.10.0.11:5240/MAAS/metadata/latest/by-id/{boot_id.strip()}/?op=get_preseed"
        answer = lab.ssh("rack1", fetch(preseed))
        assert answer.startswith("403"), answer
        deadline = time.monotonic() + 120
        while (machine := lab.machine("spare"))["status_name"] == "Commissioning" and time.monotonic() < deadline:
            time.sleep(2)
        assert machine["status_name"] == "Failed commissioning"
        timeline = region.get(f"machines/{spare_machine}/", op="boot_timeline")
        assert timeline["steps"][3]["outcome"] == "done"
        assert timeline["steps"][4]["outcome"] in ("overdue", "failed")
        assert "step 5" in timeline["diagnosis"]
        assert "52:54:00:20:09:09" in timeline["diagnosis"]
    finally:
        lab.ssh("region1", "rackyard-region setting set commissioning_timeout_s 1200")


def test_rpc_without_a_certificate_is_refused_in_words(lab: Lab) -> None:
    answer = lab.ssh("rack1", fetch("https://10.10.0.11:5250/rpc/1/desired"))
    assert answer.startswith("403")
    assert "certificate" in answer


def test_state_that_dhcpd_refuses_leaves_the_old_one_serving(lab: Lab) -> None:
    desired = {
        "generation": 1,
        "dhcp": {
            "networks": [
                {
                    "name": "vlan-1",
                    "mtu": 1500,
                    "subnets": [
                        {
                            "cidr": "10.20.0.0/24",
                            "next_server": "10.20.0.2",
                            "routers": [],
                            "dns_servers": ["10.20.0.2"],
                            "ntp_servers": ["10.20.0.2"],
                            "domain_name": "rackyard.internal",
                            "pools": [
                                {"start": "10.20.0.100", "end": "10.20.0.150"},
                                {"start": "10.20.0.120", "end": "10.20.0.199"},
                            ],
                        }
                    ],
                }
            ]
        },
    }
    show = "sha256sum /var/lib/rackyard/dhcp/dhcpd.conf; pidof dhcpd"
    before = lab.ssh("rack1", show)
    lab.ssh("rack1", "cat > /run/overlap.json", stdin=json.dumps(desired))
    said = lab.ssh(
        "rack1", "runuser -u rackyard -- rackyard-rack apply --desired /run/overlap.json && echo ACCEPTED", check=False
    )
    assert "ACCEPTED" not in said
    assert "dhcp" in said
    assert lab.ssh("rack1", show) == before


def test_forged_and_reused_enrolment_tokens_are_refused(lab: Lab) -> None:
    token = lab.ssh("region1", "rackyard-region enroll-token --name rack9").strip()
    config = (
        "sed 's#/var/lib/rackyard/rack#/run/second-rack#; s/rack1/rack9/' /etc/rackyard/rack.toml > /run/second.toml"
    )
    lab.ssh("rack1", f"{config}; install -d -o rackyard -g rackyard /run/second-rack")
    enroll = "rackyard-rack --config /run/second.toml enroll --token-file -"
    forged = lab.ssh("rack1", enroll, check=False, stdin=token[:-8] + "AAAAAAAA")
    assert "token" in forged
    assert lab.ssh("rack1", enroll, stdin=token)
    lab.ssh("rack1", "rm -rf /run/second-rack/identity")
    reused = lab.ssh("rack1", enroll, check=False, stdin=token)
    assert "used" in reused
    lab.ssh("region1", "rackyard-region revoke-rack rack9")
