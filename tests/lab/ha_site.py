# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab of topology ha as its tests see it: two regions, two racks."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from lab_site import STATE, Lab, stored

from rackyard_core.client import RegionClient, RegionError

INVENTORY = "inventory/lab_ha"
REGIONS = {"region1": "10.10.0.11", "region2": "10.10.0.12"}
# In subnet pxe-a, which both serve.
RACKS = {"rack1": "10.20.0.2", "rack2": "10.20.0.3"}
# Of the database.
MEMBERS = (*REGIONS, "witness1")
HOSTS = (*MEMBERS, *RACKS)
SUBNET_NAME = "10-20-0-0--24.rackyard.internal"

# No rack is judged in the first 35 s after a time without a leading worker.
_JUDGED = "SELECT since < now() - interval '40 s' FROM leadership"

# Prints all addresses of a name, sorted: sys.argv is name and server.
_ADDRESSES = r"""
import socket, struct, sys
labels = sys.argv[1].split(".")
question = b"".join(bytes([len(l)]) + l.encode() for l in labels) + b"\0" + struct.pack("!HH", 1, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.sendto(struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + question, (sys.argv[2], 53))
answer = s.recv(512)
rest = answer[12 + len(question):]
count = struct.unpack("!H", answer[6:8])[0]
print(*sorted(socket.inet_ntoa(rest[16 * n + 12 : 16 * n + 16]) for n in range(count)))
"""


@dataclass
class HaLab(Lab):
    """Handles on the lab; a question to the API goes to the region that `asked` names."""

    asked: str = "region1"
    # What was lost and how long each gap was, a line for each test that says so.
    figures: list[str] = field(default_factory=list)

    @cached_property
    def key(self) -> str:
        """The administrator's key, read once: its host may be dead later."""
        return self.ssh("region1", "cat /etc/rackyard/admin.apikey").strip()

    def region(self) -> RegionClient:
        """A client of the region that is asked."""
        return RegionClient(f"http://{REGIONS[self.asked]}:5240/MAAS", self.key, timeout_s=10)

    def answers(self) -> bool:
        """Whether the region that is asked answers, and its database with it."""
        with suppress(RegionError):
            return len(self.region().get("rackcontrollers/")) == len(RACKS)
        return False

    def note(self, name: str, fault: str, lost: str, seconds: Mapping[str, float | None]) -> None:
        """Say what a fault has cost: at once, at the end of the run, and in a file."""
        gaps = ", ".join(f"{what} {'never' if each is None else f'{each:.1f} s'}" for what, each in seconds.items())
        self.figures.append(f"{fault}: lost {lost}; {gaps}")
        print(self.figures[-1])
        stored(self, f"fault-{name}", {"fault": fault, "lost": lost, "seconds": dict(seconds)})

    def psql(self, statement: str) -> list[str]:
        """Rows of a question to the member of the database that takes writes, columns between bars."""
        command = "cd /; runuser -u postgres -- psql -XAtq rackyard -v ON_ERROR_STOP=1"
        return self.ssh(self.leader(), command, stdin=f"{statement};\n").splitlines()

    def leader(self) -> str:
        """The member of the database that takes writes."""
        command = "cd /; runuser -u postgres -- psql -XAtc 'SELECT NOT pg_is_in_recovery()'"
        return next(name for name in MEMBERS if self.ssh(name, command, check=False).strip() == "t")

    def new_disks(self, *hosts: str) -> None:
        """Cut the power of these hosts, and give each an empty Debian of the same name and address."""
        for host in hosts:
            self.run("lab", "kill", host)
        for host in hosts:
            folder = STATE / "hosts" / host
            subprocess.run(["umount", "--recursive", str(folder / "root")], check=True)
            for part in ("upper", "work"):
                shutil.rmtree(folder / part)
            self.run("lab", "start", host)

    def service(self, controller: str, name: str) -> str:
        """How the site's picture has a service of a region or a rack: running, dead, degraded, off."""
        picture = self.region().get("controllers/")
        tier, key = ("regions", "name") if controller in REGIONS else ("racks", "hostname")
        (one,) = [each for each in picture[tier] if each[key] == controller]
        return next((each["state"] for each in one["services"] if each["name"] == name), "unknown")

    def power_state(self, name: str) -> str:
        """What a machine's BMC says, asked by a rack that reaches it; empty when none could."""
        with suppress(RegionError):
            system_id = self.machine(name)["system_id"]
            return str(self.region().get(f"machines/{system_id}/", op="query_power_state")["state"])
        return ""

    def rack(self, name: str) -> dict[str, Any]:
        """The rack object of the API."""
        return dict(next(rack for rack in self.region().get("rackcontrollers/") if rack["hostname"] == name))

    def alive(self, *names: str) -> bool:
        """Whether the region counts all of these racks as alive."""
        known = {rack["hostname"]: rack["alive"] for rack in self.region().get("rackcontrollers/")}
        return all(known.get(name, False) for name in names)

    def addresses(self, host: str, server: str) -> list[str]:
        """What a name server tells a host about the racks of pxe-a."""
        said = self.ssh(host, f"python3 - {SUBNET_NAME} {server}", stdin=_ADDRESSES, check=False)
        return re.findall(r"\b10\.20\.0\.\d+", said)

    def named(self, *racks: str, region: str = "region2") -> bool:
        """Whether the name of pxe-a leads to these racks and no other, at a region's name server."""
        return self.addresses(region, "127.0.0.1") == sorted(RACKS[name] for name in racks)

    def dhcp_state(self, host: str) -> str:
        """How a rack's dhcpd says that it stands to its partner; empty while it does not say."""
        said = self.ssh(host, "journalctl -t dhcpd -o cat --no-pager | grep -o 'I move from .* to .*' | tail -1")
        return said.strip().rpartition(" ")[2]

    def whole(self) -> bool:
        """Whether both racks are alive, named, and share what they do, and would be missed if they died now."""
        with suppress(RegionError):
            return (
                self.alive(*RACKS)
                and self.psql(_JUDGED) == ["t"]
                and all(self.named(*RACKS, region=region) for region in REGIONS)
                and all(self.dhcp_state(name) == "normal" for name in RACKS)
            )
        return False
