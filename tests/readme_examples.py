# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the roles' READMEs as playbooks that can be run, with hosts and addresses that are there.

`readme_examples.py FOLDER` writes them for molecule's scenario `readme`.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)

# What the READMEs call the first region; rack_service's examples enrol there.
REGION_NAME, REGION_ADDRESS = "region1", "192.0.2.11"
# The racks that the packet filter's examples let in; gateways are beside one of them.
RACK_ADDRESSES = {"192.0.2.21": "ex-rack-1", "192.0.2.22": "ex-rack-2"}
# Addresses that move between gateways, and so have no host, and the interface that gets them.
MOVING = {"192.0.2.10": "10.10.0.78", "192.0.2.9": "10.10.0.79", "eth0": "mgmt0"}
# Roles in the order in which their examples work. Molecule leaves out those of the lab, which make the hosts,
# and the image, which takes minutes.
ON_HOSTS = (
    "firewall", "service_runtime", "postgres", "controller_identity", "dns", "proxy", "syslog", "ntp", "dhcp", "tftp",
    "region_service", "http", "rack_service", "api_gateway",
)  # fmt: skip
# The first example of each role is alone on its host, so that nothing else helps it. The second ones share hosts,
# as far as they agree. The firewall comes before everything else, so it is alone at first on any host.
GUESTS = {"firewall": "ex-tftp-1"}
SHARED = {
    "controller_identity": "ex-region-2", "dns": "ex-region-2", "http": "ex-region-2", "proxy": "ex-region-2",
    "syslog": "ex-region-2", "ntp": "ex-region-2", "region_service": "ex-region-2", "firewall": "ex-region-2",
    "service_runtime": "ex-postgre-2", "postgres": "ex-postgre-2", "dhcp": "ex-dhcp-2", "tftp": "ex-dhcp-2",
    "api_gateway": "ex-rack-2",
}  # fmt: skip


@dataclass(frozen=True)
class Example:
    """One YAML block of a README; the first of a role has number 1."""

    role: str
    number: int
    text: str

    @property
    def name(self) -> str:
        """Role and number."""
        return f"{self.role}-{self.number}"

    @property
    def host(self) -> str:
        """Name of the lab host that it runs on; such a name has at most 12 characters."""
        own = f"ex-{self.role.split('_')[0][:7]}-{self.number}"
        return (GUESTS if self.number == 1 else SHARED).get(self.role, own)

    def plays(self, host: str) -> list[dict[str, Any]]:
        """Its plays, on the given host. Raises ValueError when it is no playbook."""
        plays = yaml.safe_load(self.text)
        if not isinstance(plays, list) or not all(isinstance(play, dict) and "hosts" in play for play in plays):
            raise ValueError(f"{self.name} is not a playbook")
        return [{"name": f"README of {self.role}, example {self.number}", **play, "hosts": host} for play in plays]


def examples_of(role: str) -> list[Example]:
    """The examples of one role, in their order."""
    readme = (ROOT / "roles" / role / "README.md").read_text(encoding="utf-8")
    return [Example(role, number, text) for number, text in enumerate(BLOCK.findall(readme), start=1)]


def all_examples() -> list[Example]:
    """The examples of every role that has any."""
    return [example for path in sorted(ROOT.glob("roles/*/README.md")) for example in examples_of(path.parent.name)]


def lab_addresses() -> dict[str, str]:
    """Address of each host of the scenario by its name."""
    scenario = yaml.safe_load((ROOT / "molecule/readme/molecule.yml").read_text(encoding="utf-8"))
    hosts = scenario["provisioner"]["inventory"]["hosts"]["molecule_hosts"]["hosts"]
    return {name: str(host["ansible_host"]) for name, host in hosts.items()}


def with_real_addresses(example: Example, addresses: dict[str, str]) -> Example:
    """The example with hosts of the lab in place of the README's: its own, the racks, or the region that a rack or a
    gateway asks: the one that has nginx in front of its service."""
    region = SHARED["region_service"] if example.role in ("rack_service", "api_gateway") else example.host
    text = re.sub(rf"\b{REGION_NAME}$", region, example.text, flags=re.MULTILINE)
    there = {REGION_ADDRESS: region, "198.51.100.2": example.host, **RACK_ADDRESSES}
    real = {address: addresses[host] for address, host in there.items()} | MOVING
    for address, own in real.items():
        text = re.sub(rf"\b{re.escape(address)}\b(?!/)", own, text)
    return Example(example.role, example.number, text)


def main(folder: Path) -> None:
    """Write examples.yml into the folder."""
    addresses = lab_addresses()
    chosen = [example for role in ON_HOSTS for example in examples_of(role)]
    plays = [play for example in chosen for play in with_real_addresses(example, addresses).plays(example.host)]
    (folder / "examples.yml").write_text(yaml.safe_dump(plays, sort_keys=False, width=200), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
