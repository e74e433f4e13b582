# SPDX-License-Identifier: GPL-3.0-or-later
"""How long playbook machines.yml takes to declare machines that are new, and the same once more, unchanged.

Starts a region of an empty database and prints the seconds, and what Ansible and the region took of a
processor. Fails when 1,000 new ones take longer than 30 s or 1,000 unchanged ones longer than 5 s.

Times mean something on an idle machine only.

Usage (`./run bench machines` brings the database): declare.py DSN [--machines N]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from ipaddress import IPv4Address
from pathlib import Path

import web_region

NEW_S, UNCHANGED_S = 30.0, 5.0
# Starting Ansible and a module takes this much without any machine.
START_S = 2.0
TAGS = ("rack-a", "rack-b", "ssd")
FIRST_BMC = IPv4Address("10.64.0.1")


def main() -> int:
    """Declare twice, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsn", help="an empty database")
    parser.add_argument("--machines", type=int, default=1000)
    arguments = parser.parse_args()
    if not 0 < arguments.machines <= 99_999:
        parser.error("--machines must be 1 to 99999")
    with tempfile.TemporaryDirectory() as name, web_region.answering(arguments.dsn, 0) as site:
        file = Path(name) / "machines.json"
        declared = {
            "rackyard_tags": [{"name": name} for name in TAGS],
            "rackyard_machines": [machine(number) for number in range(arguments.machines)],
        }
        file.write_text(json.dumps(declared), encoding="utf-8")
        # An inventory of its own: the repository's is the lab, whose region would be asked.
        playbook = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", f"@{file}", "playbooks/machines.yml"]
        playbook += [
            "-e",
            f"ansible_python_interpreter={sys.executable}",
            "-e",
            json.dumps({"rackyard_region_url": site.environment["RACKYARD_URL"]}),
        ]
        print(f"{arguments.machines} machines", flush=True)
        good = [
            site.timed(what, playbook, START_S + (limit_s - START_S) * max(arguments.machines, 100) / 1000)
            for what, limit_s in (("new", NEW_S), ("unchanged", UNCHANGED_S))
        ]
    return 0 if all(good) else 1


def machine(number: int) -> dict[str, object]:
    """As an inventory declares one."""
    mac = f"5254{number:08x}"
    power = {"type": "ipmi", "address": str(FIRST_BMC + number), "user": "admin", "password": f"sesame-{number:06}"}
    return {
        "hostname": f"m{number:05}",
        "mac_addresses": [":".join(mac[at : at + 2] for at in range(0, 12, 2))],
        "power": power,
        "description": f"rack {number // 40}, unit {number % 40}",
        "tags": [TAGS[number % 2], TAGS[2]],
        "owner_data": {"asset": f"A{number:06}"},
    }


if __name__ == "__main__":
    raise SystemExit(main())
