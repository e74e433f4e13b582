# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of both families: what a host's interfaces get, what the packet filter makes of networks of IPv6."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLES = Path(__file__).parents[3] / "roles"
PROGRAM = ROLES / "lab_hosts" / "files" / "lab-host"
HOST = {
    "name": "rack2",
    "interfaces": [
        {"name": "mgmt0", "bridge": "ry-mgmt", "address": "10.10.0.22/24"},
        {
            "name": "pxe1",
            "bridge": "ry-pxe-b",
            "address": "10.21.0.2/24",
            "more_addresses": ["2001:db8:21::2/64", "10.21.0.3/24"],
        },
        {"name": "pxe2", "bridge": "ry-pxe-c", "address": "2001:db8:22::2/64"},
    ],
}


def rendered(template: str, **variables: Any) -> str:
    """What a template of a role of the lab says."""
    text = trust_as_template((ROLES / template).read_text(encoding="utf-8"))
    return str(Templar(loader=DataLoader(), variables=variables).template(text))


def networks(tmp_path: Path) -> dict[str, list[str]]:
    """The lines of each network file of a host that was made of its description."""
    rootfs = {"results": [{"item": "bookworm", "stdout_lines": ["/rootfs"]}]}
    description = tmp_path / "state/hosts.d/rack2.conf"
    description.parent.mkdir(parents=True)
    gateways = {"ry-mgmt": "10.10.0.1"}
    description.write_text(
        rendered(
            "lab_hosts/templates/host.conf.j2",
            item=HOST, __lab_hosts_rootfs=rootfs, lab_hosts_cache_dir="/cache", lab_hosts_gateways=gateways,
        )
    )  # fmt: skip
    for name in ("ssh/hostkeys/rack2", "ssh/hostkeys/rack2.pub", "ssh/id_ed25519.pub"):
        (tmp_path / "state" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "state" / name).touch()
    shell = shutil.which("sh")
    assert shell
    # Its functions without what its last lines do with the words of the command line.
    functions = PROGRAM.read_text(encoding="utf-8").rpartition("\naction=")[0]
    script = f"{functions}\ndescribe rack2\nseed {tmp_path}/root rack2 || true\n"
    subprocess.run([shell], input=script, text=True, check=True, env=os.environ | {"RACKYARD_LAB": f"{tmp_path}/state"})
    return {path.name: path.read_text().splitlines() for path in (tmp_path / "root/etc/systemd/network").iterdir()}


def test_interface_gets_all_its_addresses_of_either_family(tmp_path: Path) -> None:
    found = networks(tmp_path)
    assert found["10-mgmt0.network"][4:] == ["Address=10.10.0.22/24", "Gateway=10.10.0.1", "IPv6AcceptRA=no"]
    assert found["10-pxe1.network"][4:] == [
        "Address=10.21.0.2/24", "Address=2001:db8:21::2/64", "Address=10.21.0.3/24", "IPv6AcceptRA=no",
    ]  # fmt: skip
    assert found["10-pxe2.network"] == [
        "[Match]", "Name=pxe2", "", "[Network]", "Address=2001:db8:22::2/64", "IPv6AcceptRA=no",
    ]  # fmt: skip


def test_packet_filter_takes_networks_of_ipv6_and_lets_nothing_through() -> None:
    bridges = [
        {"name": "ry-mgmt", "subnet": "10.10.0.0/24", "address": "10.10.0.1/24"},
        {"name": "ry-pxe-b", "subnet": "2001:db8:21::/64"},
    ]
    for given, subnets in ((bridges, "elements = { 10.10.0.0/24 }"), (bridges[1:], "")):
        rules = rendered("lab_network/templates/rules.nft.j2", lab_network_bridges=given)
        # The kernel judges them, in a network namespace that is gone afterwards.
        command = ["unshare", "--net", "sh", "-ec", "nft -f -; nft list table inet ry_lab"]
        there = subprocess.run(command, input=rules, text=True, check=True, capture_output=True).stdout
        assert subnets in " ".join(there.split())
        assert "2001:db8" not in there
        assert 'elements = { "ry-pxe-b" }' in there
        assert "iifname @isolated drop" in there
