# SPDX-License-Identifier: GPL-3.0-or-later
"""python-libmaas as it is on PyPI, in an environment and a process of its own, against a region that listens."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

PYTHON = os.environ.get("RACKYARD_CLIENTS_PYTHON", "")
PROGRAM = Path(__file__).with_name("libmaas_program.py")


# A client that is AGPL is in no environment of ours: only where the runner has made one for it can it be run.
@pytest.mark.usefixtures("upload_worker")
@pytest.mark.skipif(not PYTHON, reason="`nox -s service` makes the environment that has python-libmaas")
def test_program_of_an_operator_works_unchanged(url: str, admin_key: str, many_machines, execute) -> None:
    many_machines(1)
    execute("UPDATE machine SET commissioned_at = now()")
    ran = subprocess.run(
        [PYTHON, "-W", "ignore", str(PROGRAM), url, admin_key], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "before": ["m00001"],
        "fabrics": ["lab"],
        "vlans": [[0, "untagged", 1500]],
        "subnets": [["pxe-a", "10.20.0.0/24", True]],
        "subnet": "pxe-b",
        "zones": [["default", ""], ["east", "of a client"]],
        "pools": [[0, "default"], [1, "web"]],
        "domains": [[0, "rackyard.internal"], [1, "lab.example.org"]],
        "domain": "lab.example.net",
        "tagged": [20, "dmz"],
        "spaces": [["dmz", [20]], ["undefined", [0]]],
        "space": "dmz",
        "defaults": [True, "undefined"],
        "undefined": [[0, 20]],
        "routes": [["pxe-b", "store"]],
        "route": ["10.20.0.254", 5],
        "no routes": 0,
        "machine": ["m1", "m1.rackyard.internal", "amd64/generic", "New", "ipmi"],
        "interfaces": ["52:54:00:20:01:01"],
        "power": "172.16.0.11",
        "in": ["default", "default"],
        "after": ["m00001", "m2"],
        "found": ["m2"],
        "whoami": "admin",
        "then in": ["east", "web"],
        "groups left": ["default", "default"],
        "person": ["ann", "ann@example.org", True],
        "login": ["ann", ["admin", "ann"]],
        "again": "ann",
        "still": "ann",
        "wrong": "403 FORBIDDEN",
        "ssh_keys": [[True, True]],
        "ssh_key": [True, 0],
        "tag": ["gpu", "has an accelerator", "", "iommu=pt"],
        "tags": ["gpu"],
        "has tags": ["gpu"],
        "bare": [],
        "tags_left": 0,
        "locked": [True, True],
        "unlocked": False,
        "broken": ["Broken", "fan 3 is loud"],
        "fixed": "Ready",
        "owner_data": {"team": "storage"},
        "link": ["static", "10.20.0.50", "pxe-b"],
        "chosen": "10.20.0.2",
        "nics": [
            ["back0", "physical", []],
            ["bond0", "bond", ["back0"]],
            ["br0", "bridge", ["bond0"]],
            ["front0", "physical", []],
        ],
        "front0": [["fast"], ["10.20.0.2"]],
        "disconnected": 0,
        "device": ["sw1.lab.example.org", "east", "DEVICE", ["eth0"]],
        "device's": [["eth0", "52:54:00:30:00:01"], ["mgmt0", "52:54:00:30:00:02"]],
        "devices": ["sw2.lab.example.org"],
        "device has": ["52:54:00:30:00:01"],
        "devices left": 0,
        "files": ["state"],
        "file": [True, True],
        "by key": True,
        "files left": 0,
        "image": ["custom/web", "amd64/generic", "Uploaded", "generic", 3, 1.0],
        "image file": ["uploaded", True, "root-tgz", 10_240_000, True],
        "image again": [True, 0],
        "images": ["custom/web"],
        "images left": 0,
        "repositories": [["vendor", ["main", "tools"], False]],
        "registered": [True, False],
        "allocated": [],
        "power types": ["ipmi", "manual"],
        "address": ["User reserved", "pxe-b", True, []],
        "back in": "default",
        "left": 1,
    }
