# SPDX-License-Identifier: GPL-3.0-or-later
"""gomaasapi as Debian packages it, in a program of its own, against a region that listens."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter

import pytest

from tests.service.clients.replay import DEPLOYMENT, WORKS, documented

PROGRAM = os.environ.get("RACKYARD_GO_CLIENT", "")


# It takes a compiler that no other test needs: only where the runner has made the program can it be run.
@pytest.mark.skipif(not PROGRAM, reason="`nox -s service` makes the program with gomaasapi")
def test_program_of_juju_works_unchanged(url: str, admin_key: str, api, many_machines, execute) -> None:
    execute(
        "INSERT INTO image (name, arch, suite, manifest, manifest_sha256, registered_at) "
        """VALUES ('i', 'amd64', 'bookworm', '{"files": []}', sha256('i'), now())"""
    )
    assert api.post("fabrics/", data={"name": "lab", "class_type": "10g"}).status_code == 200
    subnets = [{"cidr": "10.20.0.0/24", "gateway_ip": "10.20.0.1"}, {"cidr": "10.99.0.0/16"}]
    for subnet in subnets:
        assert api.post("subnets/", data=subnet).status_code == 200
    made = {
        "static-routes/": {"source": "10.20.0.0/24", "destination": "10.99.0.0/16", "gateway_ip": "10.20.0.254"},
        "zones/": {"name": "east", "description": "the east wing"},
        "resourcepools/": {"name": "web"},
        "domains/": {"name": "lab.example.org"},
        "tags/": {"name": "gpu", "comment": "has an accelerator", "kernel_opts": "iommu=pt"},
    }
    for path, data in made.items():
        assert api.post(path, data=data).status_code in (200, 201), path
    many_machines(2)
    system_id = api.get("machines/?hostname=m00002").json[0]["system_id"]
    api.put(
        f"machines/{system_id}/", data={"zone": "east", "pool": "web", "hostname": "m2", "domain": "lab.example.org"}
    )
    api.post("tags/gpu/?op=update_nodes", data={"add": system_id})
    ran = subprocess.run([PROGRAM, url, admin_key], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    outcomes = json.loads(ran.stdout)
    counted = Counter(DEPLOYMENT if name.startswith("later: ") else WORKS for name in outcomes)
    assert counted == documented("gomaasapi (Juju)")
    assert outcomes == {
        "wrong key": True,
        "capabilities": ["authenticate-api", "devices-management", "networks-management", "static-ipaddresses"],
        "images": [["i", "amd64/generic"]],
        "fabrics": [["lab", "10g", [0]]],
        "spaces": [["undefined", [["10.20.0.0/24", "10.20.0.1", "lab"], ["10.99.0.0/16", "", "lab"]]]],
        "routes": [["10.20.0.0/24", "10.99.0.0/16", "10.20.0.254", 0]],
        "zones": [["default", ""], ["east", "the east wing"]],
        "domains": ["rackyard.internal", "lab.example.org"],
        "tags": [["gpu", "has an accelerator", "iommu=pt"]],
        "pools": True,
        "machines": ["m00001", "m2"],
        "by hostname": ["m2"],
        "by zone": ["m2"],
        "by pool": ["m2"],
        "by domain": ["m2"],
        "by tag": ["m2"],
        "by mac": ["m00001"],
        "by id": ["m00001"],
        "machine": ["m00001.rackyard.internal", "Ready", "unknown", "amd64/generic", "default", "default", []],
        "interfaces": ["52:54:00:00:00:02", "52:54:00:00:00:03"],
        "disks": [True] * 4,
        "owner data": {"juju-model-uuid": "of-a-model"},
        "by owner data": ["m00001"],
        "device made": ["lxd-0.lab.example.org", True, "default", 1],
        "device's new NIC": ["eth1", "52:54:00:30:00:02", "lab", 1500],
        "NIC linked": ["static", "10.20.0.70", "10.20.0.0/24"],
        "NIC unlinked": 0,
        "NIC changed": "eth2",
        "NIC gone": True,
        "devices of a machine": ["lxd-0"],
        "devices by hostname and MAC": [1],
        "device gone": True,
        "file added": True,
        "files by prefix": ["provider-state"],
        "file read": "AP8K",
        "file gone": True,
        "no such file": True,
        "later: allocate": True,
        "later: deploy": True,
        "later: release": True,
        "later: by agent_name": True,
    }
